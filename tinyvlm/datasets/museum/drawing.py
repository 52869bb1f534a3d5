"""From a scene to arrays: the picture, a mask and a box for every object.

Everything is drawn four times as large with Pillow and reduced by averaging 4 x 4 blocks, which
gives smooth edges and, unlike a font or a drawing with built-in smoothing, the same pixels
everywhere (another Pillow release may differ by a grey level, so tests pin scenes and not pixels).
"""

import math
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from tinyvlm.datasets.museum.scene import Object, Scene

SUPERSAMPLING = 4
CIRCLE_CORNERS = 48
FLOOR_SHARE = 0.15  # of the picture's height
PALETTE = {
    "red": (220, 40, 40),
    "green": (40, 160, 60),
    "blue": (50, 80, 225),
    "yellow": (240, 220, 50),
    "purple": (150, 60, 180),
    "orange": (245, 140, 30),
    "white": (250, 250, 250),
    "black": (20, 20, 20),
}
WOOD = (96, 66, 40)
CANVAS = (225, 216, 196)
STONE = (168, 164, 158)

RGB = tuple[int, int, int]


def outline(thing: Object) -> list[tuple[float, float]]:
    """The corners (x, y) of the object in pixels, clockwise from the top."""
    return [
        (thing.x + u * thing.radius, thing.y + v * thing.radius) for u, v in _CORNERS[thing.shape]
    ]


def draw(scene: Scene) -> np.ndarray:
    """The picture, (Y, X, 3) uint8."""
    side = scene.size_px * SUPERSAMPLING
    image = Image.new("RGB", (side, side), scene.wall)
    if scene.style != "plain":
        _decorate_wall(image, scene)
    canvas = ImageDraw.Draw(image)
    if scene.floor is not None:
        canvas.rectangle((0, side * (1 - FLOOR_SHARE), side, side), fill=scene.floor)
    for thing in scene.objects:
        if thing.mount != "none":
            _draw_mount(canvas, thing, side)
    for thing in scene.objects:
        canvas.polygon(_enlarged(outline(thing)), fill=PALETTE[thing.color])
        if thing.texture == "striped":
            _draw_stripes(image, thing, scene.wall)
    return np.array(image.reduce(SUPERSAMPLING))  # (Y, X, 3)


def draw_all(scenes: Iterable[Scene]) -> np.ndarray:
    """The pictures of scenes of one size, (B, Y, X, 3) uint8."""
    return np.stack([draw(scene) for scene in scenes])


def masks(scene: Scene) -> np.ndarray:
    """The visible part of every object, (objects, Y, X) bool: pixels more than half covered."""
    side = scene.size_px * SUPERSAMPLING
    found = np.empty((len(scene.objects), scene.size_px, scene.size_px), dtype=bool)
    for i, thing in enumerate(scene.objects):
        image = Image.new("L", (side, side), 0)
        canvas = ImageDraw.Draw(image)
        canvas.polygon(_enlarged(outline(thing)), fill=255)
        for front in scene.objects[i + 1 :]:
            canvas.polygon(_enlarged(outline(front)), fill=0)
        found[i] = np.array(image.reduce(SUPERSAMPLING)) > 128
    return found


def boxes(scene: Scene) -> np.ndarray:
    """The box of every object, hidden parts included, (objects, 4) float32: x, y, width, height."""
    found = np.empty((len(scene.objects), 4), dtype=np.float32)
    for i, thing in enumerate(scene.objects):
        corners = np.array(outline(thing))
        low = corners.min(axis=0)
        found[i, :2] = low
        found[i, 2:] = corners.max(axis=0) - low
    return found


