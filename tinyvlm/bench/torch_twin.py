"""CLIP in PyTorch, the mathematics of models/clip.py written as PyTorch is fast (layer 8).

Only `bench` imports this file, and only in a process of its own. What differs from our model
only serves speed: q, k and v are one product, attention is PyTorch's own, patches a convolution.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tinyvlm.bench.case import Arrays
from tinyvlm.models.clip import CLIPConfig

L2_EPS = 1e-12  # inside the root, as in nn.functional.l2_normalize


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), GELU by its tanh approximation."""

    def __init__(self, D: int, H: int, hidden: int, eps: float) -> None:
        super().__init__()
        self.H = H
        self.norm1 = nn.LayerNorm(D, eps)
        self.qkv = nn.Linear(D, 3 * D)
        self.out = nn.Linear(D, D)
        self.norm2 = nn.LayerNorm(D, eps)
        self.up = nn.Linear(D, hidden)
        self.down = nn.Linear(hidden, D)

    def forward(self, x: torch.Tensor, causal: bool) -> torch.Tensor:
        B, T, D = x.shape
        qkv = self.qkv(self.norm1(x)).view(B, T, 3, self.H, D // self.H)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, H, T, K) each
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        x = x + self.out(y.transpose(1, 2).reshape(B, T, D))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class CLIP(nn.Module):
    """The two towers and the loss: (images (B, C, Y, X), ids (B, T)) -> scalar."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        vision, text, E = config.vision, config.text, config.embed_width
        self.eos_id = text.eos_id
        P, D = vision.patch_size, vision.width
        self.patch = nn.Conv2d(3, D, P, P)
        self.image_position = nn.Parameter(torch.zeros(vision.tokens, D))
        self.image_blocks = nn.ModuleList(
            Block(D, vision.heads, vision.mlp_width, vision.eps) for _ in range(vision.depth)
        )
        self.image_norm = nn.LayerNorm(D, vision.eps)
        self.image_projection = nn.Linear(D, E, bias=False)
        D = text.width
        self.embedding = nn.Embedding(text.vocab_size, D)
        self.text_position = nn.Parameter(torch.zeros(text.length, D))
        self.text_blocks = nn.ModuleList(
            Block(D, text.heads, text.mlp_width, text.eps) for _ in range(text.depth)
        )
        self.text_norm = nn.LayerNorm(D, text.eps)
        self.text_projection = nn.Linear(D, E, bias=False)
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        x = self.patch(images).flatten(2).transpose(1, 2) + self.image_position  # (B, N, D)
        for block in self.image_blocks:
            x = block(x, causal=False)
        x = self.image_norm(x).amax(1)  # (B, D)
        return l2_normalize(self.image_projection(x))

    def encode_text(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embedding(ids) + self.text_position  # (B, T, D)
        for block in self.text_blocks:
            x = block(x, causal=True)
        end = (ids == self.eos_id).int().argmax(1)
        x = self.text_norm(x)[torch.arange(len(ids)), end]  # (B, D)
        return l2_normalize(self.text_projection(x))

    def forward(self, images: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        x, y = self.encode_image(images), self.encode_text(ids)
        logits = self.logit_scale.exp() * (x @ y.T)  # (B, B)
        pairs = torch.arange(len(logits))
        return (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)) / 2


def l2_normalize(x: torch.Tensor) -> torch.Tensor:
    return x * (x.square().sum(-1, keepdim=True) + L2_EPS).rsqrt()


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Two groups, by the rule of tinyvlm.optim.decay_groups."""
    decay: list[nn.Parameter] = []
    keep: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim >= 2 and "position" not in name
        (decay if is_matrix else keep).append(parameter)
    return [{"params": decay, "weight_decay": weight_decay}, {"params": keep, "weight_decay": 0.0}]


def weights(ours: Arrays) -> dict[str, torch.Tensor]:
    """The parameters of a tinyvlm CLIP, by name, under the names and in the layout of this file."""
    theirs = {
        "image_position": ours["vision.position"],
        "text_position": ours["text.position"],
        "embedding.weight": ours["text.token_embedding.weight"],
        "image_projection.weight": ours["image_projection.weight"].T,
        "text_projection.weight": ours["text_projection.weight"].T,
        "logit_scale": ours["logit_scale"],
    }
    patch = ours["vision.patch_embed.projection.weight"].T  # (D, C*P*P)
    P = round((patch.shape[1] / 3) ** 0.5)
    theirs["patch.weight"] = patch.reshape(-1, 3, P, P)
    theirs["patch.bias"] = ours["vision.patch_embed.projection.bias"]
    for tower, side in (("vision", "image"), ("text", "text")):
        theirs |= norm_weights(ours, f"{tower}.norm", f"{side}_norm")
        start = f"{tower}.transformer.blocks."
        depth = 1 + max(
            int(name[len(start) :].split(".")[0]) for name in ours if name.startswith(start)
        )
        for i in range(depth):
            theirs |= block_weights(ours, f"{start}{i}", f"{side}_blocks.{i}")
    return {name: torch.tensor(np.ascontiguousarray(a)) for name, a in theirs.items()}


def norm_weights(ours: Arrays, source: str, target: str) -> dict[str, np.ndarray]:
    return {f"{target}.weight": ours[f"{source}.gain"], f"{target}.bias": ours[f"{source}.bias"]}


def block_weights(ours: Arrays, source: str, target: str) -> dict[str, np.ndarray]:
    """One block. Our Linear holds (in, out), PyTorch's (out, in)."""
    theirs = norm_weights(ours, f"{source}.norm1", f"{target}.norm1")
    theirs |= norm_weights(ours, f"{source}.norm2", f"{target}.norm2")
    for name, layers in (
        ("qkv", ("attention.q", "attention.k", "attention.v")),
        ("out", ("attention.out",)),
        ("up", ("mlp.up",)),
        ("down", ("mlp.down",)),
    ):
        theirs[f"{target}.{name}.weight"] = np.concatenate(
            [ours[f"{source}.{layer}.weight"].T for layer in layers]
        )
        theirs[f"{target}.{name}.bias"] = np.concatenate(
            [ours[f"{source}.{layer}.bias"] for layer in layers]
        )
    return theirs
