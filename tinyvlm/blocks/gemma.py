"""Gemma's decoder, from the museum's size to the published 2B (layer 5).

Gemma Team 2024, "Gemma: open models based on Gemini research and technology", arXiv 2403.08295. A
pre-norm transformer without a single bias:

    x = x + attention(rms(x))      rms(x) = x / sqrt(mean x^2 + eps) * (1 + w)
    x = x + geglu(rms(x))          geglu(x) = (gelu(x W_gate) * x W_up) W_down
    logits = rms(x) E^T            E is the embedding table, whose rows enter times sqrt(D)

Positions are rotations of queries and keys (RoPE), and H query heads share G key/value heads. Left
out is what Gemma 2 adds: norms after each part, soft-capped logits, windows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tinyvlm.backend import Array, array_module
from tinyvlm.blocks.kv_cache import KVCache
from tinyvlm.nn import functional as F
from tinyvlm.nn import init
from tinyvlm.nn.attention import show_to_watchers
from tinyvlm.nn.layers import Embedding, Linear
from tinyvlm.nn.masks import Mask
from tinyvlm.nn.module import Module, Parameter
from tinyvlm.ops.rope import Rotation
from tinyvlm.tensor import Tensor


@dataclass(frozen=True)
class GemmaConfig:
    """The defaults are the museum's decoder."""

    vocab_size: int  # V
    width: int = 96  # D
    depth: int = 3  # blocks
    heads: int = 4  # H, of queries
    kv_heads: int = 1  # G, of keys and values
    head_width: int = 24  # K, which need not be D / H
    mlp_width: int = 256  # hidden units of the GeGLU
    theta: float = 10000.0  # RoPE's slowest angle is 1 / theta
    eps: float = 1e-6  # of every RMSNorm

    def __post_init__(self) -> None:
        if self.kv_heads < 1 or self.heads % self.kv_heads or self.head_width % 2:
            raise ValueError(
                f"GemmaConfig: heads H {self.heads} must be a multiple of kv_heads G "
                f"{self.kv_heads}, and head_width K {self.head_width} even, for RoPE's pairs"
            )


GEMMA_2B = GemmaConfig(
    vocab_size=256_000,
    width=2048,
    depth=18,
    heads=8,
    kv_heads=1,
    head_width=256,
    mlp_width=16_384,
)


class RMSNorm(Module):
    """(..., D) -> (..., D), each row with mean square 1, then times 1 + w.

    Trap: Gemma stores w, which starts at 0; Llama stores the whole gain, which starts at 1.
    """

    def __init__(self, D: int, eps: float = 1e-6) -> None:
        self.weight = Parameter(init.zeros(D))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight + 1.0, self.eps)


class GroupedAttention(Module):
    """Causal or not, as the mask says: (B, S, D) -> (B, T, D) for the last T = keep positions.

    rotation: the turns of RoPE at the S positions, which all blocks share.

    G = H is multi-head attention, G = 1 multi-query attention (Shazeer 2019, arXiv 1911.02150): the
    cache of a decoder is H times smaller.
    """

    def __init__(self, config: GemmaConfig, rng: np.random.Generator) -> None:
        D, K = config.width, config.head_width
        self.config = config
        self.q = Linear(D, config.heads * K, rng, bias=False)
        self.k = Linear(D, config.kv_heads * K, rng, bias=False)
        self.v = Linear(D, config.kv_heads * K, rng, bias=False)
        self.out = Linear(config.heads * K, D, rng, bias=False)

    def forward(
        self,
        x: Tensor,
        mask: Mask | None,
        rotation: Rotation,
        cache: KVCache | None = None,
        keep: int | None = None,
    ) -> Tensor:
        H, G, K = self.config.heads, self.config.kv_heads, self.config.head_width
        B, S, _ = x.shape
        k = F.rotate(self.k(x).reshape(B, S, G, K), rotation)  # (B, S, G, K)
        v = self.v(x).reshape(B, S, G, K)  # (B, S, G, K)
        if keep is not None:
            x, rotation = x[:, -keep:], rotation.last(keep)
            mask = mask and replace(mask, q_rank=mask.q_rank[:, -keep:])
        T = x.shape[1]
        q = F.rotate(self.q(x).reshape(B, T, H, K), rotation)  # (B, T, H, K)
        if cache is not None:
            k, v = cache.extend(k, v)  # from here on S counts the earlier tokens too
        show_to_watchers(q, k, mask)
        y = F.attention(q, k, v, mask)  # (B, T, H, K)
        return self.out(y.reshape(B, T, H * K))  # (B, T, D)


