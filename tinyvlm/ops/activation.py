"""Activation functions (layer 2).

The ones a transformer spends time in (GELU) compute their slope in forward, while the pieces are at
hand, so that backward is one multiplication; without a gradient to come they skip it.
"""

from __future__ import annotations

import math

import numpy as np

from tinyvlm.backend import Array, array_module
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

    dy/dx = (1 + tanh u)/2 + x/2 (1 - tanh^2 u) du/dx. Every line works in place: the temporaries
    of this one function are the largest of a transformer.
    """

    C = math.sqrt(2 / math.pi)
    A = 0.044715

    def forward(self, x: Array) -> Array:
        shape = x.shape
        x = x.reshape(-1)  # at least 1-d, so that every result is an array to work in
        x2 = x * x
        t = x2 * (self.C * self.A)
        t += self.C
        t *= x
        np.tanh(t, out=t)
        half_x = x * 0.5
        if self.needs[0]:
            x2 *= 3 * self.C * self.A
            x2 += self.C
            x2 *= half_x  # x/2 du/dx
            slope = t * t
            np.subtract(1, slope, out=slope)
            slope *= x2
        t += 1
        if self.needs[0]:
            np.multiply(t, 0.5, out=x2)
            slope += x2
            self.slope = slope.reshape(shape)
        t *= half_x
        return t.reshape(shape)

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
    """The error function in x's precision, |error| < 5e-7 in float32 and < 1e-15 in float64.

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
