"""Rotary positions: a turn of complex numbers, which attention sees only as a distance."""

import numpy as np
import pytest
from gradient_check import check, normal

from tinyvlm.nn import functional as F
from tinyvlm.ops.rope import Rotation
from tinyvlm.tensor import Tensor


def turned(positions, theta):
    """The twin that reads the pair (x_i, x_{i+K/2}) as one complex number and turns it."""

    def twin(x):
        K = x.shape[-1]
        frequency = np.array([theta ** (-2 * i / K) for i in range(K // 2)])
        turn = np.exp(1j * positions[..., None, None] * frequency)

        def complex_product(x, turn):
            z = (x[..., : K // 2] + 1j * x[..., K // 2 :]) * turn
            return np.concatenate([z.real, z.imag], axis=-1)

        # The inverse of a rotation is its transpose: the gradient is turned back.
        return complex_product(x, turn), lambda dy: [complex_product(dy, turn.conj())]

    return twin


@pytest.mark.parametrize(
    ("shape", "positions"),
    [
        ((2, 3, 2, 6), np.arange(3)),
        ((2, 3, 2, 6), np.array([[0, 1, 2], [5, 3, 5001]])),
        ((1, 1, 1, 2), np.array([7])),
        ((2, 0, 1, 4), np.arange(0)),
        ((3, 1, 2, 4), np.array([[1], [2], [3]])),
    ],
)
@pytest.mark.parametrize("theta", [10000.0, 100.0])
def test_rope(shape, positions, theta):
    """Catches neighbours paired instead of halves, a backward that turns the same way, and the
    angle of a far position rounded to float32 before its cosine."""
    check(lambda x: F.rope(x, positions, theta), turned(positions, theta), normal(*shape))


def test_position_0_changes_nothing():
    x = normal(1, 3, 2, 4)
    np.testing.assert_array_equal(F.rope(Tensor(x), np.zeros(3, int)).data, x)


def test_scores_depend_on_the_distance_only():
    """Catches different frequencies for queries and keys, or angles that are not linear."""
    q, k = (np.broadcast_to(normal(8, seed=s), (1, 10, 1, 8)).copy() for s in (1, 2))

    def scores(shift):
        a, b = (F.rope(Tensor(x), np.arange(10) + shift).data[0, :, 0] for x in (q, k))
        return a @ b.T

    here = scores(0)
    np.testing.assert_allclose(scores(100), here, atol=1e-10)
    np.testing.assert_allclose(np.diagonal(here, 2), here[0, 2], atol=1e-12)
    assert abs(here[0, 2] - here[0, 3]) > 1e-3


@pytest.mark.parametrize("shape", [(1, 3, 2, 5), (3, 2, 4)])
def test_shapes_that_do_not_fit(shape):
    with pytest.raises(ValueError, match=r"RoPE of .*: expected x \(B, T, H, K\) with K even"):
        F.rope(Tensor(np.ones(shape)), np.arange(3))


@pytest.mark.parametrize("positions", [np.arange(5), np.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])])
def test_turns_that_are_computed_once(positions):
    """One Rotation for heads and blocks; its last positions are those of the last tokens."""
    rotation = Rotation.at(positions, 6, 100.0, np.dtype("f4"))
    for H in (4, 1):
        x = normal(2, 5, H, 6).astype(np.float32)
        expected = F.rope(Tensor(x), positions, 100.0).data
        y = F.rotate(Tensor(x), rotation)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y.data, expected)
        last = F.rotate(Tensor(x[:, -2:]), rotation.last(2))
        np.testing.assert_array_equal(last.data, expected[:, -2:])
        np.testing.assert_allclose(rotation.turn_back(expected), x, rtol=0, atol=1e-6)