class GeGLU(Module):
    """A GELU that gates a second projection (Shazeer 2020, 2002.05202): (..., D) -> (..., D)."""

    def __init__(self, D: int, hidden: int, rng: np.random.Generator) -> None:
        self.gate = Linear(D, hidden, rng, bias=False)
        self.up = Linear(D, hidden, rng, bias=False)
        self.down = Linear(hidden, D, rng, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu_tanh(self.gate(x)) * self.up(x))


class GemmaBlock(Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), for the last `keep` positions (None: all)."""

    def __init__(self, config: GemmaConfig, rng: np.random.Generator) -> None:
        D = config.width
        self.norm1 = RMSNorm(D, config.eps)
        self.attention = GroupedAttention(config, rng)
        self.norm2 = RMSNorm(D, config.eps)
        self.mlp = GeGLU(D, config.mlp_width, rng)

    def forward(
        self,
        x: Tensor,
        mask: Mask | None,
        rotation: Rotation,
        cache: KVCache | None = None,
        keep: int | None = None,
    ) -> Tensor:
        seen = self.norm1(x)
        if keep is not None:
            x = x[:, -keep:]
        x = x + self.attention(seen, mask, rotation, cache, keep)
        x = x + self.mlp(self.norm2(x))
        return x


class Gemma(Module):
    """Embeddings (B, S, D) -> vectors (B, S, D); `embed` and `logits` share one table."""

    def __init__(self, config: GemmaConfig, rng: np.random.Generator) -> None:
        self.config = config
        D = config.width
        self.token_embedding = Embedding(config.vocab_size, D, rng, std=D**-0.5)
        self.blocks = [GemmaBlock(config, rng) for _ in range(config.depth)]
        self.norm = RMSNorm(D, config.eps)
        # 2 * depth parts add to x. Made smaller by its root they add to the variance of one
        # (Radford et al. 2019, GPT-2), so that a deep stack starts as calm as a shallow one.
        for block in self.blocks:
            for linear in (block.attention.out, block.mlp.down):
                init.rescale(linear.weight, (2 * config.depth) ** -0.5)

    def embed(self, ids: Array) -> Tensor:
        """ids (B, T) -> (B, T, D), times sqrt(D).

        The table is small (its rows have length 1 at the start) because it is also the output
        layer; as input it must be as large as what the blocks add to it.
        """
        return self.token_embedding(ids) * self.config.width**0.5

    def forward(
        self,
        x: Tensor,
        mask: Mask | None = None,
        positions: Array | None = None,
        cache: list[KVCache] | None = None,
        keep: int | None = None,
    ) -> Tensor:
        """x (B, S, D) -> (B, S, D); without a mask everyone sees everyone.

        positions: (S,) or (B, S) integers, None: 0, 1, 2, ...; only their differences matter.
        cache: of `new_cache`, one a block. Then x are the tokens after those in it, and the mask's
        k_rank covers both.
        keep: only the last `keep` positions are wanted, so the last block computes no others:
        (B, keep, D).
        """
        if positions is None:
            positions = np.arange(x.shape[1])
        rotation = Rotation.at(positions, self.config.head_width, self.config.theta, x.dtype)
        caches: list[KVCache] | list[None] = cache or [None] * len(self.blocks)
        for block, stored in zip(self.blocks, caches, strict=True):
            last = block is self.blocks[-1]
            x = block(x, mask, rotation, stored, keep if last else None)
        return self.norm(x)

    def logits(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., V)."""
        return F.linear(x, self.token_embedding.weight.T)

    def new_cache(self, capacity: int) -> list[KVCache]:
        """Room for `capacity` tokens in every block."""
        return [KVCache(capacity) for _ in self.blocks]


def count_positions(present: Array) -> Array:
    """present (B, S) bool -> positions 0, 1, 2, ... of the present tokens, (S,) or (B, S).

    With padding on the right alone they are the columns: one row for all, so RoPE's angles are
    computed once.
    """
    if (present[:, :-1] >= present[:, 1:]).all():
        return array_module(present).arange(present.shape[1])
    return np.maximum(np.cumsum(present, axis=1) - 1, 0)
