"""What a sentence claims about a picture, and whether the picture bears it out.

A sentence's facts are a frozenset of these three kinds; the sentence is true of a scene when all
of them are:

    Description(color="red", shape="circle")    there is a red circle
    Relation(a, "left of", b)                   an object like a is left of another one like b
    Count(description, 2)                       exactly two objects fit the description
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinyvlm.datasets.museum.scene import (
    COLORS,
    COLUMNS,
    ROWS,
    SHAPES,
    SIZES,
    TEXTURES,
    Object,
    Scene,
)


class Description(NamedTuple):
    """What is said about one object; None is left unsaid and fits everything."""

    color: str | None = None
    shape: str | None = None
    size: str | None = None
    texture: str | None = None
    column: str | None = None
    row: str | None = None


class Relation(NamedTuple):
    """An object like `a` is `word` (one of RELATIONS) an object like `b`."""

    a: Description
    word: str
    b: Description


class Count(NamedTuple):
    """Exactly `number` objects fit `what`."""

    what: Description
    number: int


Fact = Description | Relation | Count
Facts = frozenset[Fact]


@dataclass(frozen=True)
class Caption:
    """A sentence and exactly what it claims."""

    text: str
    facts: Facts


_WORDS = (COLORS, SHAPES, SIZES, TEXTURES, COLUMNS, ROWS)  # in the order of Description's fields
_CODES = tuple({word: code for code, word in enumerate(words)} for words in _WORDS)
_UNSAID = -1  # in a claim: fits everything
_UNNAMED = -2  # in an object: no claim is true of it (a size between small and big)
_NO_OBJECT = -3


def describe(scene: Scene, thing: Object) -> Description:
    """Everything that can be said about one object of the scene."""
    return Description(
        color=thing.color,
        shape=thing.shape,
        size=thing.size,
        texture=thing.texture,
        column=scene.column(thing),
        row=scene.row(thing),
    )


def fits(claim: Description, full: Description) -> bool:
    """Whether what is said in `claim` holds for an object whose full description is given."""
    return all(said is None or said == true for said, true in zip(claim, full, strict=True))


def matches(claim: Description, scene: Scene) -> list[int]:
    """The indices of the scene's objects that fit the claim."""
    return [i for i, thing in enumerate(scene.objects) if fits(claim, describe(scene, thing))]


def is_true(facts: Facts, scene: Scene) -> bool:
    """Whether every fact holds in the scene."""
    return all(_holds(fact, scene) for fact in facts)


def truth(captions: Sequence[Caption], scenes: Sequence[Scene]) -> np.ndarray:
    """Which captions are true of which scenes, (scenes, captions) bool: the targets of training.

    The same answer as `is_true` cell by cell. Facts about single objects, which are almost all, are
    compared as small integers in one NumPy expression; relations and counts are looked up singly.
    """
    claims: list[tuple[int, ...]] = []  # one row for each single-object fact
    starts = []  # where each caption's rows begin
    others: list[tuple[int, Fact]] = []  # (column, fact) of relations and counts
    for column, caption in enumerate(captions):
        starts.append(len(claims))
        claims.append((_UNSAID,) * len(_CODES))  # fits every scene, so no caption is without a row
        for fact in caption.facts:
            if isinstance(fact, Description):
                claims.append(_claim_code(fact))
            else:
                others.append((column, fact))
    said = np.array(claims, dtype=np.int8)[:, None, None]  # (F, 1, 1, 6)
    there = scene_codes(scenes)  # (B, M, 6)
    fit = np.ones((len(claims), *there.shape[:2]), dtype=bool)  # (F, B, M)
    for k in range(len(_CODES)):
        fit &= (said[..., k] == _UNSAID) | (said[..., k] == there[..., k])
    exists = fit.any(axis=2)  # (F, B)
    true = np.logical_and.reduceat(exists, starts, axis=0).T.copy()  # (B, captions)
    for column, fact in others:
        for row in np.flatnonzero(true[:, column]).tolist():
            true[row, column] = _holds(fact, scenes[row])
    return true


def scene_codes(scenes: Sequence[Scene]) -> np.ndarray:
    """Full descriptions as small integers, (B, most objects, 6) int8; -3 where there is none."""
    most = max(len(scene.objects) for scene in scenes)
    nothing = (_NO_OBJECT,) * len(_CODES)
    rows = []
    for scene in scenes:
        codes = [_object_code(scene, thing) for thing in scene.objects]
        rows.append(codes + [nothing] * (most - len(codes)))
    return np.array(rows, dtype=np.int8)  # (B, M, 6)


def _claim_code(claim: Description) -> tuple[int, ...]:
    return tuple(
        _UNSAID if word is None else codes[word] for word, codes in zip(claim, _CODES, strict=True)
    )


def _object_code(scene: Scene, thing: Object) -> tuple[int, ...]:
    return tuple(
        _UNNAMED if word is None else codes[word]
        for word, codes in zip(describe(scene, thing), _CODES, strict=True)
    )


def _holds(fact: Fact, scene: Scene) -> bool:
    if isinstance(fact, Description):
        return bool(matches(fact, scene))
    if isinstance(fact, Count):
        return len(matches(fact.what, scene)) == fact.number
    subjects = matches(fact.a, scene)
    objects = matches(fact.b, scene)
    return any((i, fact.word, j) in scene.relations for i in subjects for j in objects)
