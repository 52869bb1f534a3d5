"""Attribute F1: a museum caption is read back into facts, and the scene judges them (layer 4).

A caption's facts are broken into atoms, each a fact of `datasets.museum` and true or false alone:

    color     Description(color="red")                            said with every colour word
    shape     Description(shape="circle")                         ... shape word ("object" is none)
    pair      Description(color="red", shape="circle")            ... both of one thing
    size, texture, place (column and row are two)
              Description(color="red", shape="circle", size="big")
    relation  Relation(red circle, "left of", blue star), without size, texture and place
    count     Count(Description(shape="circle"), 2)

    precision = true atoms / atoms said        a thing that is not there: its atoms are false
    recall    = owed atoms said / owed atoms   a thing that is left out: its atoms are missing
    F1        = harmonic mean of the two, each first summed over all captions

A scene owes what every reference caption says (kind "scene"): for each object its color, shape and
pair, and "striped" where it is. Size, place, relation and count need not be said, so they are in
the precision only. Atoms are a set, like the facts of `parse`: what is said twice, or owed by two
objects alike, is one. A text outside the grammar says nothing: all that is owed is missing.
A caption can be made of true atoms and be false ("a big red circle on the left" of two red circles,
one big, one on the left), so the share of captions that are true as a whole stands beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinyvlm.datasets import museum
from tinyvlm.datasets.museum import Count, Description, Relation, Scene
from tinyvlm.datasets.museum.facts import Fact

KINDS = ("color", "shape", "pair", "size", "texture", "place", "relation", "count")


@dataclass(frozen=True)
class Tally:
    """Atoms, counted."""

    said: int = 0
    true: int = 0  # of those said
    owed: int = 0
    given: int = 0  # of those owed: said

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.said + other.said,
            self.true + other.true,
            self.owed + other.owed,
            self.given + other.given,
        )

    @property
    def precision(self) -> float:
        """0 where nothing was said."""
        return self.true / self.said if self.said else 0.0

    @property
    def recall(self) -> float:
        """0 where nothing was owed."""
        return self.given / self.owed if self.owed else 0.0

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True)
class AttributeScores:
    """How much of what captions say is so, and how much of what is there they say; 0 to 1."""

    precision: float
    recall: float
    f1: float
    true: float  # share of captions that are true as a whole
    grammatical: float  # share of captions that could be read
    kinds: dict[str, Tally]  # one for each of KINDS


def attribute_scores(texts: Sequence[str], scenes: Sequence[Scene]) -> AttributeScores:
    """Judge generated captions, text i being about scene i. Raises ValueError for none at all."""
    if len(texts) != len(scenes) or not texts:
        raise ValueError(
            f"attribute_scores: expected one text a scene, got {len(texts)} and {len(scenes)}"
        )
    kinds = {kind: Tally() for kind in KINDS}
    true = grammatical = 0
    for text, scene in zip(texts, scenes, strict=True):
        facts = museum.parse(text)
        if facts is not None:
            grammatical += 1
            true += museum.is_true(facts, scene)
        said, owed = atoms(facts or frozenset()), owed_atoms(scene)
        for atom in said | owed:
            kinds[kind_of(atom)] += Tally(
                said=atom in said,
                true=atom in said and museum.is_true(frozenset([atom]), scene),
                owed=atom in owed,
                given=atom in owed and atom in said,
            )
    total = sum(kinds.values(), Tally())
    n = len(texts)
    return AttributeScores(
        total.precision, total.recall, total.f1, true / n, grammatical / n, kinds
    )


def atoms(facts: museum.Facts) -> museum.Facts:
    """The facts, each broken into the smallest that are true or false alone."""
    found: set[Fact] = set()
    for fact in facts:
        if isinstance(fact, Description):
            found |= _of_thing(fact)
        elif isinstance(fact, Relation):
            found |= _of_thing(fact.a) | _of_thing(fact.b)
            found.add(Relation(_named(fact.a), fact.word, _named(fact.b)))
        else:
            found.add(fact)
    return frozenset(found)


def owed_atoms(scene: Scene) -> museum.Facts:
    """What a caption of the scene should say: see the top of the file."""
    things = []
    for thing in scene.objects:
        full = museum.describe(scene, thing)
        striped = full.texture if full.texture == "striped" else None
        things.append(_named(full)._replace(texture=striped))
    return atoms(frozenset(things))


def kind_of(atom: Fact) -> str:
    """One of KINDS."""
    if isinstance(atom, Relation):
        return "relation"
    if isinstance(atom, Count):
        return "count"
    if atom.column or atom.row:
        return "place"
    if atom.size:
        return "size"
    if atom.texture:
        return "texture"
    return "pair" if atom.color and atom.shape else "color" if atom.color else "shape"


def _of_thing(said: Description) -> set[Fact]:
    """ "a big red circle" is a colour, a shape, both at once, and a red circle that is big."""
    name = _named(said)
    found: set[Fact] = set()
    if said.color:
        found.add(Description(color=said.color))
    if said.shape:
        found.add(Description(shape=said.shape))
    if said.color and said.shape:
        found.add(name)
    for word in ("size", "texture", "column", "row"):
        if value := getattr(said, word):
            found.add(name._replace(**{word: value}))
    return found


def _named(said: Description) -> Description:
    return Description(color=said.color, shape=said.shape)
