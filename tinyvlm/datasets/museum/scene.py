"""The scene graph of TinyMuseum: the objects of one picture, where they are, and nothing else.

A scene is the only truth of a museum picture. Pixels, boxes and masks (drawing.py), captions
(grammar.py), questions (vqa.py), referring expressions and dialogues are all read off it, so they
can't contradict one another. A scene is plain data: it becomes JSON and comes back equal.

Coordinates are pixels of the picture, x to the right and y down, measured at the object's centre.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

COLORS = ("red", "green", "blue", "yellow", "purple", "orange", "white", "black")
SHAPES = ("circle", "square", "triangle", "star", "diamond", "cross")
SIZES = ("small", "big")
TEXTURES = ("solid", "striped")
MOUNTS = ("none", "frame", "plinth")
STYLES = ("plain", "panels", "stripes", "noise")
COLUMNS = ("left", "center", "right")
ROWS = ("top", "middle", "bottom")
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
RELATIONS = tuple(OPPOSITE)

PAIRS = tuple((color, shape) for color in COLORS for shape in SHAPES)  # the 48 classes, in order

# Never shown and never named outside the test_comp split. Each colour keeps at least 4 shapes and
# each shape at least 6 colours, so every single attribute is learnable; only the pair is new.
WITHHELD = (
    ("red", "circle"),
    ("green", "square"),
    ("blue", "triangle"),
    ("yellow", "star"),
    ("purple", "diamond"),
    ("orange", "cross"),
    ("white", "circle"),
    ("black", "square"),
    ("red", "star"),
    ("blue", "cross"),
)
SEEN = tuple(pair for pair in PAIRS if pair not in WITHHELD)  # the other 38

DECIMALS = 3  # positions and radii are stored to a thousandth of a pixel, so JSON loses nothing


@dataclass(frozen=True)
class Object:
    """One thing on the wall."""

    color: str  # one of COLORS
    shape: str  # one of SHAPES
    x: float  # centre, px
    y: float  # centre, px
    radius: float  # of the circle the shape is drawn in, px
    size: str | None = None  # "small", "big", or None in between: then no text names its size
    texture: str = "solid"  # one of TEXTURES
    mount: str = "none"  # one of MOUNTS
    z: int = 0  # drawing order; a higher z hides a lower one

    @property
    def pair(self) -> tuple[str, str]:
        """(colour, shape), an element of PAIRS."""
        return self.color, self.shape


@dataclass(frozen=True)
class Scene:
    """One picture, as data; `Museum` makes it and `draw` paints it."""

    split: str
    seed: int
    index: int
    size_px: int  # the picture is size_px x size_px
    wall: tuple[int, int, int]  # RGB
    floor: tuple[int, int, int] | None  # RGB, None without a floor
    style: str  # of the wall, one of STYLES
    objects: tuple[Object, ...]  # by rising z

    @cached_property
    def relations(self) -> tuple[tuple[int, str, int], ...]:
        """All (i, relation, j) that are clear: object i is `relation` object j."""
        found = []
        for i, a in enumerate(self.objects):
            for j, b in enumerate(self.objects):
                word = relation(a, b, self.size_px) if i != j else None
                if word is not None:
                    found.append((i, word, j))
        return tuple(found)

    def may_name(self, color: str, shape: str) -> bool:
        """Whether a text about this scene may name the pair, be it true or false."""
        return self.split == "test_comp" or (color, shape) not in WITHHELD

    def column(self, thing: Object) -> str:
        """One of COLUMNS; the borders stand at 2/5 and 3/5 of the width."""
        return COLUMNS[_third(thing.x / self.size_px)]

    def row(self, thing: Object) -> str:
        """One of ROWS; the borders stand at 2/5 and 3/5 of the height."""
        return ROWS[_third(thing.y / self.size_px)]

    def to_json(self) -> dict:
        """The scene as dicts, lists, strings and numbers, relations included."""
        data = asdict(self)
        data["wall"] = list(self.wall)
        data["floor"] = None if self.floor is None else list(self.floor)
        data["objects"] = list(data["objects"])
        data["relations"] = [list(triple) for triple in self.relations]
        return data

    @staticmethod
    def from_json(data: dict) -> "Scene":
        """The inverse of `to_json`; relations are computed again, not read."""
        fields = {key: value for key, value in data.items() if key != "relations"}
        fields["wall"] = tuple(data["wall"])
        fields["floor"] = None if data["floor"] is None else tuple(data["floor"])
        fields["objects"] = tuple(Object(**each) for each in data["objects"])
        return Scene(**fields)

    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON: sorted keys, no blanks, DECIMALS decimals."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def relation(a: Object, b: Object, size_px: int) -> str | None:
    """Where `a` is, seen from `b`: one of RELATIONS, or None when a person might hesitate.

    Clear means: the larger of the two distances is at least a fifth of the picture and at least
    1.5 times the other one.
    """
    dx = b.x - a.x
    dy = b.y - a.y
    if max(abs(dx), abs(dy)) < 0.2 * size_px:
        return None
    if abs(dx) >= 1.5 * abs(dy):
        return "left of" if dx > 0 else "right of"
    if abs(dy) >= 1.5 * abs(dx):
        return "above" if dy > 0 else "below"
    return None


def digest(scenes: Sequence[Scene]) -> str:
    """SHA-256 (hex) over the scenes' own digests, in order: the fingerprint of a data set."""
    total = hashlib.sha256()
    for scene in scenes:
        total.update(scene.digest().encode("ascii"))
    return total.hexdigest()


def _third(position: float) -> int:
    return 0 if position < 0.4 else 2 if position > 0.6 else 1
