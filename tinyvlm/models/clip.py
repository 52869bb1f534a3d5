"""CLIP: a picture and a sentence meet as two vectors (layer 6).

Radford et al. 2021, "Learning transferable visual models from natural language supervision", arXiv
2103.00020. With x, y the unit vectors of B pictures and B texts and s (logit_scale) learned:

    logits = e^s x y^T        loss = (CE(logits, diagonal) + CE(logits^T, diagonal)) / 2

One difference: a batch may hold several texts that are true of a picture. Then the target of a row
is spread evenly over all of them (UniCL, Yang et al. 2022, arXiv 2204.03610), which with one
positive a row is the formula above.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tinyvlm.backend import Array
from tinyvlm.blocks.text import TextConfig, TextTransformer
from tinyvlm.blocks.vit import ViT, ViTConfig
from tinyvlm.nn import functional as F
from tinyvlm.nn.layers import Linear
from tinyvlm.nn.module import Module, Parameter
from tinyvlm.tensor import Tensor, no_grad


@dataclass(frozen=True)
class CLIPConfig:
    vision: ViTConfig
    text: TextConfig
    embed_width: int = 64  # E
    initial_scale: float = 1 / 0.07  # e^s at the start
    max_scale: float = 100.0  # e^s is held at or below this


VIT_B_32 = CLIPConfig(
    vision=ViTConfig(
        image_size=224,
        patch_size=32,
        width=768,
        depth=12,
        heads=12,
        mlp_width=3072,
        stem="patch",
        patch_bias=False,
        pool="class",
        norm_before=True,
        activation="quick_gelu",
    ),
    text=TextConfig(
        vocab_size=49408,
        eos_id=49407,
        length=77,
        width=512,
        depth=12,
        heads=8,
        mlp_width=2048,
        activation="quick_gelu",
    ),
    embed_width=512,
)


class CLIP(Module):
    """Two towers and a scale."""

    def __init__(self, config: CLIPConfig, rng: np.random.Generator) -> None:
        self.config = config
        self.vision = ViT(config.vision, rng)
        self.text = TextTransformer(config.text, rng)
        E = config.embed_width
        self.image_projection = Linear(config.vision.width, E, rng, bias=False)
        self.text_projection = Linear(config.text.width, E, rng, bias=False)
        # Trap: the scale, 1 / temperature, is stored as a logarithm: a step changes it by a factor.
        self.logit_scale = Parameter(np.array(math.log(config.initial_scale), np.float32))

    def forward(self, images: Tensor, ids: Array) -> Tensor:
        """images (B, C, Y, X), ids (L, T) -> logits (B, L): each picture against each text."""
        return self.logits(self.encode_image(images), self.encode_text(ids))  # (B, L)

    def logits(self, x: Tensor, y: Tensor) -> Tensor:
        """Unit vectors x (B, E) of pictures and y (L, E) of texts -> e^s times cosines (B, L)."""
        return self.logit_scale.exp() * (x @ y.T)  # (B, L)

    @property
    def scale(self) -> float:
        """The scale e^s, 1 / temperature, as a number."""
        return math.exp(self.logit_scale.item())

    def encode_image(self, images: Tensor) -> Tensor:
        """(B, C, Y, X) -> unit vectors (B, E)."""
        return F.l2_normalize(self.image_projection(self.vision(images)))

    def encode_text(self, ids: Array) -> Tensor:
        """(L, T) -> unit vectors (L, E)."""
        return F.l2_normalize(self.text_projection(self.text(ids)))

    def clamp(self) -> None:
        """Hold the scale, after each step: above 100 training became unstable (section 2.5)."""
        self.logit_scale.data.clip(max=math.log(self.config.max_scale), out=self.logit_scale.data)


def clip_loss(logits: Tensor, positives: Array | None = None) -> Tensor:
    """logits (B, L), positives (B, L) bool (None: the diagonal) -> scalar.

    positives[i, j] says whether text j is true of picture i. Every row and column needs one.
    """
    B, L = logits.shape
    if positives is None:
        positives = np.eye(B, L, dtype=bool)
    if not (positives.any(axis=1).all() and positives.any(axis=0).all()):
        raise ValueError(
            f"clip_loss: every picture and text of logits (B, L) = ({B}, {L}) needs a positive"
        )
    per_image = positives / positives.sum(axis=1, keepdims=True)  # each row sums to 1
    per_text = positives / positives.sum(axis=0, keepdims=True)  # each column sums to 1
    dtype = logits.dtype
    image_to_text = F.soft_cross_entropy(logits, per_image.astype(dtype))
    text_to_image = F.soft_cross_entropy(logits.T, per_text.T.astype(dtype))
    return (image_to_text + text_to_image) * 0.5


@no_grad()
def patch_similarity(model: CLIP, images: Tensor, ids: Array) -> np.ndarray:
    """How much each patch of each picture looks like each text: (B, L, rows, columns) cosines.

    images (B, C, Y, X), ids (L, T). Each patch token goes through the image projection as if it
    were the pooled vector.
    """
    tokens = model.vision.tokens(images)  # the class token first, if there is one
    if model.vision.class_token is not None:
        tokens = tokens[:, 1:]  # (B, N, D)
    patches = F.l2_normalize(model.image_projection(tokens))  # (B, N, E)
    similarity = patches @ model.encode_text(ids).T  # (B, N, L)
    B, N, L = similarity.shape
    side = math.isqrt(N)
    return similarity.numpy().transpose(0, 2, 1).reshape(B, L, side, side)
