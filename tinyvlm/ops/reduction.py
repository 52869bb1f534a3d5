"""Reductions over one axis, several, or all (layer 2). `axis` and `keepdims` as in NumPy."""

from __future__ import annotations

import math

import numpy as np

from tinyvlm.backend import Array
from tinyvlm.ops.function import Function

Axis = int | tuple[int, ...] | None


class Reduction(Function):
    """What all reductions share: which axes vanish, and how dy is brought back to x's shape."""

    def __init__(self, axis: Axis = None, keepdims: bool = False) -> None:
        self.axis = axis
        self.keepdims = keepdims

    def remember(self, x: Array) -> None:
        """Keep x's shape, its shape with every reduced axis as 1, and how many values meet."""
        self.shape = x.shape
        axes = range(x.ndim) if self.axis is None else np.atleast_1d(self.axis) % max(x.ndim, 1)
        self.reduced = {int(a) for a in axes}
        self.kept_shape = tuple(1 if i in self.reduced else n for i, n in enumerate(x.shape))
        self.count = math.prod(x.shape[i] for i in self.reduced)

    def result(self, y: Array) -> Array:
        """y was reduced with keepdims=True; drop the axes if the user did not ask for them."""
        if self.keepdims:
            return y
        return y.reshape([n for i, n in enumerate(self.shape) if i not in self.reduced])

    def restore(self, dy: Array) -> Array:
        """dy with the reduced axes back as 1, ready to broadcast."""
        return dy.reshape(self.kept_shape)


class Sum(Reduction):
    """y = sum of x; each x gets dy."""

    def forward(self, x: Array) -> Array:
        self.remember(x)
        return np.sum(x, axis=self.axis, keepdims=self.keepdims)

    def backward(self, dy: Array) -> Array:
        return np.broadcast_to(self.restore(dy), self.shape)


class Mean(Reduction):
    """y = sum of x / n; each x gets dy / n."""

    def forward(self, x: Array) -> Array:
        self.remember(x)
        return np.mean(x, axis=self.axis, keepdims=self.keepdims)

    def backward(self, dy: Array) -> Array:
        return np.broadcast_to(self.restore(dy), self.shape) * (1.0 / self.count)


class Max(Reduction):
    """y = largest x; values that tie for it share dy equally."""

    def extreme(self, x: Array) -> Array:
        return np.max(x, axis=self.axis, keepdims=True)

    def forward(self, x: Array) -> Array:
        self.remember(x)
        y = self.extreme(x)
        if self.needs[0]:
            self.chosen = x == y
        return self.result(y)

    def backward(self, dy: Array) -> Array:
        ties = np.sum(self.chosen, axis=self.axis, keepdims=True, dtype=dy.dtype)
        return self.chosen * (self.restore(dy) / ties)


class Min(Max):
    """y = smallest x; values that tie for it share dy equally."""

    def extreme(self, x: Array) -> Array:
        return np.min(x, axis=self.axis, keepdims=True)


class Var(Reduction):
    """y = mean of (x - mean)^2, over n and not n - 1, as layer norms do; dx = 2 (x - mean)/n."""

    def forward(self, x: Array) -> Array:
        self.remember(x)
        self.centred = x - np.mean(x, axis=self.axis, keepdims=True)
        y = np.mean(self.centred * self.centred, axis=self.axis, keepdims=True)
        return self.result(y)

    def backward(self, dy: Array) -> Array:
        return self.centred * (self.restore(dy) * (2.0 / self.count))


class LogSumExp(Reduction):
    """y = ln sum e^x = m + ln sum e^(x - m) with m the maximum, so nothing overflows."""

    def forward(self, x: Array) -> Array:
        self.remember(x)
        m = np.max(x, axis=self.axis, keepdims=True)
        m = np.where(np.isfinite(m), m, np.zeros_like(m))  # all -inf: e^-inf = 0 and ln 0 = -inf
        e = np.exp(x - m)
        total = np.sum(e, axis=self.axis, keepdims=True)
        self.softmax = e / np.maximum(total, np.finfo(x.dtype).tiny)
        with np.errstate(divide="ignore"):
            return self.result(m + np.log(total))

    def backward(self, dy: Array) -> Array:
        return self.softmax * self.restore(dy)
