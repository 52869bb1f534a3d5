"""IoU and average precision on cases worked out by hand, and what must not change them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyvlm.metrics.boxes import Detections, GroundTruth, average_precision, iou

BOX = (10.0, 20.0, 40.0, 40.0)  # 1600 square pixels: medium
LEFT_HALF = (10.0, 20.0, 20.0, 40.0)
ELSEWHERE = (200.0, 200.0, 40.0, 40.0)


def found(boxes, scores, labels=None):
    return Detections(
        np.reshape(boxes, (-1, 4)), np.array(labels or [1] * len(scores)), np.array(scores)
    )


def truth(boxes, labels=None, **more):
    boxes = np.reshape(boxes, (-1, 4))
    more = {key: np.array(values) for key, values in more.items()}
    return GroundTruth(boxes, np.array(labels or [1] * len(boxes)), **more)


def ap(*pictures):
    return average_precision(*zip(*pictures, strict=True))


# IoU


def test_iou_by_hand():
    a = [BOX, ELSEWHERE]
    b = [BOX, LEFT_HALF, (50, 20, 40, 40), (30, 40, 40, 40), (10, 20, 0, 40)]
    expected = [[1, 0.5, 0, 400 / 2800, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_allclose(iou(a, b), expected, rtol=1e-15)


def test_a_crowd_is_measured_by_the_area_of_what_was_found():
    overlap = iou([LEFT_HALF, BOX], [BOX, BOX, LEFT_HALF], np.array([True, False, True]))
    np.testing.assert_allclose(overlap, [[1, 0.5, 1], [1, 1, 0.5]])


def test_iou_of_no_boxes():
    assert iou(np.zeros((0, 4)), [BOX]).shape == (0, 1)
    assert iou([BOX], np.zeros((0, 4))).shape == (1, 0)


sides = st.integers(0, 6)
BOXES = st.lists(st.tuples(sides, sides, sides, sides), min_size=1, max_size=4)


@given(BOXES, BOXES)
def test_iou_is_the_share_of_common_cells(a, b):
    """The twin: boxes of whole numbers cover cells; count those in both and those in any."""

    def cells(x, y, width, height):
        return {(i, j) for i in range(x, x + width) for j in range(y, y + height)}

    for i, row in enumerate(iou(a, b)):
        for j, value in enumerate(row):
            one, other = cells(*a[i]), cells(*b[j])
            assert value == pytest.approx(len(one & other) / max(len(one | other), 1))


# Average precision by hand


def test_all_found_is_one_and_nothing_found_is_zero():
    true = truth([BOX, ELSEWHERE], [1, 2])
    perfect = ap((found([BOX, ELSEWHERE], [0.9, 0.1], [1, 2]), true))
    assert perfect["AP"] == perfect["AP50"] == perfect["AR1"] == perfect["AP_medium"] == 1
    nothing = ap((found([], []), true))
    assert nothing["AP"] == nothing["AR100"] == 0
    assert math.isnan(nothing["AP_small"])  # no small box is there to be found


def test_a_false_alarm_counts_by_where_it_stands():
    """Above the hit, the precision at every recall is 1/2; below it, 1."""
    for score, expected in ((0.9, 0.5), (0.1, 1.0)):
        picture = found([BOX, ELSEWHERE], [0.5, score]), truth([BOX])
        assert ap(picture)["AP"] == pytest.approx(expected)
        assert ap(picture)["AR100"] == 1


def test_half_found_fills_half_of_the_recalls():
    """Recall 1/2 is reached: the recall points 0, .01, ..., .50 are 51 of 101."""
    assert ap((found([BOX], [1.0]), truth([BOX, ELSEWHERE])))["AP"] == pytest.approx(51 / 101)


def test_a_box_found_twice_is_a_hit_and_a_false_alarm():
    """ELSEWHERE is found last: precision 1 at recall 1/2, then 2/3."""
    picture = found([BOX, BOX, ELSEWHERE], [0.9, 0.8, 0.7]), truth([BOX, ELSEWHERE])
    assert ap(picture)["AP"] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_the_thresholds():
    """An overlap of .72 counts at .50, .55, .60, .65, .70: five of ten."""
    picture = found([(10, 20, 28.8, 40)], [1.0]), truth([BOX])
    scores = ap(picture)
    assert (scores["AP50"], scores["AP75"], scores["AP"]) == (1, 0, 0.5)


def test_a_crowd_is_neither_right_nor_wrong():
    detections = found([BOX, LEFT_HALF, ELSEWHERE], [0.9, 0.8, 0.7])
    assert ap((detections, truth([ELSEWHERE])))["AP"] == pytest.approx(1 / 3)
    true = truth([BOX, ELSEWHERE], crowd=[True, False])
    assert ap((detections, true))["AP"] == 1  # both boxes in the crowd are forgiven


def test_ranges_of_area_use_the_area_of_the_object():
    """A thin object in a medium box is small; its detection is no false alarm among the medium."""
    true = truth([BOX, ELSEWHERE], areas=[500, 1600])
    scores = ap((found([BOX, ELSEWHERE], [0.9, 0.8]), true))
    assert scores["AP_small"] == scores["AP_medium"] == 1
    assert math.isnan(scores["AP_large"])


def test_a_detection_of_another_size_is_no_false_alarm():
    """ELSEWHERE is medium: among small objects nobody asked for it."""
    small = (10, 20, 20, 20)
    scores = ap((found([ELSEWHERE, small], [0.9, 0.8]), truth([small])))
    assert (scores["AP_small"], scores["AP"]) == (1, 0.5)


def test_an_ignored_box_is_taken_only_if_no_other_fits():
    """The crowd fits perfectly, the other box by 1/2: it is the one that must be found."""
    true = truth([BOX, LEFT_HALF], crowd=[True, False])
    assert ap((found([BOX], [1.0]), true))["AP50"] == 1


def test_of_equal_overlaps_the_last_is_taken():
    """As pycocotools does. The box between overlaps both by 3/5; then `first` is still free."""
    first, between, last = ((x, 0, 40, 40) for x in (0, 10, 20))
    for second, expected in ((first, 1.0), (last, 51 / 101)):
        scores = ap((found([between, second], [0.9, 0.8]), truth([first, last])))
        assert scores["AP50"] == pytest.approx(expected)


def test_only_classes_with_a_true_box_are_averaged():
    true = truth([BOX, ELSEWHERE], [1, 2])
    detections = found([BOX, ELSEWHERE, BOX], [0.5, 0.5, 0.9], [1, 1, 7])
    assert ap((detections, true))["AP"] == 0.5  # class 1 has 1, class 2 has 0, class 7 is none
    assert math.isnan(ap((detections, truth([])))["AP"])


def test_how_many_detections_count():
    true = truth([(50 * k, 0, 40, 40) for k in range(12)])
    scores = ap((found(true.boxes, np.arange(12.0)), true))
    assert scores["AR1"] == pytest.approx(1 / 12)
    assert scores["AR10"] == pytest.approx(10 / 12)
    assert scores["AR100"] == 1


# What must not change it


def some_pictures(rng, n=8):
    pictures = []
    for _ in range(n):
        true = rng.uniform(10, 60, (4, 4))
        near = true + rng.normal(0, 4, true.shape)
        labels = rng.integers(1, 3, 4)
        pictures.append((found(near, rng.random(4), labels.tolist()), truth(true, labels.tolist())))
    return pictures


def test_the_order_of_pictures_and_of_detections_does_not_count():
    rng = np.random.default_rng(0)
    pictures = some_pictures(rng)
    expected = ap(*pictures)
    assert 0.1 < expected["AP"] < 0.9
    shuffled = []
    for k in rng.permutation(len(pictures)):
        there, true = pictures[k]
        order = rng.permutation(4)
        there = Detections(there.boxes[order], there.labels[order], there.scores[order])
        shuffled.append((there, true))
    np.testing.assert_equal(ap(*shuffled), expected)


def test_only_the_order_of_scores_counts():
    pictures = some_pictures(np.random.default_rng(1))
    changed = [(Detections(d.boxes, d.labels, d.scores**3 - 5), true) for d, true in pictures]
    np.testing.assert_equal(ap(*changed), ap(*pictures))


def test_a_box_in_another_picture_is_not_found():
    """Catches boxes that are matched across pictures."""
    assert ap((found([BOX], [1.0]), truth([])), (found([], []), truth([BOX])))["AP"] == 0


# Wrong arguments


def test_wrong_arguments():
    for boxes, message in (
        ([[1, 2, 3]], r"expected boxes \(n, 4\)"),
        ([[1, 2, -3, 4]], "width >= 0"),
        ([[1, 2, np.nan, 4]], "not four numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            Detections(np.array(boxes), np.ones(1, int), np.ones(1))
    with pytest.raises(ValueError, match=r"1 boxes, but scores \(2,\)"):
        Detections(np.array([BOX]), np.ones(1, int), np.ones(2))
    with pytest.raises(ValueError, match="one of the scores is not a number"):
        found([BOX], [np.nan])
    with pytest.raises(ValueError, match=r"1 boxes, but crowd \(2,\)"):
        truth([BOX], crowd=[True, False])
    with pytest.raises(ValueError, match="1 pictures with detections, 2 with truth"):
        average_precision([found([BOX], [1.0])], [truth([BOX])] * 2)
