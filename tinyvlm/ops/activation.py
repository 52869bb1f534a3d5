"""Activation functions (layer 2).

The ones a transformer spends time in (GELU) compute their slope in forward, while the pieces are at
hand, so that backward is one multiplication; without a gradient to come they skip it.
"""

from __future__ import annotations

import math

import numpy as np

from tinyvlm.backend import Array, array_module
from tinyvlm.kernels.library import cache_blocks
from tinyvlm.ops.function import Function


class ReLU(Function):
    """y = max(x, 0); the slope at 0 is taken as 0."""

    def forward(self, x: Array) -> Array:
        y = np.maximum(x, 0)
        self.positive = y > 0
        return y

    def backward(self, dy: Array) -> Array:
        return dy * self.positive


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x) as (1 + tanh(x/2)) / 2, which can't overflow for any x."""
    y = np.tanh(x * 0.5)
    y += 1
    y *= 0.5
    return y


class Tanh(Function):
    """y = tanh x; dy/dx = 1 - y^2."""

    def forward(self, x: Array) -> Array:
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * (1 - self.y * self.y)


class Sigmoid(Function):
    """y = 1 / (1 + e^-x); dy/dx = y (1 - y)."""

    def forward(self, x: Array) -> Array:
        self.y = np.asanyarray(sigmoid(x))
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * self.y * (1 - self.y)


class SiLU(Function):
    """y = x s with s = sigmoid(x); dy/dx = s (1 + x (1 - s)) (Elfwing et al. 2017, 1702.03118)."""

    def forward(self, x: Array) -> Array:
        self.x, self.s = x, sigmoid(x)
        return x * self.s

    def backward(self, dy: Array) -> Array:
        return dy * self.s * (1 + self.x * (1 - self.s))


class QuickGELU(Function):
    """y = x sigmoid(1.702 x): the GELU of OpenAI's CLIP weights."""

    def forward(self, x: Array) -> Array:
        self.x, self.s = x, sigmoid(1.702 * x)
        return x * self.s

    def backward(self, dy: Array) -> Array:
        return dy * self.s * (1 + 1.702 * self.x * (1 - self.s))


class Softplus(Function):
    """y = ln(1 + e^x) as max(x, 0) + ln(1 + e^-|x|), which can't overflow; dy/dx = sigmoid(x)."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def backward(self, dy: Array) -> Array:
        return dy * sigmoid(self.x)


class GELU(Function):
    """y = x Phi(x) ~ x/2 (1 + tanh u), u = c (x + a x^3) (Hendrycks and Gimpel 2016, 1606.08415).

    With p = (1 + tanh u)/2: y = x p and dy/dx = p + x p (1 - p) 2 du/dx. The arrays of this one
    function are the largest of a transformer, so it works on one block after the other: a block
    stays in the cache while fifteen operations pass over it.
    """

    C = math.sqrt(2 / math.pi)
    A = 0.044715

    def forward(self, x: Array) -> Array:
        flat = x.reshape(-1)
        y = np.empty_like(flat)
        slope = np.empty_like(flat) if self.needs[0] else None
        for block in cache_blocks(flat):
            self.forward_block(flat[block], y[block], None if slope is None else slope[block])
        self.slope = None if slope is None else slope.reshape(x.shape)
        return y.reshape(x.shape)

    def forward_block(self, x: Array, y: Array, slope: Array | None) -> None:
        """Fill y and, if asked, slope, in place."""
        x2 = x * x
        np.multiply(x2, self.C * self.A, out=y)
        y += self.C
        y *= x
        np.tanh(y, out=y)
        y += 1
        y *= 0.5  # p
        if slope is not None:
            x2 *= 6 * self.C * self.A
            x2 += 2 * self.C
            x2 *= x  # 2 x du/dx
            np.subtract(1, y, out=slope)
            slope *= y
            slope *= x2
            slope += y
        y *= x

    def backward(self, dy: Array) -> Array:
        return dy * self.slope


class GELUErf(Function):
    """y = x Phi(x) with the exact normal distribution function Phi(x) = (1 + erf(x/sqrt 2))/2."""

    def forward(self, x: Array) -> Array:
        phi = 0.5 * (1 + erf(x / math.sqrt(2)))
        if self.needs[0]:
            self.slope = phi + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        return x * phi

    def backward(self, dy: Array) -> Array:
        return dy * self.slope


def erf(x: Array) -> Array:
    """The error function in x's precision, |error| < 7e-7 in float32 and < 1e-15 in float64.

    NumPy has none. math.erf is exact but walks element by element, so it serves float64, where
    gradients are checked. float32 takes Abramowitz and Stegun's formula 7.1.26 (1964, p. 299).
    """
    if x.dtype == np.float64:
        flat = [math.erf(v) for v in np.ravel(x).tolist()]
        return array_module(x).asarray(flat, dtype=x.dtype).reshape(x.shape)
    a = np.abs(x)
    t = 1 / (1 + 0.3275911 * a)
    poly = 1.421413741 + t * (-1.453152027 + t * 1.061405429)
    poly = t * (0.254829592 + t * (-0.284496736 + t * poly))
    return np.sign(x) * (1 - poly * np.exp(-a * a))
