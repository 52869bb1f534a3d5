"""Masks: how well two overlap, mean IoU over classes, and IoU of referring expressions (layer 4).

    IoU            pixels in both / pixels in any
    mean IoU       of each class TP / (TP + FP + FN), all pixels of a data set counted together;
                   then the mean over classes (Everingham et al. 2010, Pascal VOC)
    referring      mIoU: the mean over expressions of each one's IoU;  cIoU: sum of all pixels in
                   both / sum of all pixels in any, in which large objects weigh more;  P@.5: the
                   share of expressions with an IoU of at least .5
                   (Yu et al. 2016, arXiv:1608.00272)

Trap: a box filled to its edges already overlaps a square by .9. Report masks by shape.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def iou(a: np.ndarray, b: np.ndarray, crowd: np.ndarray | None = None) -> np.ndarray:
    """Masks a (I, Y, X) and b (J, Y, X) bool -> (I, J); two empty masks have 0.

    crowd (J,) bool: for these masks of b, the share of a that lies in them, as for boxes.
    """
    if a.shape[1:] != b.shape[1:] or a.ndim != 3:
        raise ValueError(f"iou: expected masks (I, Y, X) and (J, Y, X), got {a.shape}, {b.shape}")
    flat_a = (a != 0).reshape(len(a), -1).astype(np.float64)  # (I, Y*X)
    flat_b = (b != 0).reshape(len(b), -1).astype(np.float64)  # (J, Y*X)
    shared = flat_a @ flat_b.T  # (I, J)
    of_a = flat_a.sum(axis=1)[:, None]
    union = of_a + flat_b.sum(axis=1) - shared
    if crowd is not None:
        union = np.where(crowd, of_a, union)
    return shared / np.maximum(union, 1)


def confusion(
    found: np.ndarray, true: np.ndarray, classes: int, ignore: int | None = None
) -> np.ndarray:
    """How many pixels of true class i were called j: label maps of one shape -> (i, j) int64.

    Pixels whose true label is `ignore` don't count. Maps of several pictures may be given one
    after the other and their matrices added. Raises ValueError for a label outside the classes.
    """
    found, true = np.asarray(found), np.asarray(true)
    if found.shape != true.shape:
        raise ValueError(f"confusion: found {found.shape} and true {true.shape} differ")
    counts = np.ones(true.shape, bool) if ignore is None else true != ignore
    found, true = found[counts].astype(np.int64), true[counts].astype(np.int64)
    for name, labels in (("found", found), ("true", true)):
        if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(
                f"confusion: {name} has labels from {labels.min()} to {labels.max()}, "
                f"the classes are 0 to {classes - 1}"
            )
    return np.bincount(true * classes + found, minlength=classes**2).reshape(classes, classes)


def class_ious(matrix: np.ndarray) -> np.ndarray:
    """A matrix of `confusion` -> the IoU of each class; NaN for one neither there nor found."""
    right = np.diagonal(matrix).astype(float)
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - right
    return np.where(union > 0, right / np.maximum(union, 1), np.nan)


def mean_iou(matrix: np.ndarray) -> float:
    """The mean of `class_ious` over the classes that are there or were found; NaN for none."""
    ious = class_ious(matrix)
    known = ious[~np.isnan(ious)]
    return float(known.mean()) if len(known) else float("nan")


def referring_scores(
    found: Sequence[np.ndarray | None], true: Sequence[np.ndarray]
) -> dict[str, float]:
    """One found and one true mask (Y, X) an expression -> "mIoU", "cIoU", "P@.5".

    None is an answer that couldn't be read as a mask: nothing was found.
    """
    if len(found) != len(true) or not true:
        raise ValueError(f"referring_scores: {len(found)} found masks, {len(true)} true ones")
    shared, union = [], []
    for mine, right in zip(found, true, strict=True):
        mine = np.zeros(right.shape, bool) if mine is None else np.asarray(mine) != 0
        if mine.shape != right.shape:
            raise ValueError(f"referring_scores: masks {mine.shape} and {right.shape} differ")
        shared.append(int((mine & (right != 0)).sum()))
        union.append(int((mine | (right != 0)).sum()))
    each = np.array(shared) / np.maximum(union, 1)
    return {
        "mIoU": float(each.mean()),
        "cIoU": sum(shared) / max(sum(union), 1),
        "P@.5": float((each >= 0.5).mean()),
    }
