"""Rotary position embedding (layer 2; Su et al. 2021, arXiv 2104.09864)."""

from __future__ import annotations

import numpy as np

from tinyvlm.backend import Array
from tinyvlm.ops.function import Function


class RoPE(Function):
    """Turn each pair (x_i, x_{i+K/2}) of a head by the angle position * theta^(-2i/K).

    x (B, T, H, K) with K even, positions (T,) or (B, T). This is the half-split form of Gemma and
    Llama. Trap: the paper pairs neighbours (x_2i, x_2i+1); weights trained with one form are
    silently wrong in the other. Backward turns by the opposite angle.
    """

    def __init__(self, positions: Array, theta: float = 10000.0) -> None:
        self.positions = positions
        self.theta = theta

    def forward(self, x: Array) -> Array:
        K = x.shape[-1]
        if x.ndim != 4 or K % 2:
            raise ValueError(f"expected x (B, T, H, K) with K even, got {x.shape}")
        frequency = self.theta ** (-np.arange(0, K, 2) / K)  # (K/2,)
        angle = np.asarray(self.positions)[..., None] * frequency  # (T, K/2) or (B, T, K/2)
        angle = angle[..., None, :]  # one angle for all heads
        self.cos, self.sin = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
        return rotate(x, self.cos, self.sin)

    def backward(self, dy: Array) -> Array:
        return rotate(dy, self.cos, -self.sin)


def rotate(x: Array, cos: Array, sin: Array) -> Array:
    a, b = np.split(x, 2, axis=-1)  # (B, T, H, K/2) each
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
