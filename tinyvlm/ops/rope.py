"""Rotary position embedding (layer 2; Su et al. 2021, arXiv 2104.09864)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from tinyvlm.backend import Array
from tinyvlm.ops.function import Function


@dataclass(frozen=True)
class Rotation:
    """The turns of a row of positions, for all heads (and blocks) that stand at them.

    A head's K values are two halves (a, b), which become (a cos - b sin, b cos + a sin). Written
    for both halves at once that is (a, b) * (cos, cos) + (b, a) * (-sin, sin).
    """

    cos: Array  # (T, 1, 2, K/2) or (B, T, 1, 2, K/2), (cos, cos)
    sin: Array  # (T, 1, 2, K/2) or (B, T, 1, 2, K/2), (-sin, sin)

    @classmethod
    def at(cls, positions: Array, K: int, theta: float, dtype: np.dtype) -> Rotation:
        """By the angles position * theta^(-2i/K), i = 0 .. K/2 - 1; positions (T,) or (B, T)."""
        each = np.asarray(positions)[..., None, None, None]  # (T, 1, 1, 1) or (B, T, 1, 1, 1)
        angle = each * frequencies(K, theta)  # (T, 1, 1, K/2) or (B, T, 1, 1, K/2)
        cos, sin = np.cos(angle).astype(dtype), np.sin(angle).astype(dtype)
        return cls(np.concatenate([cos, cos], axis=-2), np.concatenate([-sin, sin], axis=-2))

    def last(self, keep: int) -> Rotation:
        """Of the last `keep` positions alone."""
        return Rotation(self.cos[..., -keep:, :, :, :], self.sin[..., -keep:, :, :, :])

    def turn(self, x: Array) -> Array:
        """x (B, T, H, K), turned."""
        B, T, H, K = x.shape
        halves = x.reshape(B, T, H, 2, K // 2)  # (B, T, H, 2, K/2)
        y = halves * self.cos  # (B, T, H, 2, K/2)
        y += halves[..., ::-1, :] * self.sin
        return y.reshape(B, T, H, K)  # (B, T, H, K)

    def turn_back(self, x: Array) -> Array:
        """x (B, T, H, K), turned by the opposite angles."""
        return Rotation(self.cos, -self.sin).turn(x)


@cache
def frequencies(K: int, theta: float) -> Array:
    """theta^(-2i/K) for i = 0 .. K/2 - 1.

    In float64, and so are the angles: a far position's angle would lose its digits in float32.
    """
    return theta ** (-np.arange(0, K, 2) / K)  # (K/2,)


class RoPE(Function):
    """Turn each pair (x_i, x_{i+K/2}) of a head by the angle position * theta^(-2i/K).

    x (B, T, H, K) with K even, and the turns of its T positions. This is the half-split form of
    Gemma and Llama. Trap: the paper pairs neighbours (x_2i, x_2i+1); weights trained with one form
    are silently wrong in the other. Backward turns by the opposite angle.
    """

    def __init__(self, rotation: Rotation) -> None:
        self.rotation = rotation

    def forward(self, x: Array) -> Array:
        if x.ndim != 4 or x.shape[-1] % 2:
            raise ValueError(f"expected x (B, T, H, K) with K even, got {x.shape}")
        return self.rotation.turn(x)

    def backward(self, dy: Array) -> Array:
        return self.rotation.turn_back(dy)
