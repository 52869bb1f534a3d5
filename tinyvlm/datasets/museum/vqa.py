"""Questions about a museum picture: eight types in twelve forms, each with one answer only.

    color      what color is the circle              red
    shape      what shape is the red object          circle
    size       is the red circle small or big        small
    count      how many objects / circles            two
    exist      is there a red circle                 yes      a "no" is wrong in ONE attribute
    relation   where is the red circle relative to the blue square   left
               what is left of the blue square                       red circle
               is the red circle left of the blue square             yes
    compare    are there more circles than squares   yes
               is the red circle bigger than the blue square         no
    position   where is the red circle               top left

"count", "relation" and "compare" have several forms: QUESTION_FORMS names all. Balanced for
pictures of one to three objects (SEVERAL_OBJECTS). On ONE_OBJECT pictures the types "relation" and
"is bigger" can't be asked, and most objects stand in the middle.

Outside test_comp a withheld pair is never named, neither in a question nor in an answer. Every
question comes with the answers of ten pseudo-annotators, as VQA v2 has them: eight give the answer,
one a synonym where there is one, one is wrong.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tinyvlm.datasets.museum.facts import Description
from tinyvlm.datasets.museum.grammar import noun_phrase
from tinyvlm.datasets.museum.referring import Referring, refer
from tinyvlm.datasets.museum.scene import (
    COLORS,
    COLUMNS,
    OPPOSITE,
    PAIRS,
    RELATIONS,
    ROWS,
    SHAPES,
    SIZES,
    Object,
    Scene,
)
from tinyvlm.datasets.museum.words import NUMBERS, PLURALS
from tinyvlm.errors import InputError
from tinyvlm.text import with_article

BIGGER = 1.12  # a radius is called bigger from this ratio on
CLEAR = 0.04  # of the picture's side: a position is asked for only this far from any border
SYNONYMS = {"small": "tiny", "big": "large", "middle center": "middle"}
POSITIONS = tuple(f"{row} {column}" for row in ROWS for column in COLUMNS)
DIRECTIONS = tuple(word.split()[0] for word in RELATIONS)  # left right above below


@dataclass(frozen=True)
class Question:
    """A question, its answer, and what ten people would say."""

    type: str  # one of QUESTION_TYPES
    form: str  # one of QUESTION_FORMS
    answer_type: str  # "yes/no", "number" or "other", as in VQA v2
    text: str
    answer: str
    annotators: tuple[str, ...]  # 10


@dataclass(frozen=True)
class _Draft:
    """A question before the annotators: `wrong` are the answers that a careless one might give."""

    text: str
    answer: str
    wrong: Sequence[str]


def ask(scene: Scene, rng: np.random.Generator, type: str) -> Question | None:
    """A question of this type, or None when the scene allows none without ambiguity."""
    if type not in _FORMS:
        raise InputError(f"question type {type!r} is unknown; choose one of {', '.join(_FORMS)}")
    forms = tuple(_FORMS[type])
    for k in rng.permutation(len(forms)):
        question = ask_form(scene, rng, forms[k])
        if question is not None:
            return question
    return None


def ask_form(scene: Scene, rng: np.random.Generator, form: str) -> Question | None:
    """A question of this form, or None when the scene allows none without ambiguity."""
    if form not in QUESTION_FORMS:
        raise InputError(
            f"question form {form!r} is unknown; choose one of {', '.join(QUESTION_FORMS)}"
        )
    type = next(type for type, forms in _FORMS.items() if form in forms)
    draft = _FORMS[type][form](scene, rng)
    return None if draft is None else _finish(type, form, draft, rng)


def questions(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """One question of every type that the scene allows."""
    asked = (ask(scene, rng, type) for type in QUESTION_TYPES)
    return [question for question in asked if question is not None]


def _finish(type: str, form: str, draft: _Draft, rng: np.random.Generator) -> Question:
    wrong = [answer for answer in draft.wrong if answer != draft.answer]
    others = (SYNONYMS.get(draft.answer, draft.answer), _pick(wrong, rng))
    answer_type = "other"
    if draft.answer in ("yes", "no"):
        answer_type = "yes/no"
    elif draft.answer in NUMBERS:
        answer_type = "number"
    annotators = (draft.answer,) * 8 + others
    return Question(type, form, answer_type, draft.text, draft.answer, annotators)


def _color(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    found = _pick_referring(scene, rng, ("shape",), ("shape", "size"))
    if found is None:
        return None
    thing = scene.objects[found.targets[0]]
    wrong = [color for color in COLORS if scene.may_name(color, thing.shape)]
    return _Draft(f"what color is {found.text}", thing.color, wrong)


def _shape(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    found = _pick_referring(scene, rng, ("color",), ("color", "size"))
    if found is None:
        return None
    thing = scene.objects[found.targets[0]]
    wrong = [shape for shape in SHAPES if scene.may_name(thing.color, shape)]
    return _Draft(f"what shape is {found.text}", thing.shape, wrong)


def _size(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    by_size = {size: [each for each in scene.objects if each.size == size] for size in SIZES}
    sizes = [size for size in SIZES if by_size[size]]
    if not sizes:
        return None
    size = _pick(sizes, rng)
    return _Draft(f"is {_the(_pick(by_size[size], rng))} small or big", size, SIZES)


def _how_many(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    return _Draft("how many objects", NUMBERS[len(scene.objects)], NUMBERS)


def _count_by_attribute(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    """First the number, so that zero is not the usual answer; then what there is that often."""
    counts = _counts(scene)
    number = _pick(sorted({count for _, count in counts}), rng)
    noun = _pick([noun for noun, count in counts if count == number], rng)
    return _Draft(f"how many {noun}", NUMBERS[number], NUMBERS)


def _exist(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    thing = _pick(scene.objects, rng)
    size = thing.size if rng.random() < 0.5 else None
    color, shape, answer = thing.color, thing.shape, "yes"
    if rng.random() < 0.5:
        absent = [each for each in _changed_once(color, shape, size) if _is_absent(scene, *each)]
        color, shape, size = _pick(absent, rng)
        answer = "no"
    phrase = noun_phrase(Description(color=color, shape=shape, size=size))
    return _Draft(f"is there {with_article(phrase)}", answer, ("yes", "no"))


def _where_relative(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    if not scene.relations:
        return None
    i, word, j = _pick(scene.relations, rng)
    text = f"where is {_the(scene.objects[i])} relative to {_the(scene.objects[j])}"
    return _Draft(text, word.split()[0], DIRECTIONS)


def _what_is(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    """Asks only about an object to which all others stand in a clear relation."""
    options = []
    for j in range(len(scene.objects)):
        around = [(i, word) for i, word, k in scene.relations if k == j]
        words = [word for _, word in around]
        if len(around) == len(scene.objects) - 1:
            options += [(i, word, j) for i, word in around if words.count(word) == 1]
    if not options:
        return None
    i, word, j = _pick(options, rng)
    wrong = [f"{color} {shape}" for color, shape in PAIRS if scene.may_name(color, shape)]
    answer = " ".join(scene.objects[i].pair)
    return _Draft(f"what is {word} {_the(scene.objects[j])}", answer, wrong)


def _is_related(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    if not scene.relations:
        return None
    i, word, j = _pick(scene.relations, rng)
    yes = rng.random() < 0.5
    asked = word if yes else OPPOSITE[word]
    text = f"is {_the(scene.objects[i])} {asked} {_the(scene.objects[j])}"
    return _Draft(text, "yes" if yes else "no", ("yes", "no"))


def _more(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    """Half the time both are there, if that can be; else the fewer are none."""
    counts = _counts(scene)
    pairs = [
        (noun, other, less)
        for noun, count in counts
        for other, less in counts
        if count > less and noun.endswith("objects") == other.endswith("objects")
    ]
    both_there = [each for each in pairs if each[2] > 0]
    more, fewer, _ = _pick(both_there if both_there and rng.random() < 0.5 else pairs, rng)
    yes = rng.random() < 0.5
    first, second = (more, fewer) if yes else (fewer, more)
    return _Draft(f"are there more {first} than {second}", "yes" if yes else "no", ("yes", "no"))


def _bigger(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    pairs = [(a, b) for a in scene.objects for b in scene.objects if a.radius >= BIGGER * b.radius]
    if not pairs:
        return None
    bigger, smaller = _pick(pairs, rng)
    yes = rng.random() < 0.5
    a, b = (bigger, smaller) if yes else (smaller, bigger)
    return _Draft(f"is {_the(a)} bigger than {_the(b)}", "yes" if yes else "no", ("yes", "no"))


def _position(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    clear = [
        thing
        for thing in scene.objects
        if all(
            abs(at / scene.size_px - border) >= CLEAR
            for at in (thing.x, thing.y)
            for border in (0.4, 0.6)
        )
    ]
    if not clear:
        return None
    thing = _pick(clear, rng)
    answer = f"{scene.row(thing)} {scene.column(thing)}"
    return _Draft(f"where is {_the(thing)}", answer, POSITIONS)


_Form = Callable[[Scene, np.random.Generator], _Draft | None]
_FORMS: dict[str, dict[str, _Form]] = {
    "color": {"color": _color},
    "shape": {"shape": _shape},
    "size": {"size": _size},
    "count": {"how many": _how_many, "count by attribute": _count_by_attribute},
    "exist": {"exist": _exist},
    "relation": {
        "relation 4-way": _where_relative,
        "relation object": _what_is,
        "relation yes/no": _is_related,
    },
    "compare": {"more": _more, "bigger": _bigger},
    "position": {"position": _position},
}
QUESTION_TYPES = tuple(_FORMS)
QUESTION_FORMS = tuple(form for forms in _FORMS.values() for form in forms)


def _the(thing: Object) -> str:
    """No two objects of a scene share both colour and shape, so this is unique."""
    return f"the {thing.color} {thing.shape}"


def _pick(options: Sequence, rng: np.random.Generator):
    return options[int(rng.integers(len(options)))]


def _pick_referring(
    scene: Scene, rng: np.random.Generator, *choices: tuple[str, ...]
) -> Referring | None:
    """A unique expression by the first of these aspects that gives any."""
    for aspects in choices:
        made = (refer(scene, thing, aspects) for thing in scene.objects)
        unique = [each for each in made if each is not None and each.unique]
        if unique:
            return _pick(unique, rng)
    return None


def _counts(scene: Scene) -> list[tuple[str, int]]:
    """How many of every shape and of every colour: ("circles", 2), ("red objects", 0) ..."""
    shapes = [each.shape for each in scene.objects]
    colors = [each.color for each in scene.objects]
    by_shape = [(PLURALS[shape], shapes.count(shape)) for shape in SHAPES]
    return by_shape + [(f"{color} objects", colors.count(color)) for color in COLORS]


def _changed_once(color: str, shape: str, size: str | None) -> list[tuple[str, str, str | None]]:
    """The description with one attribute changed, in every way."""
    changed = [(other, shape, size) for other in COLORS if other != color]
    changed += [(color, other, size) for other in SHAPES if other != shape]
    if size is not None:
        changed += [(color, shape, other) for other in SIZES if other != size]
    return changed


def _is_absent(scene: Scene, color: str, shape: str, size: str | None) -> bool:
    """Whether nothing can be meant by this, and it may be named here."""
    return scene.may_name(color, shape) and not any(
        each.pair == (color, shape) and (size is None or each.size in (None, size))
        for each in scene.objects
    )
