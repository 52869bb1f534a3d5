"""Boxes drawn on a picture, each with its label."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tinyvlm.show.charts import LINES
from tinyvlm.show.pictures import PAPER, enlarge, shortened

MARGIN = 28  # round the picture, so that a label fits above a box at its edge
TAG = 22  # height of a label
LEAST = 160  # pixels of width; a narrow picture has room for labels on its right
Rectangle = tuple[float, float, float, float]  # left, top, right, bottom


def with_boxes(
    picture: np.ndarray, boxes: np.ndarray, labels: Sequence[str], size: int = 480
) -> Image.Image:
    """A picture (Y, X, 3) uint8 with boxes (M, 4) of x, y, width, height in its pixels.

    The picture is fitted into size x size, with a margin for the labels. A line of a box runs along
    its edge; a light one on both sides keeps it visible on any ground.
    """
    boxes = np.asarray(boxes, dtype=np.float64)  # (M, 4)
    if boxes.shape != (len(labels), 4) or not np.isfinite(boxes).all():
        raise ValueError(
            f"with_boxes: finite boxes (M, 4) and M labels expected; got {boxes.shape} and "
            f"{len(labels)} labels"
        )
    image = enlarge(picture, size)
    width = max(image.width, LEAST) + 2 * MARGIN
    sheet = Image.new("RGB", (width, image.height + 2 * MARGIN), PAPER)
    sheet.paste(image, (MARGIN, MARGIN))
    pen = ImageDraw.Draw(sheet)
    scale = np.array([image.width, image.height]) / picture.shape[1::-1]
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)  # (M, 4)
    corners = MARGIN + corners * np.tile(scale, 2)  # (M, 4)
    for i, (x0, y0, x1, y1) in enumerate(corners.tolist()):
        pen.rectangle((x0 - 3, y0 - 3, x1 + 3, y1 + 3), outline=PAPER, width=7)
        pen.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=LINES[i % len(LINES)], width=3)
    taken: list[Rectangle] = []
    for i, corner in enumerate(corners.tolist()):
        if labels[i]:
            colour = LINES[i % len(LINES)]
            taken.append(_draw_tag(pen, labels[i], corner, colour, taken, sheet.size))
    return sheet


def _draw_tag(
    pen: ImageDraw.ImageDraw,
    label: str,
    box: list[float],
    colour: str,
    taken: Sequence[Rectangle],
    size: tuple[int, int],
) -> Rectangle:
    """A label above its box, or where none of the other labels stands; returns where it is."""
    font = ImageFont.load_default(15)
    label = shortened(label, font, size[0] - 16)
    width = font.getlength(label) + 10
    x0, y0, _, y1 = box
    left = min(max(x0 - 3, 2), size[0] - width - 2)
    tops = [y0 - TAG - 3, y1 + 4, y0 + 5, y1 - TAG - 4]
    tops += [top + step for step in range(0, size[1], TAG) for top in (y0, y1)]
    places = [(left, top, left + width, top + TAG) for top in tops if 0 <= top <= size[1] - TAG]
    free = [place for place in places if not any(_overlap(place, other) for other in taken)]
    place = (free or places or [(left, 0.0, left + width, float(TAG))])[0]
    pen.rectangle(place, fill=colour)
    middle = (place[0] + 5, (place[1] + place[3]) / 2)
    pen.text(middle, label, fill=PAPER, font=font, anchor="lm")
    return place


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
