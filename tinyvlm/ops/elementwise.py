"""Arithmetic and pointwise functions, with broadcasting (layer 2)."""

from __future__ import annotations

import numpy as np

from tinyvlm.backend import Array
from tinyvlm.ops.function import Function, sum_to


class Add(Function):
    """y = a + b."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a_shape, self.b_shape = a.shape, b.shape
        return a + b

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        da = sum_to(dy, self.a_shape) if self.needs[0] else None
        db = sum_to(dy, self.b_shape) if self.needs[1] else None
        return da, db


class Subtract(Function):
    """y = a - b."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a_shape, self.b_shape = a.shape, b.shape
        return a - b

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        da = sum_to(dy, self.a_shape) if self.needs[0] else None
        db = -sum_to(dy, self.b_shape) if self.needs[1] else None
        return da, db


class Multiply(Function):
    """y = a * b."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a, self.b = a, b
        return a * b

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        da = sum_to(dy * self.b, self.a.shape) if self.needs[0] else None
        db = sum_to(dy * self.a, self.b.shape) if self.needs[1] else None
        return da, db


class Divide(Function):
    """y = a / b."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a, self.b = a, b
        return a / b

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        da = sum_to(dy / self.b, self.a.shape) if self.needs[0] else None
        db = sum_to(-dy * self.a / (self.b * self.b), self.b.shape) if self.needs[1] else None
        return da, db


class Negate(Function):
    """y = -x."""

    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, dy: Array) -> Array:
        return -dy


class Power(Function):
    """y = x ** exponent for a constant exponent.

    Trap: NumPy's float32 x ** 3 is hundreds of times slower than x * x * x; small whole exponents
    are multiplied out.
    """

    def __init__(self, exponent: float) -> None:
        self.exponent = exponent

    def forward(self, x: Array) -> Array:
        self.x = x
        return power(x, self.exponent)

    def backward(self, dy: Array) -> Array:
        if self.exponent == 0:
            return np.zeros_like(dy)  # not 0 * x^-1, which is NaN at 0
        return dy * (self.exponent * power(self.x, self.exponent - 1))


def power(x: Array, exponent: float) -> Array:
    if exponent in (1, 2, 3, 4):
        y = x
        for _ in range(int(exponent) - 1):
            y = y * x
        return y
    return x**exponent


class Exp(Function):
    """y = e^x."""

    def forward(self, x: Array) -> Array:
        self.y = np.exp(x)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * self.y


class Log(Function):
    """y = ln x."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.log(x)

    def backward(self, dy: Array) -> Array:
        return dy / self.x


class Sqrt(Function):
    """y = sqrt(x). Trap: the slope at 0 is infinite; add eps inside the root."""

    def forward(self, x: Array) -> Array:
        self.y = np.sqrt(x)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * 0.5 / self.y


class Abs(Function):
    """y = |x|; the slope at 0 is taken as 0."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.abs(x)

    def backward(self, dy: Array) -> Array:
        return dy * np.sign(self.x)


class Sin(Function):
    """y = sin x."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.sin(x)

    def backward(self, dy: Array) -> Array:
        return dy * np.cos(self.x)


class Cos(Function):
    """y = cos x."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.cos(x)

    def backward(self, dy: Array) -> Array:
        return -dy * np.sin(self.x)


class Maximum(Function):
    """y = max(a, b), element by element; where they are equal each gets half the gradient."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a, self.b = a, b
        return np.maximum(a, b)

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        to_a = ((self.a > self.b) + 0.5 * (self.a == self.b)).astype(dy.dtype)
        da = sum_to(dy * to_a, self.a.shape) if self.needs[0] else None
        db = sum_to(dy * (1 - to_a), self.b.shape) if self.needs[1] else None
        return da, db


class Where(Function):
    """y = a where condition else b; the condition is data and has no gradient."""

    def __init__(self, condition: Array) -> None:
        self.condition = condition

    def forward(self, a: Array, b: Array) -> Array:
        self.a_shape, self.b_shape = a.shape, b.shape
        return np.where(self.condition, a, b)

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        zero = np.zeros_like(dy)
        da = sum_to(np.where(self.condition, dy, zero), self.a_shape) if self.needs[0] else None
        db = sum_to(np.where(self.condition, zero, dy), self.b_shape) if self.needs[1] else None
        return da, db
