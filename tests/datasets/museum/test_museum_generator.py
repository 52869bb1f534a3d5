"""The generator: the same scene whatever was asked before, and what each split promises."""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from tinyvlm.datasets import museum
from tinyvlm.errors import InputError

SEVERAL = museum.SEVERAL_OBJECTS
LEVEL_2 = replace(SEVERAL, level=2, objects=(3, 3))


def test_scenes_do_not_depend_on_order_or_on_the_museum():
    forwards = [museum.Museum(SEVERAL)[i] for i in range(20)]
    shared = museum.Museum(SEVERAL)
    backwards = [shared[i] for i in reversed(range(20))]
    assert forwards == backwards[::-1]
    assert list(shared.scenes(5, start=10)) == forwards[10:15]


def test_seed_split_and_index_each_make_another_scene():
    scenes = [
        museum.Museum(SEVERAL, split, seed)[0] for split in ("train", "val") for seed in (0, 1)
    ]
    scenes.append(museum.Museum(SEVERAL)[1])
    assert len({scene.objects for scene in scenes}) == 5


@pytest.mark.parametrize("config", [museum.ONE_OBJECT, SEVERAL])
@pytest.mark.parametrize("split", ["train", "val", "test_iid", "test_res", "test_style"])
def test_no_withheld_pair_outside_test_comp(config, split):
    shown = {
        each.pair for scene in museum.Museum(config, split).scenes(500) for each in scene.objects
    }
    assert not shown & set(museum.WITHHELD)
    assert shown == set(museum.SEEN)


@pytest.mark.parametrize("config", [museum.ONE_OBJECT, SEVERAL])
def test_one_withheld_pair_in_every_test_comp_scene(config):
    taken = Counter()
    for scene in museum.Museum(config, "test_comp").scenes(500):
        pairs = [each.pair for each in scene.objects if each.pair in museum.WITHHELD]
        assert len(pairs) == 1
        taken.update(pairs)
    assert set(taken) == set(museum.WITHHELD)


def test_number_of_objects_is_even():
    counts = Counter(len(scene.objects) for scene in museum.Museum(SEVERAL).scenes(1500))
    assert set(counts) == {1, 2, 3}
    assert all(abs(count / 1500 - 1 / 3) < 0.05 for count in counts.values())


@pytest.mark.parametrize("config", [museum.ONE_OBJECT, SEVERAL])
def test_objects_are_inside_apart_and_different(config):
    low, high = config.radius
    for scene in museum.Museum(config).scenes(300):
        assert len({each.pair for each in scene.objects}) == len(scene.objects)
        for thing in scene.objects:
            assert low <= thing.radius <= high
            for at in (thing.x, thing.y):
                assert thing.radius + 0.49 <= at <= config.size - thing.radius - 0.49
        for a, b in combinations(scene.objects, 2):
            assert np.hypot(a.x - b.x, a.y - b.y) > a.radius + b.radius + 0.99


def test_walls_are_grey_with_a_tint():
    walls = np.array([scene.wall for scene in museum.Museum().scenes(300)])
    assert walls.min() >= 105
    assert walls.max() <= 214
    assert (walls.max(axis=1) - walls.min(axis=1)).max() <= 30
    assert walls.std() > 15


def test_size_words_leave_a_gap():
    radii = {"small": [], "big": [], None: []}
    for scene in museum.Museum().scenes(500):
        radii[scene.objects[0].size].append(scene.objects[0].radius)
    assert max(radii["small"]) < 10.6 + 1e-3
    assert min(radii["big"]) > 11.4 - 1e-3
    assert 10.6 - 1e-3 <= min(radii[None]) <= max(radii[None]) <= 11.4 + 1e-3


def test_crowded_pictures_have_no_smaller_objects():
    radii = {1: [], 2: [], 3: []}
    for scene in museum.Museum(SEVERAL).scenes(1500):
        radii[len(scene.objects)] += [each.radius for each in scene.objects]
    for each in radii.values():  # uniform on 8 to 10: the mean of 500 has a deviation of 0.026
        assert np.mean(each) == pytest.approx(9, abs=0.08)


def test_rel_split_exchanges_two_objects():
    split = museum.Museum(SEVERAL, "test_rel")
    for k in range(20):
        a, b = split[2 * k], split[2 * k + 1]
        assert len(a.objects) == 2
        assert a.relations  # something can be said
        assert a.relations == b.relations  # the places are the same
        assert [each.pair for each in a.objects] == [each.pair for each in b.objects][::-1]
        assert [(each.x, each.y, each.radius) for each in a.objects] == [
            (each.x, each.y, each.radius) for each in b.objects
        ]


def test_count_split_has_one_object_more():
    assert {len(s.objects) for s in museum.Museum(SEVERAL, "test_count").scenes(20)} == {4}


def test_res_split_is_enlarged():
    for scene in museum.Museum(SEVERAL, "test_res").scenes(50):
        assert scene.size_px == 64
        for thing in scene.objects:
            assert 8 * 64 / 48 - 0.01 <= thing.radius <= 10 * 64 / 48 + 0.01


def test_style_split_has_walls_never_seen_in_training():
    styles = {scene.style for scene in museum.Museum(SEVERAL, "test_style").scenes(40)}
    assert styles == {"stripes", "noise"}
    training = {replace(SEVERAL, level=level) for level in (0, 1)}
    for config in training:
        assert not styles & {scene.style for scene in museum.Museum(config).scenes(40)}


def test_levels_dress_and_hide():
    plain = list(museum.Museum(SEVERAL).scenes(30))
    assert all(each.mount == "none" for scene in plain for each in scene.objects)
    dressed = list(museum.Museum(replace(SEVERAL, level=1)).scenes(30))
    assert {each.mount for scene in dressed for each in scene.objects} == {
        "none",
        "frame",
        "plinth",
    }
    most = []
    for scene in museum.Museum(LEVEL_2).scenes(40):
        alone = [museum.masks(replace(scene, objects=(each,))).sum() for each in scene.objects]
        most.append(max(1 - museum.masks(scene).sum(axis=(1, 2)) / alone))
    assert max(most) <= 0.3
    assert np.mean(np.array(most) > 0.02) > 0.3  # hiding does happen


def test_striped_objects_when_asked_for():
    config = replace(museum.ONE_OBJECT, textures=("solid", "striped"))
    assert {s.objects[0].texture for s in museum.Museum(config).scenes(20)} == {"solid", "striped"}


@pytest.mark.parametrize(
    ("config", "split", "word"),
    [
        (museum.ONE_OBJECT, "training", "split 'training'"),
        (replace(museum.ONE_OBJECT, objects=(2, 1)), "train", "fewest"),
        (replace(museum.ONE_OBJECT, radius=(9.0, 16.0)), "train", "at most 15.5"),
        (replace(museum.ONE_OBJECT, level=3), "train", "level=3"),
        (replace(SEVERAL, objects=(1, 4)), "test_count", "counts to 4"),
    ],
)
def test_impossible_museums_are_refused(config, split, word):
    with pytest.raises(InputError, match=word):
        museum.Museum(config, split)


def test_objects_that_cannot_fit():
    with pytest.raises(InputError, match="don't fit"):
        museum.Museum(museum.ONE_OBJECT, "test_rel")[0]


def test_negative_index():
    with pytest.raises(IndexError, match="counted from 0"):
        museum.Museum()[-1]
