"""Matrix products: the general one, and the linear layer as one operation (layer 2)."""

from __future__ import annotations

import math

import numpy as np

from tinyvlm.backend import Array, array_module
from tinyvlm.kernels import dispatch
from tinyvlm.ops.function import Function, sum_to


class MatMul(Function):
    """y = a @ b, (..., I, K) @ (..., K, J), leading axes broadcast: da = dy b^T, db = a^T dy."""

    def forward(self, a: Array, b: Array) -> Array:
        if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
            raise ValueError(
                "expected a (..., I, K) and b (..., K, J) with the same K, "
                f"got a {a.shape} and b {b.shape}"
            )
        self.a, self.b = a, b
        return dispatch.matmul(a, b)

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        da = db = None
        if self.needs[0]:
            da = sum_to(dispatch.matmul(dy, self.b.swapaxes(-1, -2)), self.a.shape)
        if self.needs[1]:
            db = sum_to(dispatch.matmul(self.a.swapaxes(-1, -2), dy), self.b.shape)
        return da, db


class Linear(Function):
    """y = x @ w (+ b) for x (..., I), w (I, J), b (J,).

    All leading axes of x become rows of one large product: dx = dy w^T, dw = x^T dy, db = sum dy.
    """

    def forward(self, x: Array, w: Array, b: Array | None = None) -> Array:
        if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[0]:
            raise ValueError(
                f"expected x (..., I) and w (I, J) with the same I, got x {x.shape} and w {w.shape}"
            )
        if b is not None and b.shape != w.shape[1:]:
            raise ValueError(f"expected b (J,) = {w.shape[1:]}, got {b.shape}")
        self.shape = x.shape
        self.rows = math.prod(x.shape[:-1])
        self.x = x.reshape(self.rows, w.shape[0])  # (rows, I)
        self.w = w
        y = dispatch.matmul(self.x, w)  # (rows, J)
        if b is not None:
            y += b
        return y.reshape(*self.shape[:-1], w.shape[1])

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        dy = dy.reshape(self.rows, self.w.shape[1])
        dx = dw = db = None
        if self.needs[0]:
            dx = dispatch.matmul(dy, self.w.T).reshape(self.shape)
        if self.needs[1]:
            dw = dispatch.matmul(self.x.T, dy)
        if self.needs[2:] == (True,):
            db = sum_rows(dy)
        return (dx, dw, db)[: len(self.needs)]


def sum_rows(x: Array) -> Array:
    """x (rows, J) -> (J,): the column sums as a product with ones, which BLAS does fast."""
    return np.matmul(array_module(x).ones(x.shape[0], x.dtype), x)
