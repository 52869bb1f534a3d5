"""The pre-norm transformer block and a stack of them (layer 4; Xiong et al. 2020, 2002.04745)."""

from __future__ import annotations

import numpy as np

from tinyvlm.nn import functional as F
from tinyvlm.nn.attention import Attention
from tinyvlm.nn.layers import LayerNorm, Linear
from tinyvlm.nn.masks import Mask
from tinyvlm.nn.module import Module
from tinyvlm.tensor import Tensor


class MLP(Module):
    """Linear, activation, Linear: (..., D) -> (..., D) through `hidden` units.

    activation names a function of nn.functional: gelu_tanh, gelu_erf, quick_gelu.
    """

    def __init__(
        self,
        D: int,
        hidden: int,
        rng: np.random.Generator,
        activation: str = "gelu_tanh",
    ) -> None:
        if not hasattr(F, activation):
            raise ValueError(f"MLP: nn.functional has no activation {activation!r}")
        self.up = Linear(D, hidden, rng)
        self.down = Linear(hidden, D, rng)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.down(getattr(F, self.activation)(self.up(x)))


class TransformerBlock(Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(
        self,
        D: int,
        H: int,
        hidden: int,
        rng: np.random.Generator,
        activation: str = "gelu_tanh",
        eps: float = 1e-5,
    ) -> None:
        self.norm1 = LayerNorm(D, eps)
        self.attention = Attention(D, H, rng)
        self.norm2 = LayerNorm(D, eps)
        self.mlp = MLP(D, hidden, rng, activation)

    def forward(self, x: Tensor, mask: Mask | None = None) -> Tensor:
        x = x + self.attention(self.norm1(x), mask=mask)
        x = x + self.mlp(self.norm2(x))
        return x


class Transformer(Module):
    """`depth` blocks in a row: (B, T, D) -> (B, T, D)."""

    def __init__(
        self,
        depth: int,
        D: int,
        H: int,
        hidden: int,
        rng: np.random.Generator,
        activation: str = "gelu_tanh",
        eps: float = 1e-5,
    ) -> None:
        self.blocks = [TransformerBlock(D, H, hidden, rng, activation, eps) for _ in range(depth)]

    def forward(self, x: Tensor, mask: Mask | None = None) -> Tensor:
        for block in self.blocks:
            x = block(x, mask)
        return x
