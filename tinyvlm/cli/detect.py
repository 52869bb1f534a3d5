"""`detect`: where a thing is in a picture, as boxes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tinyvlm.cli.guide import add_guide_command

if TYPE_CHECKING:
    import numpy as np

EXAMPLES = """\
  python -m tinyvlm detect picture.png "red circle"
  python -m tinyvlm detect picture.png star --show boxes.png"""


def add(commands: Any) -> None:
    shown = "the picture with the boxes"
    help = "find a thing in a picture: x, y, width and height in its pixels"
    parser = add_guide_command(commands, "detect", help, EXAMPLES, shown)
    parser.add_argument("thing", nargs="+", metavar="THING", help="one thing, in English")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    import numpy as np

    from tinyvlm import images, show
    from tinyvlm.cli.guide import answers, open_guide, say_limits, score
    from tinyvlm.text.locations import decode_scored, to_xywh

    guide = open_guide(arguments)
    (answer,) = answers(guide, f"detect {without_article(' '.join(arguments.thing))}")
    found = decode_scored(answer.tokens, guide.about["bins"])
    detections = [detection for detection, _ in found]
    size = guide.square.shape[:2]
    boxes = out_of_square(to_xywh(detections, size), guide.picture.shape[:2], size[0])
    labels = [f"{detection.label}  {score(p)}" for detection, p in found]
    say_limits(guide, answer)
    if not found:
        said = f'; the guide said "{answer.text}"' if answer.text else ""
        print(f"nothing found{said}  {score(answer.probability)}")
    width = max(map(len, labels), default=0)
    for label, box in zip(labels, boxes, strict=True):
        print(f"{label:>{width}}  {in_pixels(box)}")
    if arguments.show:
        images.save(np.asarray(show.with_boxes(guide.picture, boxes, labels)), arguments.show)
        print(f"wrote {arguments.show}")


def without_article(thing: str) -> str:
    """'the red circle' -> 'red circle': a guide is taught to detect things without article."""
    first, _, rest = thing.strip().partition(" ")
    return rest if first.lower() in ("a", "an", "the") else thing


def out_of_square(boxes: np.ndarray, shape: tuple[int, int], size: int) -> np.ndarray:
    """Boxes (M, 4) of x, y, width, height in what images.to_square(picture, size) cut out, in
    pixels of the picture itself, of shape (Y, X)."""
    import numpy as np

    Y, X = shape
    longer = int(size * max(Y, X) / min(Y, X))
    height, width = (longer, size) if Y > X else (size, longer)
    corner = np.array([(width - size) // 2, (height - size) // 2])  # x, y
    scale = np.array([X / width, Y / height])
    return np.concatenate([(boxes[:, :2] + corner) * scale, boxes[:, 2:] * scale], axis=1)


def in_pixels(box: np.ndarray) -> str:
    """A box as text, to a tenth of a pixel."""
    numbers = [f"{value:.1f}".removesuffix(".0") for value in box.tolist()]
    names = ("x", "y", "width", "height")
    return "  ".join(f"{name} {number}" for name, number in zip(names, numbers, strict=True))
