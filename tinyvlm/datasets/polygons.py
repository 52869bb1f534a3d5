"""Polygons as masks, pixel for pixel as the COCO tools paint them (layer 4).

Lin et al. 2014, arXiv 1405.0312, and pycocotools, its reference program. Corners are rounded to a
grid five times as fine as the pixels and joined by straight lines, a point for every step along
the longer axis. Where a line passes the middle of a pixel column, the column changes between
outside and inside; pixels are read column by column, so a mask is the parity of the changes so far.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinyvlm.errors import InputError
from tinyvlm.images import MAX_PIXELS

FINE = 5  # steps of the fine grid in a pixel
MIDDLE = 2  # the step of each pixel where its middle lies
LONGEST = 4_000_000  # fine steps of an outline; a corner can claim any place in a few characters


def paint(polygons: Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    """The (Y, X) bool mask of what lies in any of the polygons, each [x1, y1, x2, y2, ...].

    Pixels whose middle is inside are True; (0, 0) is the upper left corner of the picture, and
    what lies outside it is cut off. Raises InputError for a mask or an outline that is too large.
    """
    if height * width > MAX_PIXELS:
        raise InputError(f"a mask of {height} x {width} has more than {MAX_PIXELS:,} pixels")
    mask = np.zeros((height, width), bool)  # (Y, X)
    for polygon in polygons:
        corners = np.trunc(FINE * np.asarray(polygon, np.float64).reshape(-1, 2) + 0.5)
        changes = crossings(corners, height, width)
        parity = np.cumsum(np.bincount(changes, minlength=height * width + 1)) % 2 == 1
        mask |= parity[:-1].reshape(width, height).T  # (Y, X)
    return mask


def check_polygons(polygons: Any) -> None:
    """Raise InputError unless it is a list of polygons, each of three corners or more."""
    if not isinstance(polygons, list) or not polygons:
        raise InputError("segmentation has no polygon")
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise InputError("a polygon is not [x1, y1, x2, y2, x3, y3, ...]")
        if not all(type(value) in (int, float) and abs(value) <= LONGEST for value in polygon):
            raise InputError(f"a corner of a polygon is no number up to {LONGEST:,}")


def crossings(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """Where in the column-by-column order the outline of (corners, 2) passes a column's middle."""
    u, v, edge = outline(corners)
    same_edge = edge[1:] == edge[:-1]
    left = np.minimum(u[1:], u[:-1])
    upper = np.minimum(v[1:], v[:-1])
    x = (left - MIDDLE) // FINE
    passes = same_edge & (u[1:] != u[:-1]) & (left % FINE == MIDDLE) & (x >= 0) & (x < width)
    y = np.ceil((upper[passes] + 0.5) / FINE - 0.5).clip(0, height).astype(np.int64)
    return x[passes] * height + y


def outline(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (u, v) on the fine grid along all edges, and the number of the edge of each."""
    start, stop = corners, np.roll(corners, -1, axis=0)  # (corners, 2)
    along_x = np.abs(stop - start)[:, 0] >= np.abs(stop - start)[:, 1]
    long, short = np.where(along_x, 0, 1), np.where(along_x, 1, 0)
    rows = np.arange(len(corners))
    backward = start[rows, long] > stop[rows, long]
    start, stop = np.where(backward[:, None], [stop, start], [start, stop])
    steps = (stop - start)[rows, long]
    if steps.sum() > LONGEST:
        raise InputError(f"an outline of {steps.sum() / FINE:,.0f} pixels is too long")
    rise = (stop - start)[rows, short] / np.maximum(steps, 1)
    edge = np.repeat(rows, steps.astype(np.int64) + 1)
    first = np.cumsum(steps + 1) - (steps + 1)
    t = np.arange(len(edge)) - first[edge]
    on_long = start[edge, long[edge]] + t
    on_short = np.trunc(start[edge, short[edge]] + rise[edge] * t + 0.5)
    u = np.where(along_x[edge], on_long, on_short)
    v = np.where(along_x[edge], on_short, on_long)
    return u.astype(np.int64), v.astype(np.int64), edge
