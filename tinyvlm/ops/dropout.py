"""Dropout (layer 2; Srivastava et al. 2014, JMLR 15)."""

from __future__ import annotations

from tinyvlm.backend import Array
from tinyvlm.ops.function import Function


class Dropout(Function):
    """y = x * keep / (1 - p), where keep (x's shape, bool) is True with probability 1 - p.

    Dividing while training keeps the expected value, so that inference does nothing at all.
    """

    def __init__(self, keep: Array, p: float) -> None:
        self.keep = keep
        self.scale = 1.0 / (1.0 - p)

    def forward(self, x: Array) -> Array:
        return x * self.keep * self.scale

    def backward(self, dy: Array) -> Array:
        return dy * self.keep * self.scale
