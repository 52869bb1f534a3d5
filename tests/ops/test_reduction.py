"""Reductions: over no axis, one, several and all; ties; empty and infinite rows."""

import math

import numpy as np
import pytest
from gradient_check import check, normal

from tinyvlm.nn import functional as F
from tinyvlm.tensor import Tensor

AXES = [
    ((3, 5), None),
    ((3, 5), 0),
    ((3, 5), -1),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (-1, 1)),
    ((2, 3, 4), ()),
    ((1, 4, 1), (0, 2)),
    ((4,), 0),
    ((), None),
]


def mean(row):
    return sum(row) / len(row)


def log_sum_exp(row):
    return math.log(sum(math.exp(x) for x in row))


# Of one row of Python numbers: the value, and the slope for each number.
REDUCTIONS = {
    "sum": (sum, lambda row: [1] * len(row)),
    "mean": (mean, lambda row: [1 / len(row)] * len(row)),
    "max": (max, lambda row: [(x == max(row)) / row.count(max(row)) for x in row]),
    "min": (min, lambda row: [(x == min(row)) / row.count(min(row)) for x in row]),
    "var": (
        lambda row: mean([(x - mean(row)) ** 2 for x in row]),
        lambda row: [2 * (x - mean(row)) / len(row) for x in row],
    ),
    "logsumexp": (log_sum_exp, lambda row: [math.exp(x - log_sum_exp(row)) for x in row]),
}


def row_by_row(value, slopes, axis, keepdims):
    """The twin that walks over every row of values that meet in one result."""

    def twin(x):
        shape = np.sum(x, axis=axis, keepdims=keepdims).shape
        cell = np.zeros(np.sum(x, axis=axis, keepdims=True).shape, int)  # which result an x goes to
        cell.ravel()[:] = np.arange(cell.size)
        cell = np.broadcast_to(cell, x.shape)
        rows = [x[cell == i].tolist() for i in range(math.prod(shape))]

        def backward(dy):
            dx = np.zeros(x.shape)
            for i, (row, d) in enumerate(zip(rows, dy.ravel(), strict=True)):
                dx[cell == i] = d * np.array(slopes(row), dtype=float)
            return [dx]

        return np.array([value(row) for row in rows]).reshape(shape), backward

    return twin


def reduce(name, axis, keepdims):
    """The operation: a method of Tensor, or a function of F."""
    if hasattr(Tensor, name):
        return lambda x: getattr(x, name)(axis=axis, keepdims=keepdims)
    return lambda x: getattr(F, name)(x, axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("shape", "axis"), AXES)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction(name, shape, axis, keepdims):
    """Catches a missing 1/n, n - 1 for n, and dy brought back along the wrong axis."""
    twin = row_by_row(*REDUCTIONS[name], axis, keepdims)
    check(reduce(name, axis, keepdims), twin, normal(*shape))


@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_share_the_gradient(name):
    """Catches a tie that gets the whole gradient twice."""
    x = Tensor(np.array([[2.0, 1.0, 2.0], [1.0, 1.0, 1.0]]), requires_grad=True)
    getattr(x, name)(axis=1).sum().backward()
    third = [1 / 3] * 3
    np.testing.assert_allclose(x.grad, [[0.5, 0, 0.5] if name == "max" else [0, 1, 0], third])


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "var", "logsumexp"])
def test_no_rows_at_all(name):
    """Catches a shape that is lost when there is nothing to reduce: (0, 3) over axis 1 is (0,)."""
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    y = reduce(name, 1, False)(x)
    y.backward(np.zeros(0))
    assert (y.shape, x.grad.shape) == ((0,), (0, 3))


def test_the_sum_of_nothing_is_zero():
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    y = x.sum(axis=0)
    y.sum().backward()
    np.testing.assert_array_equal(y.data, [0, 0, 0])
    assert x.grad.shape == (0, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logsumexp_of_extreme_rows(dtype):
    """Catches overflow, and NaN from a row of -inf: ln 0 is -inf, and it passes no gradient."""
    big, inf = 1e4, np.inf
    rows = [[big, big], [-big, -big], [big, -big], [-inf, 0.0], [-inf, -inf]]
    x = Tensor(np.array(rows, dtype), requires_grad=True)
    y = F.logsumexp(x, axis=1)
    y.sum().backward()
    np.testing.assert_allclose(y.data, [big + np.log(2), -big + np.log(2), big, 0, -inf])
    np.testing.assert_allclose(x.grad, [[0.5, 0.5], [0.5, 0.5], [1, 0], [0, 1], [0, 0]], atol=1e-30)


def test_an_axis_that_does_not_exist():
    with pytest.raises(ValueError, match="axis 2"):
        Tensor(np.ones((2, 3))).sum(axis=2)
