"""Matrix products: batched, broadcast, empty; and that an input without gradient costs nothing."""

import numpy as np
import pytest
from gradient_check import check, composed, normal

from tinyvlm.kernels import dispatch
from tinyvlm.nn import functional as F
from tinyvlm.tensor import Tensor

SHAPES = [
    ((3, 5), (5, 2)),
    ((1, 1), (1, 1)),
    ((1, 7), (7, 1)),
    ((4, 3, 5), (4, 5, 2)),
    ((4, 3, 5), (5, 2)),
    ((3, 5), (4, 5, 2)),
    ((2, 1, 3, 5), (4, 5, 2)),
    ((1, 3, 5), (2, 5, 1)),
    ((0, 5), (5, 2)),
    ((3, 0), (0, 2)),  # a sum of nothing: zeros
    ((2, 0, 3, 5), (5, 2)),
]


def multiply_and_add(a, b):
    """a @ b one sum at a time: y_ij = sum_k a_ik b_kj."""
    *_, I, K = a.shape
    J = b.shape[-1]
    rows = a.reshape(*a.shape[:-2], I, K, 1)
    columns = b.reshape(*b.shape[:-2], 1, K, J)
    return (rows * columns).sum(axis=-2)


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_matmul(a, b):
    """Catches a missing transpose, and a batch that was broadcast and not added up."""
    check(lambda a, b: a @ b, composed(multiply_and_add), normal(*a), normal(*b, seed=1))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("x", [(3, 5), (2, 3, 5), (1, 1, 1, 5), (5,), (0, 5), (2, 0, 5)])
def test_linear(x, bias):
    """Catches a bias that collects only one row's gradient, and leading axes in the wrong order."""
    inputs = [normal(*x), normal(5, 4, seed=1)] + [normal(4, seed=2)] * bias

    def step_by_step(x, w, b=None):
        y = multiply_and_add(x.reshape(-1, 1, 5), w).reshape(*x.shape[:-1], 4)
        return y if b is None else y + b

    check(F.linear, composed(step_by_step), *inputs)


USES = {
    "matmul": (lambda x, w: x @ w, (3, 5), (5, 2)),
    "linear": (F.linear, (3, 5), (5, 2)),
    "conv2d": (F.conv2d, (1, 2, 3, 3), (4, 2, 2, 2)),
}


@pytest.mark.parametrize("wants", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("name", USES)
def test_a_frozen_input_costs_no_product(name, wants, monkeypatch):
    """Catches a frozen tower that still pays for its weights' gradients."""
    products = []
    count = dispatch.matmul
    monkeypatch.setattr(dispatch, "matmul", lambda a, b: products.append(1) or count(a, b))
    f, *shapes = USES[name]
    inputs = [Tensor(normal(*s), w) for s, w in zip(shapes, wants, strict=True)]
    y = f(*inputs)
    assert len(products) == 1
    y.sum().backward()
    assert len(products) == 1 + sum(wants)
    assert [x.grad is not None for x in inputs] == list(wants)


@pytest.mark.parametrize(
    ("a", "b"), [((3, 5), (4, 2)), ((5,), (5, 2)), ((3, 5), (5,)), ((), (2, 2))]
)
def test_shapes_that_do_not_fit(a, b):
    """Catches an error that does not say which axes must agree."""
    with pytest.raises(
        ValueError, match=r"MatMul of .*: expected a \(\.\.\., I, K\) and b \(\.\.\., K, J\)"
    ):
        Tensor(normal(*a)) @ Tensor(normal(*b))


@pytest.mark.parametrize(("x", "w"), [((3, 4), (5, 2)), ((3, 5), (1, 5, 2)), ((), (1, 2))])
def test_linear_shapes_that_do_not_fit(x, w):
    with pytest.raises(ValueError, match=r"Linear of .*: expected x \(\.\.\., I\) and w \(I, J\)"):
        F.linear(Tensor(normal(*x)), Tensor(normal(*w)))


def test_the_bias_does_not_change_the_product_of_another_call():
    """Catches y += b written into memory that BLAS or a caller still holds."""
    x, w, b = (Tensor(normal(*s)) for s in [(3, 5), (5, 2), (2,)])
    plain = F.linear(x, w)
    before = plain.data.copy()
    F.linear(x, w, b)
    np.testing.assert_array_equal(plain.data, before)
