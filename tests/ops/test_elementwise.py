"""Arithmetic and pointwise functions: broadcasting, slopes, and what happens at the kinks."""

import math

import numpy as np
import pytest
from gradient_check import check, composed, normal, pointwise

from tinyvlm.nn import functional as F
from tinyvlm.tensor import Tensor

SHAPES = [(), (1,), (3, 5), (2, 1, 3), (0, 3)]

BINARY = {
    "add": (lambda a, b: a + b, lambda a, b: 1, lambda a, b: 1),
    "subtract": (lambda a, b: a - b, lambda a, b: 1, lambda a, b: -1),
    "multiply": (lambda a, b: a * b, lambda a, b: b, lambda a, b: a),
    "divide": (lambda a, b: a / b, lambda a, b: 1 / b, lambda a, b: -a / b**2),
}

BROADCASTS = [
    ((3, 5), (3, 5)),
    ((3, 5), (5,)),
    ((1,), (2, 3)),
    ((), (2, 3)),
    ((), ()),
    ((3, 1), (1, 5)),
    ((2, 1, 3), (4, 1)),
    ((2, 0), (1,)),  # the (1,) was used nowhere: its gradient is 0
]

UNARY = {
    "exp": (F.exp, math.exp, math.exp),
    "sin": (F.sin, math.sin, math.cos),
    "cos": (F.cos, math.cos, lambda x: -math.sin(x)),
    "abs": (F.abs, abs, lambda x: math.copysign(1, x)),
    "negate": (lambda x: -x, lambda x: -x, lambda x: -1),
    "power 1": (lambda x: x**1, lambda x: x, lambda x: 1),
    "power 2": (lambda x: x**2, lambda x: x * x, lambda x: 2 * x),
    "power 3": (lambda x: x**3, lambda x: x * x * x, lambda x: 3 * x * x),
    "power 4": (lambda x: x**4, lambda x: x * x * x * x, lambda x: 4 * x * x * x),
    "power 5": (lambda x: x**5, lambda x: math.pow(x, 5), lambda x: 5 * math.pow(x, 4)),
    "power -2": (lambda x: x**-2, lambda x: 1 / (x * x), lambda x: -2 / (x * x * x)),
    "power 0": (lambda x: x**0, lambda x: 1, lambda x: 0),
}

UNARY_OF_POSITIVES = {
    "log": (F.log, math.log, lambda x: 1 / x),
    "sqrt": (F.sqrt, math.sqrt, lambda x: 0.5 / math.sqrt(x)),
    "power 2.5": (lambda x: x**2.5, lambda x: math.pow(x, 2.5), lambda x: 2.5 * math.pow(x, 1.5)),
    "Tensor.exp": (lambda x: x.exp(), math.exp, math.exp),
    "Tensor.log": (lambda x: x.log(), math.log, lambda x: 1 / x),
    "Tensor.sqrt": (lambda x: x.sqrt(), math.sqrt, lambda x: 0.5 / math.sqrt(x)),
}


@pytest.mark.parametrize(("a", "b"), BROADCASTS)
@pytest.mark.parametrize("name", BINARY)
def test_arithmetic(name, a, b):
    """Catches a wrong sign or factor, and a broadcast input whose uses are not all added up."""
    f, *slopes = BINARY[name]
    check(f, pointwise(f, *slopes), normal(*a), normal(*b, seed=1))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", UNARY)
def test_pointwise(name, shape):
    """Catches a wrong slope."""
    f, value, slope = UNARY[name]
    check(f, pointwise(value, slope), normal(*shape))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", UNARY_OF_POSITIVES)
def test_pointwise_of_positive_numbers(name, shape):
    f, value, slope = UNARY_OF_POSITIVES[name]
    check(f, pointwise(value, slope), np.abs(normal(*shape)) + 0.2)


@pytest.mark.parametrize(("a", "b"), BROADCASTS)
def test_maximum(a, b):
    """Catches a gradient that goes to the smaller of the two."""
    twin = pointwise(max, lambda a, b: float(a > b), lambda a, b: float(b > a))
    check(F.maximum, twin, normal(*a), normal(*b, seed=1))


@pytest.mark.parametrize(("a", "b"), BROADCASTS)
def test_where(a, b):
    """Catches swapped branches, and a branch or condition that was broadcast."""
    shape = np.broadcast_shapes(a, b)
    for condition in (normal(*shape) > 0, normal(2, *shape, seed=3) > 0, np.array(True)):
        twin = composed(lambda a, b, c=1.0 * condition: a * c + b * (1 - c))
        check(lambda a, b, c=condition: F.where(c, a, b), twin, normal(*a), normal(*b, seed=1))


def test_numbers_and_arrays_on_the_left():
    """Catches array + Tensor being taken apart by NumPy, and swapped operands of - and /."""
    x = Tensor(np.array([1.0, 2.0, 4.0], np.float32), requires_grad=True)
    left = np.array([8.0, 8.0, 8.0], np.float32)
    for a in (8, 8.0, left, np.float32(8)):
        for y, expected in [(a + x, [9, 10, 12]), (a - x, [7, 6, 4]), (a * x, [8, 16, 32])]:
            assert y.dtype == np.float32
            np.testing.assert_array_equal(y.data, expected)
        np.testing.assert_array_equal((a / x).data, [8, 4, 2])
    (left / x).sum().backward()
    np.testing.assert_array_equal(x.grad, [-8.0, -2.0, -0.5])


def test_slopes_at_the_kinks():
    """Catches a kink that hands out more than the slopes on its two sides allow."""
    zero = Tensor(np.zeros(2), requires_grad=True)
    F.abs(zero).sum().backward()
    np.testing.assert_array_equal(zero.grad, [0, 0])
    a, b = (Tensor(np.ones(2), requires_grad=True) for _ in "ab")
    F.maximum(a, b).sum().backward()
    np.testing.assert_array_equal(a.grad, [0.5, 0.5])
    np.testing.assert_array_equal(b.grad, [0.5, 0.5])


def test_an_exponent_is_a_constant():
    """Catches a Tensor exponent that would silently get no gradient."""
    x = Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(TypeError):
        x ** Tensor(2.0, requires_grad=True)
    with pytest.raises(TypeError):
        2**x


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ValueError, match=r"\(3,\) \(2,\)"):
        Tensor(np.ones(3)) + Tensor(np.ones(2))
