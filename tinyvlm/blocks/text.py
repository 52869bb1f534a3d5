"""The text tower of CLIP: a causal transformer read at its end-of-text token (layer 5).

Radford et al. 2021, arXiv 2103.00020, section 2.4. As each token only looks back, what stands
after the end-of-text token (padding) cannot change what is read there: no padding mask is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyvlm.backend import Array, array_module
from tinyvlm.nn import init
from tinyvlm.nn.layers import Embedding, LayerNorm
from tinyvlm.nn.masks import Mask
from tinyvlm.nn.module import Module, Parameter
from tinyvlm.nn.transformer import Transformer
from tinyvlm.tensor import Tensor


@dataclass(frozen=True)
class TextConfig:
    """The defaults are the museum's tower; see models/ for published sizes."""

    vocab_size: int  # V
    eos_id: int  # the token that is read
    length: int = 24  # T, the most tokens
    width: int = 64  # D
    depth: int = 2  # blocks
    heads: int = 4  # H
    mlp_width: int = 256  # hidden units
    activation: str = "gelu_tanh"  # a function of nn.functional
    eps: float = 1e-5  # of every LayerNorm


class TextTransformer(Module):
    """ids (B, T) int -> one vector a text (B, D)."""

    def __init__(self, config: TextConfig, rng: np.random.Generator) -> None:
        self.config = config
        D = config.width
        self.token_embedding = Embedding(config.vocab_size, D, rng, std=0.02)
        self.position = Parameter(init.normal(rng, (config.length, D), 0.01))
        self.transformer = Transformer(
            config.depth, D, config.heads, config.mlp_width, rng, config.activation, config.eps
        )
        self.norm = LayerNorm(D, config.eps)

    def forward(self, ids: Array) -> Tensor:
        x = self.tokens(ids)  # (B, T, D)
        B, T, D = x.shape
        is_end = ids == self.config.eos_id  # (B, T)
        if not is_end.any(axis=1).all():
            raise ValueError(f"text: every row of ids needs an end-of-text {self.config.eos_id}")
        end = np.argmax(is_end, axis=1)  # the first one, (B,)
        return x.reshape(B * T, D)[array_module(ids).arange(B) * T + end]  # (B, D)

    def tokens(self, ids: Array) -> Tensor:
        """ids (B, T) -> (B, T, D)."""
        if ids.ndim != 2 or not 0 < ids.shape[1] <= self.config.length:
            raise ValueError(
                f"text: expected ids (B, T) with 1 to {self.config.length} tokens, got {ids.shape}"
            )
        T = ids.shape[1]
        x = self.token_embedding(ids) + self.position[:T]  # (B, T, D)
        return self.norm(self.transformer(x, Mask.causal(T)))
