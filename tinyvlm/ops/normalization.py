"""Normalisations (layer 2): LayerNorm, RMSNorm, GroupNorm, L2.

All of them divide a row by a size computed from that row, so their backward subtracts from the
gradient what would only have changed the size.
"""

from __future__ import annotations

import math

import numpy as np

from tinyvlm.backend import Array, array_module
from tinyvlm.ops.function import Function
from tinyvlm.ops.matmul import sum_rows


def check_parameters(shape: tuple[int, ...], *parameters: Array) -> None:
    """Gain and bias have one number a feature: broadcasting another shape would hide a mistake."""
    for parameter in parameters:
        if parameter.shape != shape:
            raise ValueError(f"expected gain and bias of shape {shape}, got {parameter.shape}")


def as_rows(x: Array) -> Array:
    """(..., D) -> (rows, D)."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def row_mean(x: Array) -> Array:
    """x (rows, D) -> (rows, 1), as a matrix-vector product, several times faster than np.mean."""
    D = x.shape[1]
    return np.matmul(x, array_module(x).full((D, 1), 1.0 / D, x.dtype))


def mean_product(a: Array, b: Array) -> Array:
    """a, b (rows, D) -> (rows, 1), the mean over D of a * b."""
    return np.vecdot(a, b)[:, None] * (1.0 / a.shape[1])


def standardize(x: Array, eps: float) -> tuple[Array, Array]:
    """x (rows, D) -> xhat with mean 0 and variance 1 in every row, and 1/std (rows, 1)."""
    xhat = x - row_mean(x)
    # eps stands inside the root: a constant row has variance 0 and must not divide by it.
    inverse_std = 1.0 / np.sqrt(mean_product(xhat, xhat) + eps)
    xhat *= inverse_std
    return xhat, inverse_std


def standardize_backward(dxhat: Array, xhat: Array, inverse_std: Array) -> Array:
    """dx = (dxhat - mean(dxhat) - xhat mean(dxhat xhat)) / std. Works in dxhat's memory."""
    projection = xhat * mean_product(dxhat, xhat)
    dxhat -= row_mean(dxhat)
    dxhat -= projection
    dxhat *= inverse_std
    return dxhat


class LayerNorm(Function):
    """y = (x - mean) / sqrt(var + eps) * gain + bias over the last axis (Ba et al. 2016).

    x (..., D), gain and bias (D,). dgain = sum dy xhat, dbias = sum dy.
    """

    def __init__(self, eps: float) -> None:
        self.eps = eps

    def forward(self, x: Array, gain: Array, bias: Array) -> Array:
        check_parameters(x.shape[-1:], gain, bias)
        self.shape, self.gain = x.shape, gain
        self.xhat, self.inverse_std = standardize(as_rows(x), self.eps)
        y = self.xhat * gain
        y += bias
        return y.reshape(self.shape)

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        dy = dy.reshape(self.xhat.shape)
        dx = None
        if self.needs[0]:
            dx = standardize_backward(dy * self.gain, self.xhat, self.inverse_std)
            dx = dx.reshape(self.shape)
        dgain = sum_rows(dy * self.xhat) if self.needs[1] else None
        dbias = sum_rows(dy) if self.needs[2] else None
        return dx, dgain, dbias


class RMSNorm(Function):
    """y = x / sqrt(mean x^2 + eps) * gain over the last axis (Zhang and Sennrich 2019, 1910.07467).

    x (..., D), gain (D,). Gemma stores w with gain = 1 + w; its block adds the 1.
    """

    def __init__(self, eps: float) -> None:
        self.eps = eps

    def forward(self, x: Array, gain: Array) -> Array:
        check_parameters(x.shape[-1:], gain)
        self.shape, self.gain = x.shape, gain
        x = as_rows(x)  # (rows, D)
        self.inverse_rms = 1.0 / np.sqrt(mean_product(x, x) + self.eps)
        self.xhat = x * self.inverse_rms
        return (self.xhat * gain).reshape(self.shape)

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        dy = dy.reshape(self.xhat.shape)
        dx = None
        if self.needs[0]:
            dx = dy * self.gain
            dx -= self.xhat * mean_product(dx, self.xhat)
            dx *= self.inverse_rms
            dx = dx.reshape(self.shape)
        dgain = sum_rows(dy * self.xhat) if self.needs[1] else None
        return dx, dgain


class GroupNorm(Function):
    """LayerNorm over (channels of a group, Y, X) of a picture (Wu and He 2018, 1803.08494).

    x (B, C, Y, X) with C divisible by groups; gain and bias (C,).
    """

    def __init__(self, groups: int, eps: float) -> None:
        self.groups = groups
        self.eps = eps

    def forward(self, x: Array, gain: Array, bias: Array) -> Array:
        if x.ndim != 4 or x.shape[1] % self.groups:
            raise ValueError(
                f"expected x (B, C, Y, X) with C a multiple of {self.groups}, got {x.shape}"
            )
        B, C, Y, X = x.shape
        check_parameters((C,), gain, bias)
        self.shape, self.gain = x.shape, gain
        groups = x.reshape(B * self.groups, C // self.groups * Y * X)
        self.xhat, self.inverse_std = standardize(groups, self.eps)
        y = self.xhat.reshape(B, C, Y * X) * gain[:, None]
        y += bias[:, None]
        return y.reshape(self.shape)

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        B, C, Y, X = self.shape
        dy = dy.reshape(B, C, Y * X)
        dx = None
        if self.needs[0]:
            dxhat = (dy * self.gain[:, None]).reshape(self.xhat.shape)
            dx = standardize_backward(dxhat, self.xhat, self.inverse_std).reshape(self.shape)
        dgain = np.sum(np.vecdot(dy, self.xhat.reshape(B, C, Y * X)), axis=0)
        return dx, dgain, np.sum(dy, axis=(0, 2))


class L2Normalize(Function):
    """y = x / sqrt(sum x^2 + eps) along the last axis; dx = (dy - y sum(dy y)) / size.

    eps inside the root keeps the all-zero row finite: it stays zero.
    """

    def __init__(self, eps: float) -> None:
        self.eps = eps

    def forward(self, x: Array) -> Array:
        self.inverse_size = 1.0 / np.sqrt(np.sum(x * x, axis=-1, keepdims=True) + self.eps)
        self.y = x * self.inverse_size
        return self.y

    def backward(self, dy: Array) -> Array:
        along = np.sum(dy * self.y, axis=-1, keepdims=True)
        return (dy - self.y * along) * self.inverse_size
