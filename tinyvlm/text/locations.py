"""Boxes as words: how a language model points (layer 4).

PaliGemma (Beyer et al. 2024, arXiv 2407.07726; after pix2seq, Chen et al. 2021, arXiv 2109.10852)
has a word for each of 1024 places between an edge of the picture and the opposite one:

    <loc0123><loc0045><loc0700><loc0512> cat ; <loc...>... dog

are the top, left, bottom and right edge of a cat, then those of a dog. A small vocabulary takes
fewer bins: with one more than the picture has pixels a side, each border between pixels has a word.
A word tokenizer drops the " ; "; the next <loc> begins the next object all the same.
Trap: the order is y before x, lower before upper; COCO and this library's data sets have x, y,
width, height.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tinyvlm.errors import InputError

BINS = 1024  # of PaliGemma
_WORD = r"<loc(\d{4})>\s*"
_OBJECT = re.compile(rf"{_WORD * 4}([^<;]*)")


@dataclass(frozen=True)
class Detection:
    """One object that was pointed at."""

    label: str
    box: tuple[float, float, float, float]  # y min, x min, y max, x max, as shares of the picture


def location_words(bins: int = BINS) -> tuple[str, ...]:
    """<loc0000>, <loc0001> ...: what a vocabulary needs."""
    if not 2 <= bins <= 10_000:
        raise InputError(f"bins is {bins}: give 2 to 10000, the words have four digits")
    return tuple(f"<loc{i:04d}>" for i in range(bins))


def encode_detections(detections: Iterable[Detection], bins: int = BINS) -> str:
    """The answer to "detect ...": four words a box, then its label. Places are rounded to a bin.

    Raises InputError for a box that doesn't lie in 0..1 with its lower corner first.
    """
    words = location_words(bins)
    said = []
    for detection in detections:
        y0, x0, y1, x1 = detection.box
        if not (0 <= y0 <= y1 <= 1 and 0 <= x0 <= x1 <= 1):
            raise InputError(
                f"box {detection.box} of {detection.label!r}: give y min, x min, y max, x max as "
                "shares of the picture, 0 to 1"
            )
        corners = "".join(words[round(place * (bins - 1))] for place in detection.box)
        said.append(f"{corners} {detection.label}".strip())
    return " ; ".join(said)


def decode_detections(text: str, bins: int = BINS) -> list[Detection]:
    """The objects a text points at. What is not four places in a row is passed over.

    A model may say anything: corners in the wrong order are put in order.
    """
    return [detection for detection, _ in _objects(text, bins)]


def decode_scored(
    tokens: Sequence[tuple[str, float]], bins: int = BINS
) -> list[tuple[Detection, float]]:
    """As decode_detections, for tokens and their probabilities: each object with its score, 0 to 1.

    The mean probability of its four location words, times that of its label (all of whose words
    must be right). A location word is one token, as PaliGemma has it.
    """
    text, starts = "", []
    for token, _ in tokens:
        starts.append(len(text))
        text += f"{token} "
    p = np.array([probability for _, probability in tokens])  # (T,)
    found = []
    for detection, match in _objects(text, bins):
        places = np.searchsorted(starts, [match.start(i) for i in (1, 2, 3, 4)], "right") - 1
        label = slice(*np.searchsorted(starts, match.span(5)))
        found.append((detection, float(p[places].mean() * p[label].prod())))
    return found


def _objects(text: str, bins: int) -> Iterator[tuple[Detection, re.Match[str]]]:
    for match in _OBJECT.finditer(text):
        places = [int(digits) for digits in match.groups()[:4]]
        if max(places) < bins:
            ya, xa, yb, xb = (place / (bins - 1) for place in places)
            box = (min(ya, yb), min(xa, xb), max(ya, yb), max(xa, xb))
            yield Detection(match[5].strip(), box), match


def from_xywh(
    boxes: np.ndarray, labels: Sequence[str], size: tuple[float, float]
) -> list[Detection]:
    """boxes (M, 4) of x, y, width, height in pixels of a picture of size (Y, X); cut to it."""
    x, y, width, height = np.asarray(boxes, np.float64).reshape(-1, 4).T
    Y, X = size
    corners = np.stack([y / Y, x / X, (y + height) / Y, (x + width) / X], axis=1)  # (M, 4)
    rows = corners.clip(0, 1).tolist()
    return [Detection(label, tuple(row)) for label, row in zip(labels, rows, strict=True)]


def to_xywh(detections: Sequence[Detection], size: tuple[float, float]) -> np.ndarray:
    """x, y, width, height in pixels of a picture of size (Y, X): (M, 4) float64."""
    corners = np.array([d.box for d in detections]).reshape(-1, 4)  # (M, 4)
    y0, x0, y1, x1 = corners.T
    Y, X = size
    return np.stack([x0 * X, y0 * Y, (x1 - x0) * X, (y1 - y0) * Y], axis=1)  # (M, 4)
