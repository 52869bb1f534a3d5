"""Multi-head attention as a layer (layer 4; Vaswani et al. 2017, arXiv 1706.03762)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from tinyvlm.nn import functional as F
from tinyvlm.nn.layers import Linear
from tinyvlm.nn.masks import Mask
from tinyvlm.nn.module import Module
from tinyvlm.ops.softmax import softmax
from tinyvlm.tensor import Tensor

_watched: ContextVar[list[np.ndarray] | None] = ContextVar("watched", default=None)


@contextmanager
def watch_attention() -> Iterator[list[np.ndarray]]:
    """Collect the attention weights (B, H, T, S) of every layer that runs inside, in order.

    The attention operation itself never keeps normalised weights; they are computed again here.
    """
    maps: list[np.ndarray] = []
    token = _watched.set(maps)
    try:
        yield maps
    finally:
        _watched.reset(token)


def show_to_watchers(q: Tensor, k: Tensor, mask: Mask | None) -> None:
    """Called by every attention layer before it attends: hand the weights to watch_attention."""
    if (maps := _watched.get()) is not None:
        maps.append(attention_weights(q, k, mask))


def attention_weights(q: Tensor, k: Tensor, mask: Mask | None = None) -> np.ndarray:
    """q (B, T, H, K), k (B, S, G, K) -> softmax(q k^T / sqrt K) as (B, H, T, S), for looking at."""
    H, G = q.shape[2], k.shape[2]
    every_head = np.repeat(k.numpy(), H // G, axis=2)  # (B, S, H, K)
    scores = np.einsum("bthk,bshk->bhts", q.numpy(), every_head) * q.shape[-1] ** -0.5
    if mask is None:
        return softmax(scores)
    visible = mask.dense()[:, None]  # (B, 1, T, S)
    return softmax(np.where(visible, scores, -1e30)) * visible  # who sees nothing looks nowhere


class Attention(Module):
    """Queries from x, keys and values from context: (B, T, D), (B, S, D) -> (B, T, D).

    Without a context x looks at itself (self-attention); with one it is cross-attention.
    """

    def __init__(self, D: int, H: int, rng: np.random.Generator) -> None:
        if D % H:
            raise ValueError(f"attention: width {D} is no multiple of {H} heads")
        self.H = H
        self.q = Linear(D, D, rng)
        self.k = Linear(D, D, rng)
        self.v = Linear(D, D, rng)
        self.out = Linear(D, D, rng)

    def forward(self, x: Tensor, context: Tensor | None = None, mask: Mask | None = None) -> Tensor:
        B, T, D = x.shape
        H, K = self.H, D // self.H
        context = x if context is None else context
        S = context.shape[1]
        q = self.q(x).reshape(B, T, H, K)  # (B, T, H, K)
        k = self.k(context).reshape(B, S, H, K)  # (B, S, H, K)
        v = self.v(context).reshape(B, S, H, K)  # (B, S, H, K)
        show_to_watchers(q, k, mask)
        y = F.attention(q, k, v, mask)  # (B, T, H, K)
        return self.out(y.reshape(B, T, D))  # (B, T, D)
