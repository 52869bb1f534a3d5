"""The bridge from a vision tower's tokens to a language model's embeddings (layer 5).

PaliGemma's is one linear layer (Beyer et al. 2024, arXiv 2407.07726): what the tower has seen is
already in its tokens, only the width and the directions change.
"""

from __future__ import annotations

import numpy as np

from tinyvlm.nn.layers import Linear
from tinyvlm.nn.module import Module
from tinyvlm.tensor import Tensor


class Projector(Module):
    """Each token through one linear layer: (B, N, vision_width) -> (B, N, D)."""

    def __init__(self, vision_width: int, D: int, rng: np.random.Generator) -> None:
        self.linear = Linear(vision_width, D, rng)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.linear(tokens)  # (B, N, D)
