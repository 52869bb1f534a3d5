"""What a caption claims, and the table of truth that training uses."""

from dataclasses import replace

import numpy as np
import pytest

from tinyvlm.datasets import museum
from tinyvlm.datasets.museum.facts import Count, Description, Relation

RED_CIRCLE = Description(color="red", shape="circle")
BLUE_STAR = Description(color="blue", shape="star")


@pytest.fixture
def scene():
    """A small red circle at the top left, a blue star of no named size in the middle."""
    things = (
        museum.Object("red", "circle", x=10, y=10, radius=8, size="small", z=0),
        museum.Object("blue", "star", x=30, y=20, radius=9, z=1),
    )
    return replace(museum.Museum(museum.SEVERAL_OBJECTS)[0], size_px=50, objects=things)


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (RED_CIRCLE, True),
        (Description(), True),
        (Description(color="red", shape="star"), False),  # both are there, but not together
        (Description(shape="circle", size="small"), True),
        (Description(shape="circle", size="big"), False),
        (Description(shape="star", size="small"), False),  # neither small nor big
        (Description(shape="star", size="big"), False),
        (Description(column="left", row="top"), True),
        (Description(shape="star", column="left"), False),
        (Description(shape="star", row="middle", column="center"), True),
        (Description(texture="striped"), False),
        (Description(color="green"), False),
        (Relation(RED_CIRCLE, "left of", BLUE_STAR), True),
        (Relation(RED_CIRCLE, "right of", BLUE_STAR), False),
        (Relation(BLUE_STAR, "left of", RED_CIRCLE), False),
        (Relation(Description(), "left of", Description()), True),
        (Relation(Description(), "above", Description()), False),
        (Count(Description(), 2), True),
        (Count(Description(), 1), False),
        (Count(Description(color="green"), 0), True),
        (Count(Description(shape="star"), 1), True),
    ],
)
def test_single_facts(scene, fact, expected):
    assert museum.is_true(frozenset([fact]), scene) is expected
    table = museum.truth([museum.Caption("", frozenset([fact]))], [scene])
    assert table.tolist() == [[expected]]


def test_all_facts_must_hold(scene):
    assert museum.is_true(frozenset([RED_CIRCLE, BLUE_STAR]), scene)
    assert not museum.is_true(frozenset([RED_CIRCLE, Description(color="green")]), scene)
    assert museum.is_true(frozenset(), scene)


def test_matches_names_the_objects(scene):
    assert museum.matches(Description(), scene) == [0, 1]
    assert museum.matches(BLUE_STAR, scene) == [1]


@pytest.mark.parametrize("config", [museum.ONE_OBJECT, museum.SEVERAL_OBJECTS])
def test_truth_is_is_true_for_every_cell(config):
    rng = np.random.default_rng(0)
    scenes = list(museum.Museum(config).scenes(60))
    kinds = ("full", "shape", "count", "scene")
    captions = [museum.caption(scene, rng, kinds[i % 4]) for i, scene in enumerate(scenes)]
    captions += [museum.caption(s, rng, "relation") for s in scenes if s.relations]
    table = museum.truth(captions, scenes)
    expected = [[museum.is_true(caption.facts, scene) for caption in captions] for scene in scenes]
    assert table.dtype == bool
    assert table.tolist() == expected
    assert table[np.arange(60), np.arange(60)].all()
    assert 0.02 < table.mean() < 0.5


def test_scene_codes_are_padded():
    codes = museum.scene_codes(list(museum.Museum(museum.SEVERAL_OBJECTS).scenes(3)))
    assert codes.shape == (3, 3, 6)  # one, three and two objects
    assert (codes[0, 1:] == -3).all()
    assert (codes[1] >= 0).all(axis=1).sum() == 3
