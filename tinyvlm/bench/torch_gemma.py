"""Gemma in PyTorch, the mathematics of blocks/gemma.py written as PyTorch is fast (layer 8).

Only `bench` imports this file, and only in a process of its own. What differs from our model only
serves speed: q, k and v are one product, so are gate and up; 1 + w of every norm, the scale of the
table and all cosines are computed once; attention is PyTorch's own. Greedy, without an end of text.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tinyvlm.bench.case import Arrays
from tinyvlm.blocks.gemma import GemmaConfig


class Attention(nn.Module):
    """Reads x (B, S, D) into its cache and attends for the last `keep` positions: (B, keep, D)."""

    def __init__(self, config: GemmaConfig) -> None:
        super().__init__()
        self.H, self.G, self.K = config.heads, config.kv_heads, config.head_width
        self.qkv = nn.Linear(config.width, (self.H + 2 * self.G) * self.K, bias=False)
        self.out = nn.Linear(self.H * self.K, config.width, bias=False)

    def new_cache(self, B: int, capacity: int) -> None:
        self.k = torch.empty(B, self.G, capacity, self.K)
        self.v = torch.empty(B, self.G, capacity, self.K)

    def forward(
        self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, start: int, keep: int
    ) -> torch.Tensor:
        H, G, K = self.H, self.G, self.K
        B, S, _ = x.shape
        end = start + S
        qkv = self.qkv(x).view(B, S, H + 2 * G, K).transpose(1, 2)  # (B, H+2*G, S, K)
        qk = rotate(qkv[:, : H + G], cos, sin)  # (B, H+G, S, K)
        self.k[:, :, start:end] = qk[:, H:]
        self.v[:, :, start:end] = qkv[:, H + G :]
        q, k, v = qk[:, :H, -keep:], self.k[:, :, :end], self.v[:, :, :end]
        if keep == 1:  # the H / G heads of a key head as rows of one product: twice as fast
            q = q.reshape(B, G, H // G, K)
        y = F.scaled_dot_product_attention(q, k, v, enable_gqa=keep > 1)
        y = y.view(B, H, keep, K).transpose(1, 2)  # (B, keep, H, K)
        return self.out(y.reshape(B, keep, H * K))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), for the last `keep` positions."""

    def __init__(self, config: GemmaConfig) -> None:
        super().__init__()
        D, hidden = config.width, config.mlp_width
        self.norm1 = nn.RMSNorm(D, config.eps)
        self.attention = Attention(config)
        self.norm2 = nn.RMSNorm(D, config.eps)
        self.gate_up = nn.Linear(D, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, D, bias=False)

    def forward(
        self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, start: int, keep: int
    ) -> torch.Tensor:
        x = x[:, -keep:] + self.attention(self.norm1(x), cos, sin, start, keep)
        gate, up = self.gate_up(self.norm2(x)).chunk(2, dim=-1)
        return x + self.down(F.gelu(gate, approximate="tanh") * up)


class Gemma(nn.Module):
    """The decoder with its loop; room for `capacity` tokens a row."""

    def __init__(self, config: GemmaConfig, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.scale = config.width**0.5
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.RMSNorm(config.width, config.eps)
        K = config.head_width
        frequency = config.theta ** (-torch.arange(0, K, 2, dtype=torch.float64) / K)  # (K/2,)
        angle = torch.arange(capacity)[:, None] * frequency  # (capacity, K/2)
        self.cos = torch.cat([angle.cos(), angle.cos()], 1).float()  # (capacity, K)
        self.sin = torch.cat([-angle.sin(), angle.sin()], 1).float()  # (capacity, K)

    @torch.inference_mode()
    def generate(self, prefix: torch.Tensor, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
        """prefix (B, S, D) -> the most probable ids and their probabilities, (B, tokens) each."""
        B, S, _ = prefix.shape
        for block in self.blocks:
            block.attention.new_cache(B, self.capacity)
        ids = torch.empty(B, tokens, dtype=torch.int64)
        scores = torch.empty(B, tokens)
        logits = self.read(prefix, 0)  # (B, V)
        for t in range(tokens):
            torch.max(logits.softmax(-1), -1, out=(scores[:, t], ids[:, t]))
            if t + 1 < tokens:
                x = self.embedding(ids[:, t : t + 1]) * self.scale  # (B, 1, D)
                logits = self.read(x, S + t)  # (B, V)
        return ids, scores

    def read(self, x: torch.Tensor, start: int) -> torch.Tensor:
        """x (B, S, D) from position `start` on -> logits (B, V) of the token after them."""
        S = x.shape[1]
        cos, sin = self.cos[start : start + S], self.sin[start : start + S]
        for block in self.blocks:
            x = block(x, cos, sin, start, 1 if block is self.blocks[-1] else S)
        return F.linear(self.norm(x[:, -1]), self.embedding.weight)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """RoPE of x (B, H, S, K): its halves (a, b) become (a cos - b sin, b cos + a sin)."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


def weights(ours: Arrays, config: GemmaConfig) -> dict[str, torch.Tensor]:
    """The parameters of a tinyvlm Gemma, by name, under the names and in the layout of this file.

    Our Linear holds (in, out), PyTorch's (out, in).
    """
    theirs = {
        "embedding.weight": ours["token_embedding.weight"],
        "norm.weight": 1 + ours["norm.weight"],
    }
    for i in range(config.depth):
        block = f"blocks.{i}"
        for name in ("norm1", "norm2"):
            theirs[f"{block}.{name}.weight"] = 1 + ours[f"{block}.{name}.weight"]
        for name, layers in (
            ("attention.qkv", ("attention.q", "attention.k", "attention.v")),
            ("attention.out", ("attention.out",)),
            ("gate_up", ("mlp.gate", "mlp.up")),
            ("down", ("mlp.down",)),
        ):
            theirs[f"{block}.{name}.weight"] = np.concatenate(
                [ours[f"{block}.{layer}.weight"].T for layer in layers]
            )
    return {name: torch.tensor(np.ascontiguousarray(a)) for name, a in theirs.items()}
