"""Normalisations: against their definitions, rows of one value, constant and huge rows."""

from functools import partial

import numpy as np
import pytest
from gradient_check import check, composed, normal

from tinyvlm.nn import functional as F
from tinyvlm.tensor import Tensor

SHAPES = [(3, 5), (2, 3, 4), (1, 7), (5,), (3, 1), (0, 4)]
EPS = 1e-3  # large enough that its place in the formula shows


def gain_and_bias(n):
    return normal(n, seed=1), normal(n, seed=2)


@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm(shape):
    """Catches a backward without the mean's or the variance's share, and eps in the wrong place."""

    def definition(x, gain, bias):
        centred = x - x.mean(axis=-1, keepdims=True)
        return centred / (x.var(axis=-1, keepdims=True) + EPS).sqrt() * gain + bias

    f = partial(F.layer_norm, eps=EPS)
    check(f, composed(definition), normal(*shape), *gain_and_bias(shape[-1]))


@pytest.mark.parametrize("shape", SHAPES)
def test_rms_norm(shape):
    def definition(x, gain):
        return x / ((x * x).mean(axis=-1, keepdims=True) + EPS).sqrt() * gain

    f = partial(F.rms_norm, eps=EPS)
    check(f, composed(definition), normal(*shape), normal(shape[-1], seed=1))


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("shape", [(2, 6, 3, 5), (1, 6, 1, 1)])
def test_group_norm(shape, groups):
    """Catches channels that land in the wrong group."""
    B, C, Y, X = shape

    def definition(x, gain, bias):
        x = x.reshape(B, groups, C // groups, Y, X)
        centred = x - x.mean(axis=(2, 3, 4), keepdims=True)
        x = centred / (x.var(axis=(2, 3, 4), keepdims=True) + EPS).sqrt()
        return x.reshape(B, C, Y, X) * gain.reshape(C, 1, 1) + bias.reshape(C, 1, 1)

    f = partial(F.group_norm, groups=groups, eps=EPS)
    check(f, composed(definition), normal(*shape), *gain_and_bias(C))


@pytest.mark.parametrize("shape", SHAPES)
def test_l2_normalize(shape):
    definition = composed(lambda x: x / ((x * x).sum(axis=-1, keepdims=True) + EPS).sqrt())
    check(partial(F.l2_normalize, eps=EPS), definition, normal(*shape))


def test_rows_of_length_1():
    lengths = np.linalg.norm(F.l2_normalize(Tensor(normal(4, 7))).data, axis=-1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [0.0, 3.0, 1e4])
def test_constant_rows_stay_finite(value, dtype):
    """Catches a division by a variance of 0: a constant row gives the bias, a zero row gives 0."""
    x = Tensor(np.full((2, 8), value, dtype), requires_grad=True)
    one, zero = Tensor(np.ones(8, dtype)), Tensor(np.zeros(8, dtype))
    np.testing.assert_allclose(F.layer_norm(x, one, zero).data, 0, atol=1e-6)
    expected = float(value > 0)
    np.testing.assert_allclose(F.rms_norm(x, one).data, expected, rtol=1e-5)
    y = F.l2_normalize(x)
    np.testing.assert_allclose(y.data, expected / np.sqrt(8), rtol=1e-5)
    y.sum().backward()
    assert np.isfinite(x.grad).all()


def test_a_large_common_offset_is_forgotten():
    """Catches the variance taken as mean(x^2) - mean(x)^2, which float32 loses here."""
    x = normal(3, 16).astype(np.float32)
    ones, zeros = np.ones(16, np.float32), np.zeros(16, np.float32)
    plain = F.layer_norm(Tensor(x), ones, zeros).data
    offset = F.layer_norm(Tensor(x + 1000), ones, zeros).data
    np.testing.assert_allclose(offset, plain, atol=1e-3)


def test_channels_that_do_not_divide():
    ones = Tensor(np.ones(6))
    with pytest.raises(ValueError, match=r"GroupNorm of .*: expected .* C a multiple of 4"):
        F.group_norm(Tensor(normal(1, 6, 2, 2)), ones, ones, groups=4)


def test_group_norm_of_no_pictures():
    ones = Tensor(np.ones(4))
    assert F.group_norm(Tensor(np.ones((0, 4, 2, 2))), ones, ones, 2).shape == (0, 4, 2, 2)
