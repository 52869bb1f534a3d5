"""Referring expressions: unique ones name one object only, ambiguous ones are flagged."""

from dataclasses import replace

import pytest

from tinyvlm.datasets import museum
from tinyvlm.datasets.museum.referring import refer


@pytest.fixture
def scene():
    """Two circles, of which one is small and the other of no named size; a big red star."""
    things = (
        museum.Object("red", "circle", x=10, y=10, radius=8, size="small", z=0),
        museum.Object("blue", "circle", x=40, y=10, radius=9, z=1),
        museum.Object("red", "star", x=25, y=38, radius=10, size="big", z=2),
    )
    return replace(museum.Museum(museum.SEVERAL_OBJECTS)[0], size_px=50, objects=things)


def test_shortest_unique_and_flagged_ambiguous(scene):
    found = {each.text: each.targets for each in museum.referring_expressions(scene)}
    assert found == {
        # the red circle needs its place or two words; "small" might mean the blue one
        "the object in the top left": (0,),
        "the blue object": (1,),
        "the object in the top right": (1,),
        "the star": (2,),
        "the object in the bottom": (2,),
        "the circle": (0, 1),
        "the red object": (0, 2),
        "the small object": (0, 1),
        "the big object": (1, 2),
    }


def test_near_a_border_nobody_can_be_sure(scene):
    moved = replace(scene.objects[1], x=22)  # 0.44 of the width: center, but only just
    doubtful = replace(scene, objects=(scene.objects[0], moved, scene.objects[2]))
    found = refer(doubtful, scene.objects[0], ("shape", "place"))
    assert found.text == "the circle in the top left"
    assert found.targets == (0, 1)
    assert not found.unique


def test_unnamed_aspects(scene):
    assert refer(scene, scene.objects[1], ("shape", "size")) is None
    middle = replace(scene.objects[2], y=25)
    assert refer(replace(scene, objects=(middle,)), middle, ("place",)) is None


@pytest.mark.parametrize("split", ["train", "test_comp", "test_count"])
def test_every_object_has_a_unique_expression(split):
    for scene in museum.Museum(museum.SEVERAL_OBJECTS, split).scenes(100):
        found = museum.referring_expressions(scene)
        assert {each.targets[0] for each in found if each.unique} == set(range(len(scene.objects)))
        for each in found:
            assert set(each.text.split()) <= set(museum.WORDS)
            truly = museum.matches(each.claim, scene)
            assert truly  # it describes something
            assert set(truly) <= set(each.targets)
