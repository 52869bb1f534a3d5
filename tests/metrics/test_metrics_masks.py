"""Mask IoU, mean IoU and referring scores by hand and against loops over pixels."""

import math

import numpy as np
import pytest

from tinyvlm.metrics.masks import class_ious, confusion, iou, mean_iou, referring_scores


def mask(*rows):
    return np.array([[letter == "#" for letter in row] for row in rows])


LEFT, RIGHT = mask("##..", "##.."), mask("..##", "..##")
MIDDLE, EMPTY = mask(".##.", ".##."), mask("....", "....")


def test_iou_by_hand():
    overlap = iou(np.array([LEFT, EMPTY]), np.array([LEFT, MIDDLE, RIGHT, EMPTY]))
    np.testing.assert_allclose(overlap, [[1, 1 / 3, 0, 0], [0, 0, 0, 0]])


def test_a_crowd_is_measured_by_what_was_found():
    everything = np.ones((1, 2, 4), bool)
    assert iou(LEFT[None], everything)[0, 0] == 0.5
    assert iou(LEFT[None], everything, np.array([True]))[0, 0] == 1


def test_masks_are_like_boxes():
    """Filled boxes have the IoU of their boxes."""
    from tinyvlm.metrics import boxes

    corners = np.array([[0, 0, 3, 4], [1, 1, 4, 2], [5, 3, 2, 2]])
    filled = np.zeros((3, 8, 8), bool)
    for k, (x, y, width, height) in enumerate(corners):
        filled[k, y : y + height, x : x + width] = True
    np.testing.assert_allclose(iou(filled, filled), boxes.iou(corners, corners))


def test_mean_iou_by_hand():
    """Class 0: 2 of 3 pixels; class 1: 1 of 3; class 2 is nowhere; the last pixel is ignored."""
    true, found = np.array([0, 0, 1, 1, 255]), np.array([0, 0, 0, 1, 2])
    matrix = confusion(found, true, classes=3, ignore=255)
    np.testing.assert_array_equal(matrix, [[2, 0, 0], [1, 1, 0], [0, 0, 0]])
    np.testing.assert_allclose(class_ious(matrix), [2 / 3, 1 / 2, np.nan])
    assert mean_iou(matrix) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert math.isnan(mean_iou(np.zeros((3, 3), int)))


def test_rows_are_the_truth():
    """Catches a matrix that is turned over."""
    np.testing.assert_array_equal(confusion([1], [0], 2), [[0, 1], [0, 0]])


def test_mean_iou_counts_all_pictures_together():
    """The mean of the pictures' own values would be another one."""
    rng = np.random.default_rng(0)
    true, found = rng.integers(0, 4, (2, 5, 6, 7))
    matrices = [confusion(*pair, 4) for pair in zip(found, true, strict=True)]
    together = mean_iou(sum(matrices))
    assert together == mean_iou(confusion(found, true, 4))
    assert together != pytest.approx(np.mean([mean_iou(m) for m in matrices]))
    expected = [
        ((true == k) & (found == k)).sum() / ((true == k) | (found == k)).sum() for k in range(4)
    ]
    assert together == pytest.approx(np.mean(expected))
    assert mean_iou(confusion(true, true, 4)) == 1


def test_referring_scores_by_hand():
    """A third of 6 pixels, all of 1: the small one counts as much in the mean, less in the sum."""
    small = mask("#...", "....")
    scores = referring_scores([MIDDLE, small], [LEFT, small])
    assert scores["mIoU"] == pytest.approx((1 / 3 + 1) / 2)
    assert scores["cIoU"] == pytest.approx((2 + 1) / (6 + 1))
    assert scores["P@.5"] == 0.5
    half = mask("##..", "....")
    assert referring_scores([half], [LEFT])["P@.5"] == 1  # .5 is enough


def test_an_answer_without_a_mask_is_wrong():
    scores = referring_scores([None, LEFT], [LEFT, LEFT])
    assert scores == {"mIoU": 0.5, "cIoU": 0.5, "P@.5": 0.5}
    assert referring_scores([EMPTY], [EMPTY])["mIoU"] == 0


def test_the_order_of_expressions_does_not_count():
    found, true = [LEFT, MIDDLE, None], [MIDDLE, RIGHT, LEFT]
    assert referring_scores(found[::-1], true[::-1]) == referring_scores(found, true)


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"got \(1, 2, 4\), \(1, 3, 4\)"):
        iou(LEFT[None], np.zeros((1, 3, 4)))
    with pytest.raises(ValueError, match=r"found \(2,\) and true \(3,\) differ"):
        confusion([0, 0], [0, 0, 0], 2)
    with pytest.raises(ValueError, match="true has labels from 0 to 7, the classes are 0 to 1"):
        confusion([0, 0], [0, 7], 2)
    with pytest.raises(ValueError, match="found has labels from -1 to 0"):
        confusion([0, -1], [0, 1], 2)
    with pytest.raises(ValueError, match="1 found masks, 2 true ones"):
        referring_scores([LEFT], [LEFT, LEFT])
    with pytest.raises(ValueError, match=r"masks \(2, 4\) and \(1, 1\) differ"):
        referring_scores([LEFT], [np.ones((1, 1))])
