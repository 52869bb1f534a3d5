"""Attribute F1: the museum's own captions are right, and each kind of mistake has its price."""

import numpy as np
import pytest

from tinyvlm.datasets import museum
from tinyvlm.datasets.museum import Count, Description, Object, Relation, Scene
from tinyvlm.metrics.attributes import KINDS, Tally, atoms, attribute_scores, owed_atoms


def scene(*objects):
    return Scene("test_iid", 0, 0, 100, (9, 9, 9), None, "plain", tuple(objects))


RED_CIRCLE = Object("red", "circle", 20, 50, 10, size="big")  # on the left
BLUE_STAR = Object("blue", "star", 80, 50, 10)  # on the right, no size
BOTH = scene(RED_CIRCLE, BLUE_STAR)


def score(text, of=BOTH):
    return attribute_scores([text], [of])


def test_atoms_by_hand():
    big = Description("red", "circle", size="big", column="left", row="top")
    red_circle, star = Description("red", "circle"), Description(shape="star")
    circle = {Description(color="red"), Description(shape="circle"), red_circle}
    own = {red_circle._replace(size="big"), red_circle._replace(column="left")}
    assert atoms(frozenset([big])) == circle | own | {red_circle._replace(row="top")}
    related = Relation(big._replace(column=None, row=None), "left of", star)
    expected = {star, red_circle._replace(size="big"), Relation(red_circle, "left of", star)}
    assert atoms(frozenset([related])) == circle | expected
    assert atoms(frozenset([Count(star, 2)])) == {Count(star, 2)}
    assert atoms(frozenset([Description()])) == frozenset()  # "an object" says nothing


def test_a_scene_owes_the_name_of_every_object():
    striped = Object("blue", "star", 80, 50, 10, texture="striped")
    named = {Description("blue", "star"), Description(color="blue"), Description(shape="star")}
    assert owed_atoms(scene(BLUE_STAR)) == named
    assert owed_atoms(scene(striped)) == named | {Description("blue", "star", texture="striped")}
    assert len(owed_atoms(BOTH)) == 6


# (caption, true atoms, said atoms, owed and said, true as a whole), the scene being BOTH
CAPTIONS = [
    ("a red circle and a blue star", 6, 6, 6, True),
    ("there is a blue star and a big red circle on the left", 8, 8, 6, True),
    ("a red circle left of a blue star", 7, 7, 6, True),
    ("a red circle right of a blue star", 6, 7, 6, False),  # the relation is false
    ("a blue star left of a red circle", 6, 7, 6, False),
    ("a red circle", 3, 3, 3, True),  # one object is left out
    ("a circle", 1, 1, 1, True),
    ("an object", 0, 0, 0, True),
    ("a red star and a blue circle", 4, 6, 4, False),  # the colours are exchanged
    ("a red circle and a blue star and a green cross", 6, 9, 6, False),  # one is not there
    ("a small red circle", 3, 4, 3, False),
    ("a small blue star", 3, 4, 3, False),  # it has no size
    ("a red circle on the right", 3, 4, 3, False),
    ("a red circle in the top left", 4, 5, 3, False),  # left it is, top it isn't
    ("two objects", 1, 1, 0, True),
    ("three objects", 0, 1, 0, False),
    ("a red circle a red circle", 0, 0, 0, False),  # ungrammatical
    ("", 0, 0, 0, False),
]


@pytest.mark.parametrize(("text", "true", "said", "given", "wholly"), CAPTIONS)
def test_captions_by_hand(text, true, said, given, wholly):
    scores = score(text)
    total = sum(scores.kinds.values(), Tally())
    assert total == Tally(said=said, true=true, owed=6, given=given)
    assert scores.precision == (true / said if said else 0)
    assert scores.recall == given / 6
    assert scores.true == float(wholly)


def test_sums_come_before_shares():
    """6 of 6 and 1 of 3 are 7 of 9 said; the mean of the two shares would be 2/3."""
    green_circle = scene(Object("green", "circle", 20, 50, 10))
    scores = attribute_scores(
        ["a red circle and a blue star", "a red circle"], [BOTH, green_circle]
    )
    assert scores.precision == 7 / 9
    assert scores.recall == 7 / 9
    assert scores.f1 == pytest.approx(7 / 9)
    assert (scores.true, scores.grammatical) == (0.5, 1.0)


def test_kinds_tell_what_was_mistaken():
    """Colours exchanged: every colour and shape is right and every pair wrong."""
    kinds = score("a red star and a blue circle").kinds
    assert tuple(kinds) == KINDS
    assert (kinds["color"].f1, kinds["shape"].f1, kinds["pair"].f1) == (1, 1, 0)
    kinds = score("a big red circle left of a blue star").kinds
    assert kinds["size"] == kinds["relation"] == Tally(said=1, true=1)


def test_true_in_parts_is_not_true_as_a_whole():
    left, big = RED_CIRCLE, Object("red", "circle", 80, 50, 12, size="big")
    of = scene(Object("red", "circle", left.x, left.y, 6, size="small"), big)
    scores = score("a big red circle on the left", of)
    assert (scores.precision, scores.recall, scores.true) == (1, 1, 0)


@pytest.fixture(scope="module")
def scenes():
    made = museum.Museum(museum.SEVERAL_OBJECTS, "test_iid")
    return [made[i] for i in range(60)]


def test_reference_captions_score_one(scenes):
    rng = np.random.default_rng(0)
    texts = [museum.caption(s, rng, kind="scene", synonyms=True).text for s in scenes]
    scores = attribute_scores(texts, scenes)
    assert (scores.precision, scores.recall, scores.f1) == (1, 1, 1)
    assert scores.true == scores.grammatical == 1


def test_the_share_of_true_captions_is_that_of_truth(scenes):
    """Judged against the next scene: some are true by chance, most are not."""
    rng = np.random.default_rng(1)
    captions = [museum.caption(s, rng, kind="shape") for s in scenes]
    others = [*scenes[1:], scenes[0]]
    scores = attribute_scores([c.text for c in captions], others)
    assert scores.true == np.diag(museum.truth(captions, others)).mean()
    assert 0 < scores.true < 0.9


def test_the_order_of_pictures_does_not_count(scenes):
    rng = np.random.default_rng(2)
    texts = [museum.caption(s, rng).text for s in scenes[1:]] + ["nothing to see"]
    order = rng.permutation(len(scenes))
    shuffled = attribute_scores([texts[i] for i in order], [scenes[i] for i in order])
    assert shuffled == attribute_scores(texts, scenes)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="got 2 and 1"):
        attribute_scores(["a circle"] * 2, [BOTH])
    with pytest.raises(ValueError, match="got 0 and 0"):
        attribute_scores([], [])
