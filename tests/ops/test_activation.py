"""Activation functions: slopes, values of extreme inputs, and the precision of erf."""

import math

import numpy as np
import pytest
from gradient_check import check, normal, pointwise

from tinyvlm.kernels.library import CACHE_BLOCK
from tinyvlm.nn import functional as F
from tinyvlm.ops import activation
from tinyvlm.tensor import Tensor

SHAPES = [(), (1,), (3, 5), (2, 1, 3), (0, 3)]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def normal_distribution(x):
    return (1 + math.erf(x / math.sqrt(2))) / 2


def normal_density(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def inner(x):
    """u of the tanh approximation of GELU."""
    return math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def gelu_tanh_slope(x):
    du = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
    return (1 + math.tanh(inner(x))) / 2 + x / 2 * (1 - math.tanh(inner(x)) ** 2) * du


def swish(slope):
    """Value and derivative of x sigmoid(slope x), by the product rule."""
    return (
        lambda x: x * sigmoid(slope * x),
        lambda x: sigmoid(slope * x) + x * slope * sigmoid(slope * x) * sigmoid(-slope * x),
    )


ACTIVATIONS = {
    "tanh": (math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "relu": (lambda x: max(x, 0), lambda x: float(x > 0)),
    "softplus": (lambda x: math.log(1 + math.exp(x)), sigmoid),
    "silu": swish(1.0),
    "quick_gelu": swish(1.702),
    "gelu_tanh": (lambda x: x / 2 * (1 + math.tanh(inner(x))), gelu_tanh_slope),
    "gelu_erf": (
        lambda x: x * normal_distribution(x),
        lambda x: normal_distribution(x) + x * normal_density(x),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name, shape):
    """Catches a wrong constant, a wrong slope, and in-place work on an array that isn't ours."""
    check(getattr(F, name), pointwise(*ACTIVATIONS[name]), 2 * normal(*shape))


@pytest.mark.parametrize("size", [CACHE_BLOCK - 1, CACHE_BLOCK, 2 * CACHE_BLOCK + 3])
def test_gelu_in_blocks_is_gelu_piece_by_piece(size):
    """Catches a last block that is left out or cut short."""
    x, dy = normal(size), normal(size)
    whole = activation.GELU()
    y, dx = whole.forward(x), whole.backward(dy)
    for piece in np.array_split(np.arange(size), 7):
        part = activation.GELU()
        np.testing.assert_allclose(y[piece], part.forward(x[piece]), rtol=1e-13)
        np.testing.assert_allclose(dx[piece], part.backward(dy[piece]), rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_extreme_inputs(name, dtype):
    """Catches overflow: warnings are errors here, and every activation has known limits."""
    x = Tensor(np.array([-1e4, -100.0, 100.0, 1e4], dtype), requires_grad=True)
    y = getattr(F, name)(x)
    y.sum().backward()
    grows = name not in ("tanh", "sigmoid")
    right = x.data[2:] if grows else [1, 1]
    left = [-1, -1] if name == "tanh" else [0, 0]
    np.testing.assert_allclose(y.data, [*left, *right], rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(x.grad, [0, 0, grows, grows], rtol=1e-6, atol=1e-30)


def test_relu_has_slope_0_at_0():
    x = Tensor(np.zeros(3), requires_grad=True)
    F.relu(x).sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 0, 0])


# float32: the formula's own 1.5e-7 and the rounding of six steps; measured 4.5e-7.
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 5e-7), ("float64", 1e-15)])
def test_erf_is_as_precise_as_it_says(dtype, tolerance):
    """Catches a mistyped coefficient: one that is off by a millionth fails here."""
    x = np.linspace(-6, 6, 5001).astype(dtype)
    exact = np.array([math.erf(v) for v in x.tolist()])
    y = activation.erf(x)
    assert y.dtype == dtype
    assert np.abs(y - exact).max() < tolerance
