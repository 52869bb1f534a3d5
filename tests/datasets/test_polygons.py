"""Polygons as masks: shapes whose pixels one can count, what is cut off, what is refused."""

import numpy as np
import pytest

from tinyvlm.datasets.polygons import check_polygons, paint
from tinyvlm.errors import InputError

SQUARE = [2, 1, 5, 1, 5, 3, 2, 3]


def test_a_rectangle():
    mask = paint([SQUARE], 5, 7)
    assert mask.shape == (5, 7)
    np.testing.assert_array_equal(np.argwhere(mask), [(y, x) for y in (1, 2) for x in (2, 3, 4)])
    np.testing.assert_array_equal(paint([SQUARE[::-1]], 7, 5), mask.T)  # y, x and backwards


def test_a_triangle_has_half_the_area():
    mask = paint([[0, 0, 100, 0, 0, 100]], 100, 100)
    assert mask.sum() == pytest.approx(5000, rel=0.02)
    assert mask[0, 98]
    assert not mask[60, 60]


def test_several_polygons_are_one_mask():
    other = [4, 2, 7, 2, 7, 5, 4, 5]
    want = paint([SQUARE], 6, 8) | paint([other], 6, 8)
    np.testing.assert_array_equal(paint([SQUARE, other], 6, 8), want)
    assert paint([SQUARE, SQUARE], 6, 8).sum() == 6  # united, not parity
    assert paint([], 6, 8).sum() == 0


def test_what_is_outside_is_cut_off():
    np.testing.assert_array_equal(
        paint([[-50, -50, 50, -50, 50, 50, -50, 50]], 4, 3), np.ones((4, 3))
    )
    assert paint([[10, 10, 20, 10, 20, 20]], 4, 3).sum() == 0
    assert paint([[-9, 0, -5, 0, -5, 4]], 4, 3).sum() == 0
    assert paint([SQUARE], 2, 4).sum() == 2


def test_size_zero():
    assert paint([SQUARE], 0, 3).shape == (0, 3)
    assert paint([SQUARE], 3, 0).shape == (3, 0)


def test_too_large():
    with pytest.raises(InputError, match="more than 64,000,000 pixels"):
        paint([SQUARE], 10**6, 10**6)
    with pytest.raises(InputError, match=r"outline of .* pixels is too long"):
        paint([[0, 0, 4_000_000, 0, 4_000_000, 4_000_000]], 10, 10)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        "a",
        [[]],
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, 6, 7]],
        [1, 2, 3, 4, 5, 6],
        [[1, 2, 3, 4, 5, "6"]],
        [[1, 2, 3, 4, 5, True]],
        [[1, 2, 3, 4, 5, [6]]],
        [[1, 2, 3, 4, 5, float("nan")]],
        [[1, 2, 3, 4, 5, float("inf")]],
        [[1, 2, 3, 4, 5, 10**400]],
        [SQUARE, None],
    ],
)
def test_no_polygons(value):
    with pytest.raises(InputError, match="polygon") as error:
        check_polygons(value)
    assert str(error.value).isprintable()


def test_polygons():
    check_polygons([SQUARE, [0.5, -1, 1e3, 2.25, 3, 4]])
