"""Average precision is that of pycocotools, on 240 stored cases."""

from pathlib import Path

import numpy as np
import pytest

from tinyvlm.metrics import boxes
from tinyvlm.metrics.boxes import Detections, GroundTruth, average_precision

with np.load(Path(__file__).with_name("box_values.npz"), allow_pickle=False) as file:
    VALUES = np.where(file["values"] == -1, np.nan, file["values"])
    PICTURES, TRUE, FOUND = file["pictures"], file["true"].T, file["found"].T

NAMES = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")
NAMES += ("AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large")
TOLERANCE = 1e-12  # measured 3e-16


def case(number):
    """[(Detections, GroundTruth)], one for each picture; make_box_values.py tells the columns."""
    pictures = []
    for k in range(1, PICTURES[number] + 1):
        found = FOUND[(FOUND[:, 0] == number) & (FOUND[:, 1] == k), 2:]
        true = TRUE[(TRUE[:, 0] == number) & (TRUE[:, 1] == k), 2:]
        detections = Detections(found[:, 1:5] / 4, found[:, 0], found[:, 5] / 1000)
        truth = GroundTruth(true[:, 1:5] / 4, true[:, 0], true[:, 6] == 1, true[:, 5] / 16)
        pictures.append((detections, truth))
    return pictures


def ours(number):
    found, truths = zip(*case(number), strict=True)
    scores = average_precision(found, truths)
    assert tuple(scores) == NAMES
    return list(scores.values())


def test_average_precision_is_that_of_pycocotools():
    got = np.array([ours(number) for number in range(len(VALUES))])
    assert got.shape == (240, 12)
    np.testing.assert_allclose(got, VALUES, rtol=0, atol=TOLERANCE, equal_nan=True)


def test_the_cases_hold_what_they_promise():
    """Catches cases that are all alike, on which a wrong rule would agree too."""
    pictures = [picture for number in range(len(VALUES)) for picture in case(number)]
    found, truths = zip(*pictures, strict=True)
    assert sum(truth.crowd.any() for truth in truths) > 100
    assert sum(len(there.scores) > len(np.unique(there.scores)) for there in found) > 100
    assert sum(len(there.scores) > 100 for there in found) >= 10
    assert sum(not len(there.boxes) for there in found) > 50
    assert sum(not len(truth.boxes) for truth in truths) > 50
    assert sum((there.boxes[:, 2:] == 0).any() for there in found) > 5
    assert sum((truth.areas < truth.boxes[:, 2:].prod(axis=1)).any() for truth in truths) > 100
    assert np.isnan(VALUES).any(axis=0).sum() >= 6
    assert np.nanmin(VALUES[:, 0]) == 0
    assert np.nanmax(VALUES[:, 0]) > 0.7


@pytest.mark.parametrize("change", ["plus one", "first of equals", "crowd as box", "11 recalls"])
def test_a_wrong_rule_is_noticed(monkeypatch, change):
    """Each of four classic mistakes, planted, disagrees with the stored values."""
    true_iou = boxes.iou
    if change == "plus one":
        grow = np.array([0, 0, 1, 1])
        monkeypatch.setattr(boxes, "iou", lambda a, b, crowd: true_iou(a + grow, b + grow, crowd))
    elif change == "first of equals":
        monkeypatch.setattr(
            boxes, "iou", lambda a, b, crowd: true_iou(a, b, crowd) * (1 - 1e-9 * np.arange(len(b)))
        )
    elif change == "crowd as box":
        monkeypatch.setattr(boxes, "iou", lambda a, b, crowd: true_iou(a, b))
    else:
        monkeypatch.setattr(boxes, "RECALLS", np.linspace(0, 1, 11))
    got = np.array([ours(number) for number in range(1, 100)])
    assert np.nanmax(np.abs(got - VALUES[1:100])) > 1e-3
