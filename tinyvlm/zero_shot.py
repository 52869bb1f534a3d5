"""Zero-shot use of any model with two towers (layer 7): labels as sentences, search by sentence.

Radford et al. 2021, arXiv 2103.00020, section 3.1. A class is the mean of its sentences' vectors
over several templates ("a photo of a {}"), made a unit vector again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from tinyvlm import images
from tinyvlm.backend import Array
from tinyvlm.errors import InputError
from tinyvlm.tensor import Tensor, no_grad
from tinyvlm.text import Tokenizer, with_article

MUSEUM_TEMPLATES = ("{}", "a photo of {}", "a picture of {}", "there is {}")
PHOTO_TEMPLATES = (
    "a photo of {}",
    "a picture of {}",
    "this is {}",
    "a small photo of {}",
    "a blurry photo of {}",
    "a close-up photo of {}",
    "there is {} in the photo",
    "{}",
)


class DualEncoder(Protocol):
    """What CLIP and its relatives offer: unit vectors of one width E."""

    def encode_image(self, images: Tensor) -> Tensor: ...

    def encode_text(self, ids: Array) -> Tensor: ...


@no_grad()
def embed_texts(
    model: DualEncoder, tokenizer: Tokenizer, texts: Sequence[str], length: int
) -> np.ndarray:
    """Sentences -> unit vectors (L, E), 256 at a time."""
    parts = [
        model.encode_text(tokenizer.batch(texts[i : i + 256], length)).numpy()
        for i in range(0, len(texts), 256)
    ]
    return np.concatenate(parts)


@no_grad()
def embed_pictures(model: DualEncoder, pictures: np.ndarray) -> np.ndarray:
    """Pictures (B, Y, X, 3) uint8 of the model's size -> unit vectors (B, E), 128 at a time."""
    parts = [
        model.encode_image(Tensor(images.to_model(pictures[i : i + 128]))).numpy()
        for i in range(0, len(pictures), 128)
    ]
    return np.concatenate(parts)


def classifier(
    model: DualEncoder,
    tokenizer: Tokenizer,
    labels: Sequence[str],
    templates: Sequence[str],
    length: int,
) -> np.ndarray:
    """One unit vector a label, (L, E): embed, normalise, mean over templates, normalise again.

    A template's {} becomes the label with its article. Raises InputError without labels, and for
    a label that is empty.
    """
    if not labels:
        raise InputError("zero-shot needs at least one label")
    for i, label in enumerate(labels, start=1):
        if not label.strip():
            raise InputError(f"label {i} is empty; write a word")
    texts = [t.format(with_article(label)) for label in labels for t in templates]
    vectors = embed_texts(model, tokenizer, texts, length)  # (K * templates, E)
    mean = vectors.reshape(len(labels), len(templates), -1).mean(axis=1)  # (L, E)
    # Trap: the mean of unit vectors is shorter than 1, and more so for labels whose templates
    # disagree; without this line such labels can hardly win.
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def probabilities(vectors: np.ndarray, classes: np.ndarray, scale: float) -> np.ndarray:
    """Pictures (B, E), classes (L, E), the scale e^s -> softmax over the labels, (B, L)."""
    logits = scale * vectors @ classes.T  # (B, L)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