def _unit_corners() -> dict[str, list[tuple[float, float]]]:
    """Corners of every shape around (0, 0) for radius 1; y grows downwards."""
    turn = 2 * math.pi
    star = [(1.0 if k % 2 == 0 else 0.42, turn * k / 10) for k in range(10)]
    a = 0.33  # half the width of the cross's arms
    return {
        "circle": [
            (math.sin(turn * k / CIRCLE_CORNERS), -math.cos(turn * k / CIRCLE_CORNERS))
            for k in range(CIRCLE_CORNERS)
        ],
        "square": [(-0.84, -0.84), (0.84, -0.84), (0.84, 0.84), (-0.84, 0.84)],
        "triangle": [(0.0, -1.0), (0.95, 0.8), (-0.95, 0.8)],
        "star": [(r * math.sin(angle), -r * math.cos(angle)) for r, angle in star],
        "diamond": [(0.0, -1.0), (0.8, 0.0), (0.0, 1.0), (-0.8, 0.0)],
        "cross": [
            *[(-a, -1.0), (a, -1.0), (a, -a), (1.0, -a), (1.0, a), (a, a)],
            *[(a, 1.0), (-a, 1.0), (-a, a), (-1.0, a), (-1.0, -a), (-a, -a)],
        ],
    }


_CORNERS = _unit_corners()


def _enlarged(corners: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """For drawing. Trap: Pillow fills every pixel that the outline touches, which moves each edge
    outwards by half a small pixel on average: 1 to 4 % more area, and no shift of the centre."""
    return [(x * SUPERSAMPLING, y * SUPERSAMPLING) for x, y in corners]


def _shade(color: RGB, step: int) -> RGB:
    red, green, blue = (min(max(value + step, 0), 255) for value in color)
    return red, green, blue


def _decorate_wall(image: Image.Image, scene: Scene) -> None:
    side = image.width
    canvas = ImageDraw.Draw(image)
    if scene.style == "panels":  # a thin line every quarter
        for x in range(side // 8, side, side // 4):
            canvas.line((x, 0, x, side), fill=_shade(scene.wall, -18), width=2)
    elif scene.style == "stripes":  # eight broad bands
        for x in range(0, side, side // 4):
            canvas.rectangle((x, 0, x + side // 8 - 1, side), fill=_shade(scene.wall, -30))
    elif scene.style == "noise":  # one grey step per picture pixel
        rng = np.random.default_rng(np.random.SeedSequence([scene.seed, scene.index]))
        steps = rng.integers(-30, 31, size=(scene.size_px, scene.size_px, 1))
        pixels = np.clip(np.array(scene.wall) + steps, 0, 255).astype(np.uint8)  # (Y, X, 3)
        image.paste(Image.fromarray(pixels).resize(image.size, Image.Resampling.NEAREST))


def _draw_mount(canvas: ImageDraw.ImageDraw, thing: Object, side: int) -> None:
    """A wooden frame around the object, or a stone plinth under it; it hides no object."""
    x, y, r = (value * SUPERSAMPLING for value in (thing.x, thing.y, thing.radius))
    if thing.mount == "frame":
        for half, color in ((1.18 * r, WOOD), (1.06 * r, CANVAS)):
            canvas.rectangle((x - half, y - half, x + half, y + half), fill=color)
    elif thing.mount == "plinth":
        canvas.rectangle((x - 0.8 * r, y + 0.8 * r, x + 0.8 * r, side), fill=STONE)
        canvas.rectangle((x - r, y + 0.8 * r, x + r, y + r), fill=_shade(STONE, 20))


def _draw_stripes(image: Image.Image, thing: Object, wall: RGB) -> None:
    """Five bands across the object, half of its colour and half of the wall's."""
    inside = Image.new("L", image.size, 0)
    ImageDraw.Draw(inside).polygon(_enlarged(outline(thing)), fill=255)
    bands = Image.new("L", image.size, 0)
    canvas = ImageDraw.Draw(bands)
    top = (thing.y - thing.radius) * SUPERSAMPLING
    height = 2 * thing.radius * SUPERSAMPLING / 10
    for k in range(5):
        y = top + (2 * k + 1) * height
        canvas.rectangle((0, y, image.width, y + height - 1), fill=255)
    mixed = tuple((a + b) // 2 for a, b in zip(PALETTE[thing.color], wall, strict=True))
    image.paste(mixed, mask=ImageChops.multiply(inside, bands))
