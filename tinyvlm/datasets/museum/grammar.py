"""The museum's caption grammar, both ways: from a scene to sentences, and from a sentence to facts.

    caption   = opening (thing | thing relation thing | thing "and" thing ... | count)
    thing     = article [size] [texture] [colour] (shape | "object") [place]
    place     = "in the top left" | "on the left" | "in the top" | ...
    relation  = "left of" | "to the left of" | "above" | ...
    count     = number (shapes | colour "objects" | "objects")

`parse(caption.text) == caption.facts` for every caption made here, and `parse` gives None for a
text that the grammar can't say. A place is named only for an object that is clearly off the middle;
"on the left" says nothing about top and bottom. The texture is named when it is striped.
"""

import re
from collections.abc import Iterable

import numpy as np

from tinyvlm.datasets.museum.facts import Caption, Count, Description, Facts, Relation, describe
from tinyvlm.datasets.museum.scene import COLORS, SHAPES, Scene
from tinyvlm.datasets.museum.words import (
    NUMBERS,
    PLURAL,
    PLURALS,
    SINGULAR,
    SIZE_OF,
    SIZE_WORDS,
)
from tinyvlm.errors import InputError
from tinyvlm.text import with_article

KINDS = ("full", "shape", "relation", "count", "scene")
RELATION_PHRASES = {
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above",),
    "below": ("below",),
}


def caption(
    scene: Scene, rng: np.random.Generator, kind: str = "full", synonyms: bool = False
) -> Caption:
    """One true sentence about the scene.

    kind: "full"      one object by colour and shape; half the time its size, half its place
          "shape"     one object by shape alone; half the time its place
          "relation"  two objects and how they stand; InputError where none is clear
          "count"     how many objects, or how many of one shape or colour
          "scene"     every object: the reference captions
    synonyms: also say "tiny" and "large".
    """
    if kind not in KINDS:
        raise InputError(f"caption kind {kind!r} is unknown; choose one of {', '.join(KINDS)}")
    if kind == "relation":
        return _relation_caption(scene, rng, synonyms)
    if kind == "count":
        return _count_caption(scene, rng)
    if kind == "scene" and len(scene.objects) > 1:
        return _scene_caption(scene, rng, synonyms)
    full = describe(scene, scene.objects[rng.integers(len(scene.objects))])
    if kind == "shape":
        said = Description(shape=full.shape)
    else:
        said = Description(full.color, full.shape, _maybe(full.size, rng), _texture(full))
    if rng.random() < 0.5:
        said = _with_place(said, full)
    text = _opening(SINGULAR, rng) + thing_phrase(said, rng if synonyms else None)
    return Caption(text, frozenset([said]))


def captions(scene: Scene, n: int, rng: np.random.Generator) -> list[Caption]:
    """`n` different true sentences that name every object of the scene, with synonyms.

    Any scene has at least 6 (one for each opening). Raises InputError for more than it can say.
    """
    found: dict[str, Caption] = {}
    for _ in range(100 * n):
        if len(found) == n:
            break
        made = caption(scene, rng, kind="scene", synonyms=True)
        found.setdefault(made.text, made)
    if len(found) < n:
        raise InputError(
            f"scene {scene.split}/{scene.index} has only {len(found)} different captions, "
            f"{n} were asked for"
        )
    return list(found.values())


def exchanged(relation: Caption) -> Caption:
    """A relation caption with its two things exchanged: the same words, false of the picture."""
    (fact,) = relation.facts
    opening = max((o for o in SINGULAR if relation.text.startswith(o)), key=len)
    related = _RELATION.fullmatch(relation.text[len(opening) :])
    if related is None or not isinstance(fact, Relation):
        raise InputError(
            f"caption {relation.text!r} states no relation; make it with kind=relation"
        )
    text = f"{opening}{related['b']} {related['phrase']} {related['a']}"
    return Caption(text, frozenset([Relation(fact.b, fact.word, fact.a)]))


def parse(text: str) -> Facts | None:
    """The facts that a sentence of this grammar claims; None for any other text."""
    for opening in SINGULAR:
        facts = _parse_things(text[len(opening) :]) if text.startswith(opening) else None
        if facts is not None:
            return facts
    for number_one, openings in ((True, SINGULAR), (False, PLURAL)):
        for opening in openings:
            count = _parse_count(text[len(opening) :]) if text.startswith(opening) else None
            if count is not None and (count.number == 1) == number_one:
                return frozenset([count])
    return None


def thing_phrase(said: Description, rng: np.random.Generator | None = None) -> str:
    """Such as "a big red circle in the top left"; with an rng the size may be a synonym."""
    return with_article(noun_phrase(said, rng)) + place_phrase(said)


def noun_phrase(said: Description, rng: np.random.Generator | None = None) -> str:
    """Such as "big red circle": a description without article and place."""
    words = []
    if said.size is not None:
        choice = SIZE_WORDS[said.size]
        words.append(choice[0 if rng is None else rng.integers(len(choice))])
    if said.texture is not None:
        words.append(said.texture)
    if said.color is not None:
        words.append(said.color)
    words.append(said.shape or "object")
    return " ".join(words)


def place_phrase(said: Description) -> str:
    if said.row and said.column:
        return f" in the {said.row} {said.column}"
    if said.column:
        return f" on the {said.column}"
    if said.row:
        return f" in the {said.row}"
    return ""


