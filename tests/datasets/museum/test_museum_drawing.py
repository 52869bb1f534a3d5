"""Pictures, masks and boxes agree with one another and with the scene."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from tinyvlm.datasets import museum

CONFIGS = [museum.ONE_OBJECT, museum.SEVERAL_OBJECTS]
AREA = {  # of the shape of radius 1
    "circle": math.pi,
    "square": 1.68**2,
    "triangle": 0.95 * 1.8,
    "star": 10 * 0.5 * 0.42 * math.sin(math.pi / 5),
    "diamond": 2 * 0.8,
    "cross": 4 - 4 * 0.67**2,
}


def one(shape, color="red", x=16.0, y=16.0, radius=11.0, **more):
    thing = museum.Object(color, shape, x=x, y=y, radius=radius, **more)
    return replace(museum.Museum()[0], objects=(thing,), wall=(128, 128, 128))


@pytest.mark.parametrize("config", CONFIGS)
def test_pictures_are_uint8_and_repeatable(config):
    scenes = list(museum.Museum(config).scenes(5))
    pictures = museum.draw_all(scenes)
    assert pictures.shape == (5, config.size, config.size, 3)
    assert pictures.dtype == np.uint8
    assert pictures.flags.writeable
    np.testing.assert_array_equal(pictures, museum.draw_all(scenes))


@pytest.mark.parametrize("shape", museum.SHAPES)
def test_mask_area(shape):
    places = np.random.default_rng(0).uniform(13, 19, size=(40, 2))
    areas = [museum.masks(one(shape, x=x, y=y)).sum() for x, y in places]
    assert np.mean(areas) == pytest.approx(AREA[shape] * 11**2, rel=0.03)


@pytest.mark.parametrize("shape", museum.SHAPES)
@pytest.mark.parametrize("color", museum.COLORS)
def test_mask_is_where_the_colour_is(shape, color):
    scene = one(shape, color, x=14.3, y=17.8)
    picture = museum.draw(scene).astype(float)
    paint = np.array(museum.PALETTE[color])
    channel = np.abs(paint - 128).argmax()  # where the paint is easiest to tell from the wall
    share = (picture[..., channel] - 128) / (paint[channel] - 128)
    mask = museum.masks(scene)[0]
    assert mask[share > 0.55].all()
    assert not mask[share < 0.45].any()
    assert tuple(picture[17, 14]) == museum.PALETTE[color]
    assert tuple(picture[0, 0]) == (128, 128, 128)


@pytest.mark.parametrize("config", CONFIGS)
def test_boxes_fit_the_masks(config):
    for scene in museum.Museum(config).scenes(60):
        for mask, (x, y, width, height) in zip(
            museum.masks(scene), museum.boxes(scene), strict=True
        ):
            rows = np.flatnonzero(mask.any(axis=1))
            columns = np.flatnonzero(mask.any(axis=0))
            tight = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
            # thin tips of stars and triangles cover less than half of their pixel
            np.testing.assert_allclose(tight, (x, y, x + width, y + height), atol=2.6)
            assert x >= 0
            assert x + width <= config.size
            assert y >= 0
            assert y + height <= config.size


@pytest.mark.parametrize("shape", ["circle", "square", "diamond", "cross"])
def test_drawings_are_centred_on_average(shape):
    rng = np.random.default_rng(0)
    middles = np.arange(32) + 0.5
    off = []
    for x, y in rng.uniform(13, 19, size=(60, 2)):
        red = museum.draw(one(shape, "black", x=x, y=y))[..., 0].astype(float)
        share = (128 - red) / (128 - museum.PALETTE["black"][0])
        off.append([(share @ middles).sum(), (share.T @ middles).sum()] / share.sum() - [x, y])
    np.testing.assert_allclose(np.mean(off, axis=0), 0, atol=0.03)


def test_shapes_are_far_apart():
    """No two shapes of one radius overlap by more than 4/5, wherever they lie best."""
    found = {shape: museum.masks(one(shape))[0] for shape in museum.SHAPES}
    for a, b in combinations(museum.SHAPES, 2):
        best = 0.0
        for down in range(-4, 5):
            moved = np.roll(found[a], down, axis=0)
            best = max(best, (moved & found[b]).sum() / (moved | found[b]).sum())
        assert best < 0.8, (a, b)


def test_front_objects_hide_what_is_behind():
    scene = one("circle", "red")
    front = museum.Object("blue", "square", x=22, y=16, radius=8, z=1)
    both = replace(scene, objects=(*scene.objects, front))
    behind, before = museum.masks(both)
    assert not (behind & before).any()
    assert behind.sum() < museum.masks(scene).sum()
    picture = museum.draw(both)
    assert tuple(picture[16, 20]) == museum.PALETTE["blue"]
    np.testing.assert_allclose(museum.boxes(both)[0], museum.boxes(scene)[0])


def test_stripes_stay_inside_the_object():
    solid, striped = one("star"), one("star", texture="striped")
    a, b = museum.draw(solid), museum.draw(striped)
    changed = (a != b).any(axis=2)
    assert changed.sum() > 20
    inside = museum.masks(solid)[0]
    assert changed[inside].mean() > 0.3
    assert (b[~inside & changed] != 128).any(axis=-1).all()  # only edge pixels, partly covered


@pytest.mark.parametrize("style", ["panels", "stripes", "noise"])
def test_styles_change_the_wall_only(style):
    plain = one("circle")
    styled = replace(plain, style=style)
    a, b = museum.draw(plain), museum.draw(styled)
    inside = museum.masks(plain)[0]
    whole = (a == museum.PALETTE["red"]).all(axis=2)
    assert whole.sum() > 0.8 * inside.sum()
    np.testing.assert_array_equal(a[whole], b[whole])
    assert (a[~inside] != b[~inside]).any(axis=1).mean() > 0.05
    np.testing.assert_array_equal(b, museum.draw(styled))


@pytest.mark.parametrize("mount", ["frame", "plinth"])
def test_mounts_stand_behind_the_object(mount):
    plain, mounted = one("circle", radius=8), one("circle", radius=8, mount=mount)
    a, b = museum.draw(plain), museum.draw(mounted)
    whole = (a == museum.PALETTE["red"]).all(axis=2)
    np.testing.assert_array_equal(a[whole], b[whole])
    assert (a != b).any()
    np.testing.assert_array_equal(museum.masks(plain), museum.masks(mounted))
