"""PaliGemma: a picture, a prompt, and a language model that answers (layer 6).

Beyer et al. 2024, "PaliGemma: a versatile 3B VLM for transfer", arXiv 2407.07726. A SigLIP-style
tower's tokens go through one linear layer and stand before the text; Gemma reads both:

    [image tokens][prompt, bos][answer, eos][padding]
     prefix: everyone sees all of it  suffix: sees the prefix and what came before it

    loss = mean over examples of (mean over the suffix of -log p(token | all before it))

Text embeddings are scaled by sqrt(D), image tokens are not. A batch may hold Q texts a picture: the
tower then looks once for all of them. Left out are the segmentation words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tinyvlm.backend import Array
from tinyvlm.blocks.gemma import GEMMA_2B, Gemma, GemmaConfig, count_positions
from tinyvlm.blocks.projector import Projector
from tinyvlm.blocks.vit import ViT, ViTConfig
from tinyvlm.nn import functional as F
from tinyvlm.nn.masks import Mask
from tinyvlm.nn.module import Module
from tinyvlm.tensor import Tensor


@dataclass(frozen=True)
class PaliGemmaConfig:
    vision: ViTConfig  # its tokens are used, its pooling is not
    language: GemmaConfig
    pad_id: int = 0  # the token that is none
    causal: bool = False  # also within the prefix: what a prefix-LM is compared with


PALIGEMMA_3B_224 = PaliGemmaConfig(
    vision=ViTConfig(
        image_size=224,
        patch_size=14,
        width=1152,
        depth=27,
        heads=16,
        mlp_width=4304,
        stem="patch",
        eps=1e-6,
    ),
    language=replace(GEMMA_2B, vocab_size=257_152),  # 256,000 words, 1024 places, 128 mask codes
)


class PaliGemma(Module):
    """A tower that looks, a projector, a decoder that speaks."""

    def __init__(self, config: PaliGemmaConfig, rng: np.random.Generator) -> None:
        self.config = config
        self.vision = ViT(config.vision, rng)
        self.projector = Projector(config.vision.width, config.language.width, rng)
        self.language = Gemma(config.language, rng)

    def forward(self, images: Tensor, ids: Array, suffix: Array) -> Tensor:
        """images (B, C, Y, X), ids and suffix (B*Q, T) -> logits of the next token (B*Q, T, V).

        The Q texts of a picture stand together. suffix is True where a token is learned; padding
        (ids == pad_id) may be on either side.
        """
        return self.read(self.encode_image(images), ids, suffix)  # (B*Q, T, V)

    def encode_image(self, images: Tensor) -> Tensor:
        """(B, C, Y, X) -> (B, N, D), as wide as the language model."""
        return self.projector(self.vision.tokens(images))  # (B, N, D)

    def read(self, image_tokens: Tensor, ids: Array, suffix: Array) -> Tensor:
        """As forward, for image tokens (B, N, D) that are there already."""
        x, present = self.embed(image_tokens, ids)
        T = ids.shape[1]
        N = x.shape[1] - T
        mask = Mask.prefix_lm(np.pad(suffix, ((0, 0), (N, 0))) | self.config.causal, present)
        x = self.language(x, mask, count_positions(present), keep=T)  # (B*Q, T, D)
        return self.language.logits(x)  # (B*Q, T, V)

    def embed(self, image_tokens: Tensor, ids: Array) -> tuple[Tensor, Array]:
        """Image tokens (B, N, D), ids (B*Q, T) -> x (B*Q, N+T, D) and present (B*Q, N+T) bool."""
        B, N, D = image_tokens.shape
        if ids.ndim != 2 or B == 0 or len(ids) % B:
            raise ValueError(f"expected ids (B*Q, T) for {B} pictures, got {ids.shape}")
        Q = len(ids) // B
        z = F.expand(image_tokens.reshape(B, 1, N, D), (B, Q, N, D))  # (B, Q, N, D)
        z = z.reshape(B * Q, N, D)  # (B*Q, N, D)
        x = F.concatenate([z, self.language.embed(ids)], axis=1)  # (B*Q, N+T, D)
        present = np.pad(ids != self.config.pad_id, ((0, 0), (N, 0)), constant_values=True)
        return x, present


def suffix_loss(logits: Tensor, ids: Array, suffix: Array) -> Tensor:
    """logits (B, T, V) of the next token, ids and suffix (B, T) -> each example's loss (B,).

    The mean over an example's suffix tokens; an answer of one word counts as much as one of ten.
    Train on its .mean(). Trap: logits[:, t] speak of ids[:, t + 1].
    """
    counted = np.zeros_like(suffix)
    counted[:, :-1] = suffix[:, 1:]
    number = counted.sum(axis=1)  # (B,)
    if (number == 0).any():
        raise ValueError("suffix_loss: every row of suffix (B, T) needs a token after its first")
    targets = ids[:, 1:][suffix[:, 1:]]  # (n,)
    log_p = F.log_softmax(logits[counted])  # (n, V)
    chosen = F.gather(log_p, targets[:, None], axis=1)  # (n, 1)
    row = np.nonzero(counted)[0]  # (n,)
    share = (row == np.arange(len(ids))[:, None]) / number[:, None]  # (B, n), rows sum to 1
    return -(share.astype(logits.dtype) @ chosen).reshape(len(ids))  # (B,)
