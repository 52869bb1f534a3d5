"""TinyMuseum: small pictures of coloured shapes, of which everything is known.

scene = museum.Museum(museum.ONE_OBJECT, "train")[0]
picture = museum.draw(scene)                      # (Y, X, 3) uint8
sentence = museum.caption(scene, rng)             # Caption(text, facts)
museum.truth([sentence], [scene])                 # [[True]]
"""

from tinyvlm.datasets.museum.drawing import PALETTE, boxes, draw, draw_all, masks, outline
from tinyvlm.datasets.museum.facts import (
    Caption,
    Count,
    Description,
    Facts,
    Relation,
    describe,
    is_true,
    matches,
    scene_codes,
    truth,
)
from tinyvlm.datasets.museum.generator import (
    ONE_OBJECT,
    SEVERAL_OBJECTS,
    SPLITS,
    Museum,
    MuseumConfig,
)
from tinyvlm.datasets.museum.grammar import caption, captions, parse
from tinyvlm.datasets.museum.scene import (
    COLORS,
    PAIRS,
    SEEN,
    SHAPES,
    WITHHELD,
    Object,
    Scene,
    digest,
    relation,
)
from tinyvlm.datasets.museum.words import WORDS, with_article

__all__ = [
    "COLORS",
    "ONE_OBJECT",
    "PAIRS",
    "PALETTE",
    "SEEN",
    "SEVERAL_OBJECTS",
    "SHAPES",
    "SPLITS",
    "WITHHELD",
    "WORDS",
    "Caption",
    "Count",
    "Description",
    "Facts",
    "Museum",
    "MuseumConfig",
    "Object",
    "Relation",
    "Scene",
    "boxes",
    "caption",
    "captions",
    "describe",
    "digest",
    "draw",
    "draw_all",
    "is_true",
    "masks",
    "matches",
    "outline",
    "parse",
    "relation",
    "scene_codes",
    "truth",
    "with_article",
]
