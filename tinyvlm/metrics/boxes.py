"""Boxes: how well two overlap (IoU), and average precision as COCO computes it (layer 4).

Lin et al. 2014, "Microsoft COCO", arXiv:1405.0312; the rules are those of its `pycocotools`:

    a class's detections stand by falling score; each takes the free true box with the best IoU, at
    least the threshold, or is a false alarm
    precision after k detections = hits / k, recall = hits / true boxes
    AP = mean of the best precision at any recall >= r, over r = 0, .01, ..., 1
         then over the IoU thresholds .50, .55, ..., .95, then over the classes that have a true box

A crowd (one box round many objects) and a true box outside the range of areas are ignored: whoever
finds one is neither right nor wrong. An ignored box is taken only if no other fits.
Trap: AP needs scores. Without them (all equal) it is one point of the curve and depends on the
order of the detections.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of the IoU
RECALLS = np.linspace(0, 1, 101)
MOST = (1, 10, 100)  # detections that count, for each picture and class
AREAS = {  # in square pixels, both ends belong to the range
    "": (0.0, 1e10),
    "_small": (0.0, 32.0**2),
    "_medium": (32.0**2, 96.0**2),
    "_large": (96.0**2, 1e10),
}


@dataclass(frozen=True)
class Detections:
    """What was found in one picture."""

    boxes: np.ndarray  # (found, 4) x, y, width, height in pixels
    labels: np.ndarray  # (found,) int, the classes
    scores: np.ndarray  # (found,) a higher one is surer

    def __post_init__(self) -> None:
        _check("Detections", self.boxes, labels=self.labels, scores=self.scores)


@dataclass(frozen=True)
class GroundTruth:
    """What is in one picture."""

    boxes: np.ndarray  # (true, 4) x, y, width, height in pixels
    labels: np.ndarray  # (true,) int, the classes
    crowd: np.ndarray | None = None  # (true,) bool, None is no crowd
    areas: np.ndarray | None = None  # (true,) of the objects, in square pixels; None is the boxes'

    def __post_init__(self) -> None:
        given = {"labels": self.labels, "crowd": self.crowd, "areas": self.areas}
        _check("GroundTruth", self.boxes, **{k: v for k, v in given.items() if v is not None})


def iou(a: np.ndarray, b: np.ndarray, crowd: np.ndarray | None = None) -> np.ndarray:
    """Intersection over union of boxes x, y, width, height: a (I, 4), b (J, 4) -> (I, J).

    crowd (J,) bool: for these boxes of b, intersection over the area of a. Boxes are continuous (a
    box from 0 to 10 is 10 wide, not 11); two boxes that only touch, or one without area, have 0.
    """
    a, b = np.asarray(a, float)[:, None], np.asarray(b, float)[None]
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)  # (I, J)
    of_a, of_b = a[..., 2:].prod(axis=-1), b[..., 2:].prod(axis=-1)
    union = of_a + of_b - shared
    if crowd is not None:
        union = np.where(crowd, of_a, union)
    return shared / np.where(shared > 0, union, 1)


def average_precision(
    found: Sequence[Detections], truths: Sequence[GroundTruth]
) -> dict[str, float]:
    """The twelve numbers of COCO, from one Detections and one GroundTruth for each picture.

    "AP" (over ten thresholds), "AP50", "AP75"; "AP_small", "AP_medium", "AP_large"; "AR1", "AR10",
    "AR100": the highest recall with so many detections a picture and class, over the same
    thresholds; "AR_small", "AR_medium", "AR_large". All from 0 to 1, NaN where there is no true
    box. Equal scores keep the order of the pictures and of the detections in them.
    """
    if len(found) != len(truths):
        raise ValueError(
            f"average_precision: {len(found)} pictures with detections, {len(truths)} with truth"
        )
    classes = _by_class(found, truths)
    precisions: dict[str, list[np.ndarray]] = {area: [] for area in AREAS}  # (T, 101) a class
    recalls: dict[tuple[str, int], list[np.ndarray]] = defaultdict(list)  # (T,) a class
    for area, bounds in AREAS.items():
        for pictures in classes.values():
            matches = [picture.match(bounds) for picture in pictures]
            if not sum(match.true for match in matches):
                continue
            for most in MOST:
                precision, recall = _curve(matches, most)
                recalls[area, most].append(recall)
            precisions[area].append(precision)  # of the last, 100
    scores = {"AP": _mean(precisions[""])}
    for name, threshold in (("AP50", 0), ("AP75", 5)):
        scores[name] = _mean([precision[threshold] for precision in precisions[""]])
    scores |= {f"AP{area}": _mean(precisions[area]) for area in AREAS if area}
    scores |= {f"AR{most}": _mean(recalls["", most]) for most in MOST}
    return scores | {f"AR{area}": _mean(recalls[area, MOST[-1]]) for area in AREAS if area}


@dataclass(frozen=True)
class _Match:
    """Which detections of one class hit something in one picture; T is for the thresholds."""

    scores: np.ndarray  # (found,) falling
    hit: np.ndarray  # (T, found) bool: took a true box, ignored or not
    ignored: np.ndarray  # (T, found) bool: neither right nor wrong
    true: int  # boxes that should be found


@dataclass(frozen=True)
class _Picture:
    """One class in one picture: at most MOST[-1] detections by falling score, and the truth."""

    scores: np.ndarray  # (found,)
    overlaps: np.ndarray  # (found, true)
    found_areas: np.ndarray  # (found,)
    areas: np.ndarray  # (true,)
    crowd: np.ndarray  # (true,)

    def match(self, bounds: tuple[float, float]) -> _Match:
        """Detections choose in turn, at each threshold, among the true boxes of such an area."""
        low, high = bounds
        ignore = self.crowd | (self.areas < low) | (self.areas > high)  # (true,)
        hit = np.zeros((len(THRESHOLDS), len(self.scores)), bool)
        ignored = np.zeros_like(hit)
        taken = np.zeros((len(THRESHOLDS), len(ignore)), bool)
        rows = np.arange(len(THRESHOLDS))
        for k, overlap in enumerate(self.overlaps if len(ignore) else []):
            fits = (overlap >= THRESHOLDS[:, None]) & (~taken | self.crowd)  # (T, true)
            counted = fits & ~ignore
            open_to_it = np.where(counted.any(axis=1, keepdims=True), counted, fits)
            wanted = np.where(open_to_it, overlap, -1)
            best = len(ignore) - 1 - wanted[:, ::-1].argmax(axis=1)  # the last of equals
            hit[:, k] = fits.any(axis=1)
            ignored[:, k] = hit[:, k] & ignore[best]
            taken[rows, best] |= hit[:, k]
        outside = (self.found_areas < low) | (self.found_areas > high)
        return _Match(self.scores, hit, ignored | (~hit & outside), int((~ignore).sum()))


def _by_class(
    found: Sequence[Detections], truths: Sequence[GroundTruth]
) -> dict[int, list[_Picture]]:
    classes = defaultdict(list)
    for there, truth in zip(found, truths, strict=True):
        for label in np.union1d(there.labels, truth.labels).tolist():
            classes[label].append(_picture(there, truth, label))
    return classes


def _picture(there: Detections, truth: GroundTruth, label: int) -> _Picture:
    mine = np.flatnonzero(np.asarray(there.labels) == label)
    scores = np.asarray(there.scores, float)[mine]
    order = np.argsort(-scores, kind="stable")[: MOST[-1]]
    boxes = np.asarray(there.boxes, float).reshape(-1, 4)[mine[order]]
    true = np.asarray(truth.labels) == label
    true_boxes = np.asarray(truth.boxes, float).reshape(-1, 4)[true]
    crowd = np.zeros(len(true_boxes), bool)
    if truth.crowd is not None:
        crowd = np.asarray(truth.crowd, bool)[true]
    areas = true_boxes[:, 2] * true_boxes[:, 3]
    if truth.areas is not None:
        areas = np.asarray(truth.areas, float)[true]
    overlaps = iou(boxes, true_boxes, crowd)
    return _Picture(scores[order], overlaps, boxes[:, 2] * boxes[:, 3], areas, crowd)


def _curve(matches: Sequence[_Match], most: int) -> tuple[np.ndarray, np.ndarray]:
    """Of one class: the precision at each of RECALLS (T, 101), and the highest recall (T,)."""
    scores = np.concatenate([match.scores[:most] for match in matches])
    order = np.argsort(-scores, kind="stable")
    hit = np.concatenate([match.hit[:, :most] for match in matches], axis=1)[:, order]
    counts = ~np.concatenate([match.ignored[:, :most] for match in matches], axis=1)[:, order]
    right = np.cumsum(hit & counts, axis=1)  # (T, found)
    said = np.cumsum(counts, axis=1)
    precision = right / np.maximum(said, 1)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = right / sum(match.true for match in matches)
    sampled = np.zeros((len(THRESHOLDS), len(RECALLS)))  # 0 beyond the highest recall
    for row, (p, r) in enumerate(zip(precision, recall, strict=True)):
        at = np.searchsorted(r, RECALLS, side="left")
        sampled[row, at < len(p)] = p[at[at < len(p)]]
    return sampled, recall[:, -1] if len(order) else np.zeros(len(THRESHOLDS))


def _mean(of_classes: Sequence[np.ndarray]) -> float:
    return float(np.mean(of_classes)) if of_classes else float("nan")


def _check(name: str, boxes: np.ndarray, **columns: np.ndarray) -> None:
    """Boxes (n, 4) that are finite and not inside out, and columns (n,) beside them."""
    boxes = np.asarray(boxes, float)
    if boxes.size and (boxes.ndim != 2 or boxes.shape[1] != 4):
        raise ValueError(f"{name}: expected boxes (n, 4), got {boxes.shape}")
    boxes = boxes.reshape(-1, 4)
    if not np.isfinite(boxes).all() or (boxes[:, 2:] < 0).any():
        raise ValueError(f"{name}: a box is not four numbers x, y, width >= 0, height >= 0")
    for column, values in columns.items():
        if np.shape(values) != (len(boxes),):
            raise ValueError(f"{name}: {len(boxes)} boxes, but {column} {np.shape(values)}")
        if np.isnan(np.asarray(values, float)).any():
            raise ValueError(f"{name}: one of the {column} is not a number")
