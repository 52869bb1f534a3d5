"""Boxes drawn over a picture: an SVG layer that keeps its lines and its writing at any size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinyvlm.page.fragments import escape

LETTERS = 0.052  # height of the writing, as a share of the picture's longer side
WIDTH = 0.56  # of a letter, as a share of its height
ENOUGH = 0.5  # the overlap from which on a box counts as right (as in PASCAL VOC)


@dataclass(frozen=True)
class Pointed:
    """A thing that the model was asked to point at, and the boxes it drew."""

    label: str
    boxes: np.ndarray  # (M, 4) of x, y, width, height in pixels of the picture
    overlap: float  # intersection over union of the first box with the true one; 0 without a box

    @property
    def is_right(self) -> bool:
        """There is one thing of this name, so one box."""
        return len(self.boxes) == 1 and self.overlap >= ENOUGH


def layer(size: tuple[int, int], pointed: Sequence[Pointed]) -> str:
    """All boxes over a picture of (Y, X) pixels, each with its label; wrong ones are dashed.

    A light line runs on a dark one, so that a box is seen on every colour. The layer is hidden from
    screen readers: what it shows is written beside the picture.
    """
    Y, X = size
    drawn = [(each, box) for each in pointed for box in np.asarray(each.boxes).tolist()]
    lines = "".join(_box(box, each.is_right) for each, box in drawn)
    chips: list[Chip] = []
    for each, box in drawn:
        chips.append(_place(each.label, box, size, chips))
    written = "".join(_chip(each.label, chip) for (each, _), chip in zip(drawn, chips, strict=True))
    return f'<svg class="boxes" viewBox="0 0 {X} {Y}" aria-hidden="true">{lines}{written}</svg>'


class Chip(NamedTuple):
    """The dark ground of a label, in pixels of the picture."""

    x: float
    y: float
    width: float
    height: float

    def hides(self, other: "Chip") -> bool:
        """Whether any of it lies on the other."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        down = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return across > 0 and down > 0


def _box(box: Sequence[float], is_right: bool) -> str:
    x, y, width, height = box
    place = f'x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"'
    kind = "line" if is_right else "line dashed"
    return f'<rect class="casing" {place}/><rect class="{kind}" {place}/>'


def _place(text: str, box: Sequence[float], size: tuple[int, int], taken: Sequence[Chip]) -> Chip:
    """Above the box, else below, else in it: within the picture and clear of other labels."""
    Y, X = size
    x, y, width, height = box
    font = LETTERS * max(size)
    tall, wide = 1.35 * font, min(font * (0.6 + WIDTH * len(text)), X)
    tops = [top for top in (y - tall, y + height, y, y + height - tall) if 0 <= top <= Y - tall]
    lefts = [min(max(left, 0), X - wide) for left in (x, x + width - wide)]
    places = [Chip(left, top, wide, tall) for top in tops for left in lefts]
    free = [chip for chip in places if not any(chip.hides(other) for other in taken)]
    return (free or places or [Chip(lefts[0], 0, wide, tall)])[0]


def _chip(text: str, chip: Chip) -> str:
    """textLength fits the writing to its ground, whatever letters the reader's machine has."""
    x, y, width, height = chip
    font = height / 1.35
    return (
        f'<rect class="chip" x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"/>'
        f'<text x="{x + 0.3 * font:.2f}" y="{y + font:.2f}" font-size="{font:.2f}"'
        f' textLength="{width - 0.6 * font:.2f}" lengthAdjust="spacingAndGlyphs">'
        f"{escape(text)}</text>"
    )