def place_of(full: Description) -> Description:
    """Only what is said about the place: "left" or "right", "top" or "bottom", never the middle."""
    return Description(
        column=None if full.column == "center" else full.column,
        row=None if full.row == "middle" else full.row,
    )


def _relation_caption(scene: Scene, rng: np.random.Generator, synonyms: bool) -> Caption:
    if not scene.relations:
        raise InputError(
            f"scene {scene.split}/{scene.index} has no two objects in a clear relation"
        )
    i, word, j = scene.relations[rng.integers(len(scene.relations))]
    size = rng.random() < 0.5
    a, b = (_named(describe(scene, scene.objects[k]), size) for k in (i, j))
    phrases = RELATION_PHRASES[word]
    phrase = phrases[rng.integers(len(phrases))]
    choose = rng if synonyms else None
    text = f"{thing_phrase(a, choose)} {phrase} {thing_phrase(b, choose)}"
    return Caption(_opening(SINGULAR, rng) + text, frozenset([Relation(a, word, b)]))


def _count_caption(scene: Scene, rng: np.random.Generator) -> Caption:
    thing = scene.objects[rng.integers(len(scene.objects))]
    what = (Description(), Description(shape=thing.shape), Description(color=thing.color))[
        rng.integers(3)
    ]
    number = sum(
        what.shape in (None, each.shape) and what.color in (None, each.color)
        for each in scene.objects
    )
    openings = SINGULAR if number == 1 else PLURAL
    text = _opening(openings, rng) + count_phrase(what, number)
    return Caption(text, frozenset([Count(what, number)]))


def count_phrase(what: Description, number: int) -> str:
    """Such as "two circles", "one red object", "three objects"."""
    noun = what.shape or "object"
    words = [NUMBERS[number], what.color, noun if number == 1 else PLURALS[noun]]
    return " ".join(word for word in words if word)


def _scene_caption(scene: Scene, rng: np.random.Generator, synonyms: bool) -> Caption:
    if len(scene.objects) == 2 and scene.relations and rng.random() < 0.5:
        return _relation_caption(scene, rng, synonyms)
    size, place = rng.random(2) < 0.5
    things = []
    for k in rng.permutation(len(scene.objects)):
        full = describe(scene, scene.objects[k])
        said = _named(full, size)
        things.append(_with_place(said, full) if place else said)
    choose = rng if synonyms else None
    text = " and ".join(thing_phrase(said, choose) for said in things)
    return Caption(_opening(SINGULAR, rng) + text, frozenset(things))


def _named(full: Description, size: bool) -> Description:
    return Description(full.color, full.shape, full.size if size else None, _texture(full))


def _with_place(said: Description, full: Description) -> Description:
    place = place_of(full)
    return said._replace(column=place.column, row=place.row)


def _texture(full: Description) -> str | None:
    return "striped" if full.texture == "striped" else None


def _maybe(word: str | None, rng: np.random.Generator) -> str | None:
    return word if rng.random() < 0.5 else None


def _opening(openings: tuple[str, ...], rng: np.random.Generator) -> str:
    return openings[rng.integers(len(openings))]


def _alternatives(words: Iterable[str]) -> str:
    return "|".join(words)


_THING = re.compile(
    rf"(?P<article>an?) (?P<noun>(?:(?P<size>{_alternatives(SIZE_OF)}) )?"
    rf"(?:(?P<texture>striped) )?(?:(?P<color>{_alternatives(COLORS)}) )?"
    rf"(?P<shape>{_alternatives(SHAPES)}|object))"
    r"(?: in the (?P<row>top|bottom)(?: (?P<column>left|right))?| on the (?P<side>left|right))?"
)
_RELATION_OF = {phrase: word for word, phrases in RELATION_PHRASES.items() for phrase in phrases}
_RELATION = re.compile(rf"(?P<a>.+?) (?P<phrase>{_alternatives(_RELATION_OF)}) (?P<b>.+)")
_SINGULAR_OF = {plural: noun for noun, plural in PLURALS.items()}
_COUNT = re.compile(
    rf"(?P<number>{_alternatives(NUMBERS)}) (?:(?P<color>{_alternatives(COLORS)}) )?"
    rf"(?P<noun>{_alternatives((*PLURALS, *_SINGULAR_OF))})"
)


def _parse_thing(text: str) -> Description | None:
    found = _THING.fullmatch(text)
    if found is None or text != with_article(text.split(" ", 1)[1]):
        return None
    return Description(
        color=found["color"],
        shape=None if found["shape"] == "object" else found["shape"],
        size=SIZE_OF[found["size"]] if found["size"] else None,
        texture=found["texture"],
        column=found["column"] or found["side"],
        row=found["row"],
    )


def _parse_things(text: str) -> Facts | None:
    related = _RELATION.fullmatch(text)
    if related is not None:
        a, b = _parse_thing(related["a"]), _parse_thing(related["b"])
        if a is None or b is None:
            return None
        return frozenset([Relation(a, _RELATION_OF[related["phrase"]], b)])
    things = [_parse_thing(part) for part in text.split(" and ")]
    if any(thing is None for thing in things):
        return None
    return frozenset(thing for thing in things if thing is not None)


def _parse_count(text: str) -> Count | None:
    found = _COUNT.fullmatch(text)
    if found is None:
        return None
    number = NUMBERS.index(found["number"])
    noun = found["noun"]
    if (noun in PLURALS) != (number == 1):
        return None
    shape = noun if number == 1 else _SINGULAR_OF[noun]
    return Count(Description(found["color"], None if shape == "object" else shape), number)
