"""From a picture to a row of tokens, two ways (layer 5).

PatchEmbed is ViT's (Dosovitskiy et al. 2020, arXiv 2010.11929): cut the picture into P x P patches
and send each through one linear layer. ConvStem (Xiao et al. 2021, arXiv 2106.14881) halves the
picture log2(P) times with small convolutions instead; on thin data it learns shapes sooner.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from tinyvlm.nn import functional as F
from tinyvlm.nn.layers import Conv2d, GroupNorm, Linear
from tinyvlm.nn.module import Module
from tinyvlm.tensor import Tensor


def patchify(images: Tensor, P: int) -> Tensor:
    """(B, C, Y, X) -> (B, N, C*P*P): N = (Y/P)*(X/P) patches, row by row, each (C, P, P) flat."""
    B, C, Y, X = images.shape
    if Y % P or X % P:
        raise ValueError(f"patchify: a picture of {Y}x{X} does not divide into {P}x{P} patches")
    x = images.reshape(B, C, Y // P, P, X // P, P)  # (B, C, Y/P, P, X/P, P)
    x = x.transpose(0, 2, 4, 1, 3, 5)  # (B, Y/P, X/P, C, P, P)
    return x.reshape(B, (Y // P) * (X // P), C * P * P)


class PatchEmbed(Module):
    """Each patch through one linear layer: (B, C, Y, X) -> (B, N, D).

    The same as a convolution of kernel P and stride P, which is how published weights store it.
    """

    def __init__(self, P: int, D: int, rng: np.random.Generator, C: int = 3, bias: bool = True):
        self.P = P
        self.projection = Linear(C * P * P, D, rng, bias=bias)

    def forward(self, images: Tensor) -> Tensor:
        return self.projection(patchify(images, self.P))  # (B, N, D)


class ConvStem(Module):
    """log2(P) times [3x3 convolution of stride 2, GroupNorm, ReLU], then 1x1: -> (B, N, D)."""

    def __init__(self, P: int, D: int, rng: np.random.Generator, C: int = 3):
        if P < 2 or P & (P - 1):
            raise ValueError(f"ConvStem halves the picture: P must be 2, 4, 8, ..., got {P}")
        halvings = int(math.log2(P))
        channels = [C] + [max(16, D // 2 ** (halvings - 1 - i)) for i in range(halvings)]
        if any(channel % 4 for channel in channels[1:]):
            raise ValueError(
                f"ConvStem: the widths {channels[1:]} must be multiples of the 4 groups of its "
                f"GroupNorms; choose another D than {D}"
            )
        self.convs = [
            Conv2d(before, after, 3, rng, stride=2, padding=1)
            for before, after in pairwise(channels)
        ]
        self.norms = [GroupNorm(4, after) for after in channels[1:]]
        self.projection = Linear(channels[-1], D, rng)

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(x)))
        B, C, Y, X = x.shape
        x = x.reshape(B, C, Y * X).transpose(0, 2, 1)  # (B, N, C)
        return self.projection(x)  # (B, N, D)
