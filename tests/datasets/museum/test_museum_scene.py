"""Scenes: JSON and back, fingerprints, and when a relation is clear."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from tinyvlm.datasets import museum
from tinyvlm.datasets.museum.scene import OPPOSITE

LEVEL_2 = museum.MuseumConfig(48, (2, 3), (8.0, 10.0), textures=("solid", "striped"), level=2)

GOLDEN = [  # pinned scenes: a change here changes every data set and every stored result
    (museum.ONE_OBJECT, "train", 0, "35cd2aef7e06969cd70c"),
    (museum.ONE_OBJECT, "test_comp", 7, "5e5bf71c64b2026d6dc5"),
    (museum.SEVERAL_OBJECTS, "train", 1, "f010bbf20fca670bc140"),
    (museum.SEVERAL_OBJECTS, "test_count", 3, "432a209e7f17a78fb82c"),
]


@pytest.mark.parametrize(("config", "split", "index", "expected"), GOLDEN)
def test_golden_digests(config, split, index, expected):
    assert museum.Museum(config, split)[index].digest().startswith(expected)


def test_the_first_scene_in_plain_sight():
    scene = museum.Museum()[0]
    assert scene.wall == (192, 188, 181)
    expected = museum.Object("orange", "square", x=9.873, y=19.97, radius=9.164, size="small")
    assert scene.objects == (expected,)


@pytest.mark.parametrize("config", [museum.ONE_OBJECT, museum.SEVERAL_OBJECTS, LEVEL_2])
def test_json_and_back(config):
    for scene in museum.Museum(config).scenes(30):
        text = json.dumps(scene.to_json())
        again = museum.Scene.from_json(json.loads(text))
        assert again == scene
        assert again.digest() == scene.digest()


def test_every_field_is_in_the_digest():
    scene = museum.Museum(museum.SEVERAL_OBJECTS)[1]
    first = scene.objects[0]
    moved = replace(first, x=first.x + 0.001)
    changed = [
        replace(scene, wall=(0, 0, 0)),
        replace(scene, index=2),
        replace(scene, style="noise"),
        replace(scene, objects=(moved, *scene.objects[1:])),
        replace(scene, objects=scene.objects[::-1]),
    ]
    assert len({scene.digest(), *(each.digest() for each in changed)}) == 6


def test_the_fingerprint_of_a_set_depends_on_the_order():
    scenes = list(museum.Museum().scenes(3))
    assert museum.digest(scenes) == museum.digest(list(scenes))
    assert museum.digest(scenes) != museum.digest(scenes[::-1])


@pytest.mark.parametrize(
    ("dx", "dy", "expected"),
    [
        (20, 0, "left of"),
        (-20, 0, "right of"),
        (0, 20, "above"),
        (0, -20, "below"),
        (15, 10, "left of"),  # exactly 1.5 times as far across as down
        (15, 11, None),  # too diagonal
        (9, 0, None),  # too near: less than a fifth of 50 px
        (10, 0, "left of"),
    ],
)
def test_relation(dx, dy, expected):
    a = museum.Object("red", "square", x=20, y=20, radius=4)
    b = museum.Object("blue", "star", x=20 + dx, y=20 + dy, radius=4)
    assert museum.relation(a, b, 50) == expected
    assert museum.relation(b, a, 50) == OPPOSITE.get(expected)


def test_withheld_pairs():
    assert len(museum.PAIRS) == 48
    assert len(set(museum.WITHHELD)) == 10
    assert len(museum.SEEN) == 38
    assert min(Counter(color for color, _ in museum.SEEN).values()) >= 4
    assert min(Counter(shape for _, shape in museum.SEEN).values()) >= 6
