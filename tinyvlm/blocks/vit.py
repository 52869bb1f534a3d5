"""The vision transformer, from the museum's size to CLIP's and SigLIP's (layer 5).

Dosovitskiy et al. 2020, arXiv 2010.11929. Positions are learned. What differs between the systems
that use it is said in ViTConfig: a class token or none, a norm before the blocks or none, and how
the tokens become one vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tinyvlm.blocks.patch_embed import ConvStem, PatchEmbed
from tinyvlm.nn import functional as F
from tinyvlm.nn import init
from tinyvlm.nn.attention import Attention
from tinyvlm.nn.layers import LayerNorm
from tinyvlm.nn.module import Module, Parameter
from tinyvlm.nn.transformer import MLP, Transformer
from tinyvlm.tensor import Tensor


@dataclass(frozen=True)
class ViTConfig:
    """The defaults are the museum's tower; see models/ for published sizes."""

    image_size: int = 32  # pixels a side
    patch_size: int = 8  # P, pixels a side
    width: int = 64  # D
    depth: int = 3  # blocks
    heads: int = 4  # H
    mlp_width: int = 256  # hidden units
    stem: Literal["conv", "patch"] = "conv"  # "patch": one linear layer, as published
    patch_bias: bool = True  # of the "patch" stem; CLIP has none, SigLIP has one
    pool: Literal["max", "class", "map"] = "max"  # "class": CLIP's token, "map": SigLIP's probe
    norm_before: bool = False  # a LayerNorm before the blocks (CLIP)
    activation: str = "gelu_tanh"  # a function of nn.functional
    eps: float = 1e-5  # of every LayerNorm

    def __post_init__(self) -> None:
        if self.image_size % self.patch_size or self.width % self.heads:
            raise ValueError(
                f"ViTConfig: image_size {self.image_size} must be a multiple of patch_size "
                f"{self.patch_size}, and width {self.width} of heads {self.heads}"
            )

    @property
    def tokens(self) -> int:
        """N, without the class token."""
        return (self.image_size // self.patch_size) ** 2


class ViT(Module):
    """images (B, C, Y, X) -> one vector a picture (B, D)."""

    def __init__(self, config: ViTConfig, rng: np.random.Generator) -> None:
        self.config = config
        P, D = config.patch_size, config.width
        if config.stem == "conv":
            self.patch_embed: Module = ConvStem(P, D, rng)
        else:
            self.patch_embed = PatchEmbed(P, D, rng, bias=config.patch_bias)
        has_class = config.pool == "class"
        self.class_token = Parameter(init.normal(rng, (D,), D**-0.5)) if has_class else None
        self.position = Parameter(init.normal(rng, (config.tokens + has_class, D), D**-0.5))
        self.norm_before = LayerNorm(D, config.eps) if config.norm_before else None
        self.transformer = Transformer(
            config.depth, D, config.heads, config.mlp_width, rng, config.activation, config.eps
        )
        self.norm = LayerNorm(D, config.eps)
        self.map_head = MAPHead(config, rng) if config.pool == "map" else None

    def forward(self, images: Tensor) -> Tensor:
        return self.pool(self.tokens(images))  # (B, D)

    def tokens(self, images: Tensor) -> Tensor:
        """(B, C, Y, X) -> (B, N, D), or (B, 1 + N, D) with the class token first."""
        size = self.config.image_size
        if images.shape[2:] != (size, size) or images.dtype.kind != "f":
            raise ValueError(
                f"ViT: expected floating-point images (B, C, {size}, {size}) = (B, C, Y, X), got "
                f"{images.dtype} {images.shape}; tinyvlm.images.to_model makes them from uint8"
            )
        x = self.patch_embed(images)  # (B, N, D)
        if self.class_token is not None:
            B, _, D = x.shape
            x = F.concatenate([F.expand(self.class_token, (B, 1, D)), x], axis=1)  # (B, 1+N, D)
        x = x + self.position
        if self.norm_before is not None:
            x = self.norm_before(x)
        return self.norm(self.transformer(x))

    def pool(self, tokens: Tensor) -> Tensor:
        """(B, N, D) -> (B, D)."""
        if self.map_head is not None:
            return self.map_head(tokens)
        if self.class_token is not None:
            return tokens[:, 0]  # (B, D)
        return tokens.max(axis=1)  # (B, D)


class MAPHead(Module):
    """Multihead attention pooling (Zhai et al. 2021, arXiv 2106.04560): one learned query.

    (B, N, D) -> (B, D): h = attention(probe, tokens); h + mlp(norm(h)).
    """

    def __init__(self, config: ViTConfig, rng: np.random.Generator) -> None:
        D = config.width
        self.probe = Parameter(init.normal(rng, (1, 1, D), D**-0.5))
        self.attention = Attention(D, config.heads, rng)
        self.norm = LayerNorm(D, config.eps)
        self.mlp = MLP(D, config.mlp_width, rng, config.activation)

    def forward(self, tokens: Tensor) -> Tensor:
        B, _, D = tokens.shape
        x = self.attention(F.expand(self.probe, (B, 1, D)), context=tokens)  # (B, 1, D)
        x = x + self.mlp(self.norm(x))
        return x[:, 0]  # (B, D)
