"""TinyMuseum: small pictures of coloured shapes, of which everything is known.

scene = museum.Museum(museum.ONE_OBJECT, "train")[0]
picture = museum.draw(scene)                      # (Y, X, 3) uint8
sentence = museum.caption(scene, rng)             # Caption(text, facts)
museum.truth([sentence], [scene])                 # [[True]]
"""

from tinyvlm.datasets.museum.coco_export import coco
from tinyvlm.datasets.museum.dialogues import Reply, Turn, dialogue
from tinyvlm.datasets.museum.drawing import PALETTE, boxes, draw, draw_all, masks, outline
from tinyvlm.datasets.museum.evaluation import (
    SEEN_EACH,
    EvaluationSet,
    first_of_each,
    museum_eval_v1,
)
from tinyvlm.datasets.museum.exam import (
    Exam,
    GuideEvaluation,
    absent_thing,
    museum_guide_eval_v1,
)
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
from tinyvlm.datasets.museum.grammar import caption, captions, exchanged, parse
from tinyvlm.datasets.museum.noise import misplace_captions
from tinyvlm.datasets.museum.referring import Referring, refer, referring_expressions
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
from tinyvlm.datasets.museum.vqa import (
    QUESTION_FORMS,
    QUESTION_TYPES,
    Question,
    ask,
    ask_form,
    questions,
)
from tinyvlm.datasets.museum.words import WORDS
from tinyvlm.text import with_article

__all__ = [
    "COLORS",
    "ONE_OBJECT",
    "PAIRS",
    "PALETTE",
    "QUESTION_FORMS",
    "QUESTION_TYPES",
    "SEEN",
    "SEEN_EACH",
    "SEVERAL_OBJECTS",
    "SHAPES",
    "SPLITS",
    "WITHHELD",
    "WORDS",
    "Caption",
    "Count",
    "Description",
    "EvaluationSet",
    "Exam",
    "Facts",
    "GuideEvaluation",
    "Museum",
    "MuseumConfig",
    "Object",
    "Question",
    "Referring",
    "Relation",
    "Reply",
    "Scene",
    "Turn",
    "absent_thing",
    "ask",
    "ask_form",
    "boxes",
    "caption",
    "captions",
    "coco",
    "describe",
    "dialogue",
    "digest",
    "draw",
    "draw_all",
    "exchanged",
    "first_of_each",
    "is_true",
    "masks",
    "matches",
    "misplace_captions",
    "museum_eval_v1",
    "museum_guide_eval_v1",
    "outline",
    "parse",
    "questions",
    "refer",
    "referring_expressions",
    "relation",
    "scene_codes",
    "truth",
    "with_article",
]
