"""The layers every model is made of (layer 4). Weights are (in, out), so that y = x @ w."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyvlm.nn import functional as F
from tinyvlm.nn import init
from tinyvlm.nn.module import Module, Parameter
from tinyvlm.tensor import Tensor


class Linear(Module):
    """y = x @ weight + bias: (..., I) -> (..., J)."""

    def __init__(self, I: int, J: int, rng: np.random.Generator, bias: bool = True) -> None:
        self.weight = Parameter(init.small_normal(rng, (I, J), fan_in=I))
        self.bias = Parameter(init.zeros(J)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Embedding(Module):
    """A row of D numbers for each of V ids: (...) int -> (..., D)."""

    def __init__(self, V: int, D: int, rng: np.random.Generator, std: float = 0.02) -> None:
        self.weight = Parameter(init.normal(rng, (V, D), std))

    def forward(self, ids: Any) -> Tensor:
        return F.embedding(ids, self.weight)


class LayerNorm(Module):
    """(..., D) -> (..., D), each row with mean 0 and variance 1, then gain and bias."""

    def __init__(self, D: int, eps: float = 1e-5) -> None:
        self.gain = Parameter(init.ones(D))
        self.bias = Parameter(init.zeros(D))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.gain, self.bias, self.eps)


class GroupNorm(Module):
    """(B, C, Y, X) -> the same shape, each group of channels with mean 0 and variance 1."""

    def __init__(self, groups: int, C: int, eps: float = 1e-5) -> None:
        self.gain = Parameter(init.ones(C))
        self.bias = Parameter(init.zeros(C))
        self.groups = groups
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, self.gain, self.bias, self.groups, self.eps)


class Conv2d(Module):
    """(B, C, Y, X) -> (B, O, Y', X') with O filters of kernel x kernel."""

    def __init__(
        self,
        C: int,
        O: int,
        kernel: int,
        rng: np.random.Generator,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        shape = (O, C, kernel, kernel)
        self.weight = Parameter(init.small_normal(rng, shape, fan_in=C * kernel * kernel))
        self.bias = Parameter(init.zeros(O)) if bias else None
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


class Dropout(Module):
    """Zero values with probability p while training; nothing at inference."""

    def __init__(self, p: float) -> None:
        self.p = p
        self.rng: np.random.Generator | None = None  # set by Module.set_generator

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if self.rng is None:
            raise ValueError("Dropout has no generator; call model.set_generator(rng) or .eval()")
        return F.dropout(x, self.p, self.rng)
