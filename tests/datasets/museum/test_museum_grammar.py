"""The caption grammar: what it says is true, and parse() reads it back."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyvlm.datasets import museum
from tinyvlm.datasets.museum.facts import Count, Description, Relation
from tinyvlm.datasets.museum.grammar import KINDS
from tinyvlm.errors import InputError

CONFIGS = [
    museum.ONE_OBJECT,
    museum.SEVERAL_OBJECTS,
    replace(museum.SEVERAL_OBJECTS, textures=("solid", "striped")),
]


def sayable(scene, kind):
    return kind != "relation" or bool(scene.relations)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("synonyms", [False, True])
def test_captions_are_true_and_parse_back(config, kind, synonyms):
    rng = np.random.default_rng(0)
    texts = set()
    for scene in museum.Museum(config).scenes(300):
        if not sayable(scene, kind):
            continue
        caption = museum.caption(scene, rng, kind, synonyms)
        assert museum.parse(caption.text) == caption.facts, caption.text
        assert museum.is_true(caption.facts, scene), caption.text
        assert set(caption.text.split()) <= set(museum.WORDS)
        assert "a orange" not in caption.text
        texts.add(caption.text)
    assert len(texts) > 20 or config == museum.ONE_OBJECT


def test_full_captions_name_colour_and_shape_and_half_the_time_more():
    rng = np.random.default_rng(0)
    scenes = [s for s in museum.Museum().scenes(3000) if s.objects[0].size and _off_centre(s)]
    said = [next(iter(museum.caption(scene, rng).facts)) for scene in scenes]
    assert all(each.color and each.shape for each in said)
    assert np.mean([each.size is not None for each in said]) == pytest.approx(0.5, abs=0.05)
    placed = [each.column is not None or each.row is not None for each in said]
    assert np.mean(placed) == pytest.approx(0.5, abs=0.05)


def _off_centre(scene):
    thing = scene.objects[0]
    return (scene.column(thing), scene.row(thing)) != ("center", "middle")


def test_shape_captions_name_no_colour_and_no_size():
    rng = np.random.default_rng(0)
    for scene in museum.Museum().scenes(200):
        (said,) = museum.caption(scene, rng, "shape").facts
        assert said.color is None
        assert said.size is None
        assert said.shape == scene.objects[0].shape


@pytest.mark.parametrize("kind", ["full", "shape"])
def test_openings_are_even(kind):
    rng = np.random.default_rng(0)
    openings = Counter(
        re.match(r"(a photo of |a picture of |there is |here is |we see |)an? ", text).group(1)
        for text in (museum.caption(s, rng, kind).text for s in museum.Museum().scenes(1200))
    )
    assert len(openings) == 6
    assert max(openings.values()) < 260


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("a red circle", [Description("red", "circle")]),
        ("there is an orange star", [Description("orange", "star")]),
        ("a photo of a circle on the left", [Description(shape="circle", column="left")]),
        ("we see a tiny object", [Description(size="small")]),
        (
            "a large striped blue square in the top left",
            [Description("blue", "square", "big", "striped", "left", "top")],
        ),
        (
            "a red square to the left of a circle",
            [Relation(Description("red", "square"), "left of", Description(shape="circle"))],
        ),
        (
            "a red square on the left and a star in the bottom",
            [
                Description("red", "square", column="left"),
                Description(shape="star", row="bottom"),
            ],
        ),
        ("there are two crosses", [Count(Description(shape="cross"), 2)]),
        ("one red object", [Count(Description(color="red"), 1)]),
        ("a photo of three objects", [Count(Description(), 3)]),
    ],
)
def test_parse(text, facts):
    assert museum.parse(text) == frozenset(facts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "red circle",
        "a orange star",
        "an red circle",
        "a circle red",
        "a red big circle",
        "a red circle and",
        "a red circle a blue square",
        "a red circle left a blue square",
        "a red circle in the left",
        "there are one object",
        "there is two objects",
        "two circle",
        "one circles",
        "a photo of",
        "a photo of there is a circle",
        "a Red circle",
        "a red circle.",
        "a red circle ",
        "a red circle left of a blue square left of a star",
    ],
)
def test_parse_refuses_what_the_grammar_cannot_say(text):
    assert museum.parse(text) is None


@given(st.lists(st.sampled_from(museum.WORDS), max_size=12))
def test_parse_takes_any_words(words):
    facts = museum.parse(" ".join(words))
    assert facts is None or len(facts) >= 1


@given(st.text(max_size=40))
def test_parse_takes_any_text(text):
    assert museum.parse(text) is None


@pytest.mark.parametrize("config", CONFIGS)
def test_six_different_captions_of_every_scene(config):
    rng = np.random.default_rng(0)
    for scene in museum.Museum(config).scenes(100):
        made = museum.captions(scene, 6, rng)
        assert len({caption.text for caption in made}) == 6
        for caption in made:
            assert museum.is_true(caption.facts, scene)
            for thing in scene.objects:  # every object is named
                assert f"{thing.color} {thing.shape}" in caption.text


def test_captions_are_repeatable():
    scene = museum.Museum(museum.SEVERAL_OBJECTS)[1]
    a, b = (museum.captions(scene, 5, np.random.default_rng(3)) for _ in range(2))
    assert a == b


def test_too_many_captions():
    scene = next(
        s for s in museum.Museum().scenes(99) if not s.objects[0].size and not _off_centre(s)
    )
    with pytest.raises(InputError, match="only 6 different captions, 7 were asked for"):
        museum.captions(scene, 7, np.random.default_rng(0))


def test_exchanged_relations_are_false():
    rng = np.random.default_rng(0)
    for scene in museum.Museum(museum.SEVERAL_OBJECTS).scenes(200):
        if scene.relations:
            caption = museum.caption(scene, rng, "relation")
            wrong = museum.exchanged(caption)
            assert not museum.is_true(wrong.facts, scene)
            assert museum.parse(wrong.text) == wrong.facts
            assert sorted(wrong.text.split()) == sorted(caption.text.split())


def test_exchanged_relations_are_true_of_the_twin_scene():
    rng = np.random.default_rng(0)
    split = museum.Museum(museum.SEVERAL_OBJECTS, "test_rel")
    for k in range(50):
        a, b = split[2 * k], split[2 * k + 1]
        caption = museum.Caption("", _without_sizes(museum.caption(a, rng, "relation").facts))
        assert museum.is_true(caption.facts, a)
        assert not museum.is_true(caption.facts, b)


def _without_sizes(facts):
    return frozenset(
        Relation(fact.a._replace(size=None), fact.word, fact.b._replace(size=None))
        for fact in facts
    )


@pytest.mark.parametrize(
    ("kind", "index", "word"), [("poem", 0, "kind 'poem'"), ("relation", 0, "no two objects")]
)
def test_captions_that_cannot_be_made(kind, index, word):
    with pytest.raises(InputError, match=word):
        museum.caption(museum.Museum()[index], np.random.default_rng(0), kind)


def test_exchanged_needs_a_relation():
    with pytest.raises(InputError, match="states no relation"):
        museum.exchanged(museum.caption(museum.Museum()[0], np.random.default_rng(0)))
