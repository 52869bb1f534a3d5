"""CLIP on a user's own folder of pictures (layer 7): class folders, or pictures with captions.

A class folder's names become sentences through templates ("a photo of a truck"). Equal sentences
of a batch are one text, and every picture it belongs to is its positive: with ten classes nearly
every batch holds a class several times, and CLIP's plain diagonal would call those pairs wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyvlm import images, model_files, zero_shot
from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.datasets.folder import CaptionFolder, ClassFolder
from tinyvlm.datasets.picture_set import load_pictures
from tinyvlm.errors import InputError
from tinyvlm.models.clip import CLIP, CLIPConfig, clip_loss
from tinyvlm.parallel import default_threads, in_shards
from tinyvlm.tensor import Tensor
from tinyvlm.text import WordTokenizer, with_article
from tinyvlm.train import History, Recipe, Run, fit

SIZE = 32  # pixels a side
STEPS = 8000
LENGTH = 32  # T, tokens a sentence; longer ones are cut
VISION = ViTConfig(image_size=SIZE, patch_size=8, width=128, depth=4, mlp_width=512)

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]  # pictures (B, Y, X, C), ids (L, T), positives


@dataclass
class FolderSet:
    """A folder's pictures, decoded into memory, and their sentences."""

    folder: ClassFolder | CaptionFolder
    words: WordTokenizer = field(init=False)
    pictures: np.ndarray = field(init=False)  # (count, Y, X, C) uint8

    def __post_init__(self) -> None:
        self.pictures, kept = load_pictures(self.folder, SIZE)
        if isinstance(self.folder, ClassFolder):
            self.sentences: list[Sequence[str]] = [
                [t.format(with_article(name)) for t in zero_shot.PHOTO_TEMPLATES]
                for name in self.folder.classes
            ]
            self.owner = self.folder.labels[kept]  # which row of `sentences` a picture has
        else:
            self.sentences = [self.folder.captions[i] for i in kept]
            self.owner = np.arange(len(kept))
        texts = [text for row in self.sentences for text in row]
        self.words = WordTokenizer.from_texts([*texts, *zero_shot.PHOTO_TEMPLATES])
        if len({tuple(self.sentences[row]) for row in self.owner}) < 2:
            said = self.sentences[self.owner[0]][0]
            raise InputError(
                f"{self.folder.root}: all pictures have the same sentences ({said!r:.80}); "
                "a contrast needs pictures of at least two classes, or with different captions"
            )

    @property
    def name(self) -> str:
        """The folder's name; for FOLDER/train that of FOLDER."""
        root = self.folder.root.resolve()
        return root.parent.name if root.name == "train" else root.name

    def batch(self, size: int, rng: np.random.Generator) -> Batch:
        """`size` pictures, flipped and shifted at random, and their distinct sentences."""
        chosen = rng.integers(len(self.pictures), size=size)
        pictures = images.random_crop(self.pictures[chosen], 4, rng)
        pictures = images.random_flip(pictures, rng)
        turn = int(rng.integers(1 << 30))  # one template a batch, so equal classes meet as equals
        rows = [self.sentences[self.owner[i]] for i in chosen]
        texts = [row[turn % len(row)] for row in rows]
        # Equal means equal ids: sentences may differ in capitals, or only after the cut.
        ids, column = np.unique(self.words.batch(texts, LENGTH), axis=0, return_inverse=True)
        positives = column.reshape(-1, 1) == np.arange(len(ids))  # (B, L)
        return pictures, ids, positives


def build(data: FolderSet, seed: int) -> CLIP:
    """A CLIP for the folder's words, untrained."""
    text = TextConfig(vocab_size=data.words.vocab_size, eos_id=data.words.eos_id, length=LENGTH)
    return CLIP(CLIPConfig(VISION, text), np.random.default_rng(seed))


def about(model: CLIP, data: FolderSet) -> dict[str, Any]:
    """What its checkpoint says."""
    trained_on = f"{len(data.pictures)} pictures of {data.name}"
    templates = list(zero_shot.PHOTO_TEMPLATES)
    return model_files.describe(model, data.words, trained_on, templates=templates)


def train(
    model: CLIP,
    data: FolderSet,
    recipe: Recipe,
    *,
    threads: int | None = None,
    run: Run | None = None,
    resume: bool = False,
    after_step: Callable[[int], None] | None = None,
) -> History:
    """Train `model` in place; threads None means all cores."""
    threads = threads or default_threads()

    def loss_of(batch: Batch) -> Tensor:
        pictures, ids, positives = batch
        x = in_shards(lambda p: model.encode_image(Tensor(p)), images.to_model(pictures), threads)
        return clip_loss(model.logits(x, model.encode_text(ids)), positives)

    return fit(
        model,
        recipe,
        lambda step, rng: data.batch(recipe.batch_size, rng),
        loss_of,
        run=run,
        resume=resume,
        threads=threads,
        after_step=after_step,
        title=f"CLIP on {data.name}",
    )


def accuracy(model: CLIP, words: WordTokenizer, folder: ClassFolder) -> float:
    """Prompted classification of a class folder: the share of pictures whose class scores best."""
    pictures, kept = load_pictures(folder, model.config.vision.image_size)
    classes = zero_shot.classifier(
        model, words, folder.classes, zero_shot.PHOTO_TEMPLATES, model.config.text.length
    )
    said = (zero_shot.embed_pictures(model, pictures) @ classes.T).argmax(axis=1)
    return float(np.mean(said == folder.labels[kept]))
