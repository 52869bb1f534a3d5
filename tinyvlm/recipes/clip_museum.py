"""CLIP on one-object pictures of TinyMuseum (layer 7): 38 colour-shape pairs seen, 10 withheld.

Each picture of a batch brings two sentences: one that names its colour and shape ("a red star on
the left") and one that names the shape alone. A sentence is a positive of every picture of the
batch that it is true of. What else was tried stands in data/results/notes.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyvlm import images, model_files, zero_shot
from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.datasets import museum
from tinyvlm.metrics.retrieval import median_rank, recall_at
from tinyvlm.models.clip import CLIP, CLIPConfig, clip_loss
from tinyvlm.parallel import default_threads, in_shards
from tinyvlm.tensor import Tensor
from tinyvlm.text import WordTokenizer
from tinyvlm.train import History, Recipe, Run, fit

PICTURES = 20_000
STEPS = 600
LENGTH = 24  # T, tokens a sentence

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]  # pictures (B, Y, X, C), ids (L, T), positives


def tokenizer() -> WordTokenizer:
    """Every word the museum can say."""
    return WordTokenizer(museum.WORDS)


def build(seed: int) -> CLIP:
    """The museum's CLIP, untrained."""
    words = tokenizer()
    text = TextConfig(vocab_size=words.vocab_size, eos_id=words.eos_id, length=LENGTH)
    return CLIP(CLIPConfig(ViTConfig(), text), np.random.default_rng(seed))


@dataclass
class TrainingSet:
    """The training pictures, in memory, and how a batch is drawn from them.

    control: None, or one of the two controls that a proof needs.
      "shuffled"  every picture gets the sentences of another one
      "black"     every picture is black
    """

    seed: int
    control: str | None = None
    count: int = PICTURES
    scenes: list[museum.Scene] = field(init=False)
    pictures: np.ndarray = field(init=False)  # (count, Y, X, C) uint8

    def __post_init__(self) -> None:
        self.words = tokenizer()
        self.scenes = list(museum.Museum(split="train", seed=self.seed).scenes(self.count))
        self.pictures = museum.draw_all(self.scenes)
        if self.control == "shuffled":
            order = np.random.default_rng(self.seed).permutation(self.count)
            self.pictures = self.pictures[order]
        elif self.control == "black":
            self.pictures = np.zeros_like(self.pictures)

    def batch(self, size: int, rng: np.random.Generator) -> Batch:
        """`size` pictures and 2 * size sentences."""
        chosen = rng.integers(self.count, size=size)
        scenes = [self.scenes[i] for i in chosen]
        sentences = [museum.caption(s, rng, kind) for kind in ("full", "shape") for s in scenes]
        ids = self.words.batch([sentence.text for sentence in sentences], LENGTH)
        return self.pictures[chosen], ids, museum.truth(sentences, scenes)


def sharded_loss(
    model: CLIP, pictures: np.ndarray, ids: np.ndarray, positives: np.ndarray, threads: int
) -> Tensor:
    """The loss of a Batch: each tower in shards, the contrast on the whole batch."""
    x = in_shards(lambda p: model.encode_image(Tensor(p)), images.to_model(pictures), threads)
    y = in_shards(model.encode_text, ids, threads)
    return clip_loss(model.logits(x, y), positives)


def train(
    data: TrainingSet,
    steps: int = STEPS,
    *,
    threads: int | None = None,
    run: Run | None = None,
    resume: bool = False,
    after_step: Callable[[CLIP, int], None] | None = None,
) -> tuple[CLIP, History]:
    """Train a CLIP on `data`; threads None means all cores."""
    model = build(data.seed)
    recipe = Recipe(steps=steps, seed=data.seed)
    shards = threads or default_threads()

    def loss_of(batch: Batch) -> Tensor:
        return sharded_loss(model, *batch, threads=shards)

    history = fit(
        model,
        recipe,
        lambda step, rng: data.batch(recipe.batch_size, rng),
        loss_of,
        run=run,
        resume=resume,
        threads=shards,
        after_step=(lambda step: after_step(model, step)) if after_step else None,
        title="CLIP on the museum",
    )
    return model, history


def about(model: CLIP) -> dict[str, Any]:
    """What its checkpoint says."""
    trained_on = "one-object pictures of TinyMuseum, ten colour-shape pairs withheld"
    templates = list(zero_shot.MUSEUM_TEMPLATES)
    return model_files.describe(model, tokenizer(), trained_on, templates=templates)


LABELS = [f"{color} {shape}" for color in museum.COLORS for shape in museum.SHAPES]


def name_pictures(model: CLIP, pictures: np.ndarray) -> np.ndarray:
    """Pictures (B, Y, X, C) -> (B, 48) probabilities over LABELS, zero-shot."""
    classes = zero_shot.classifier(model, tokenizer(), LABELS, zero_shot.MUSEUM_TEMPLATES, LENGTH)
    vectors = zero_shot.embed_pictures(model, pictures)
    return zero_shot.probabilities(vectors, classes, model.scale)


def accuracy(
    model: CLIP, scenes: tuple[museum.Scene, ...], black: bool = False
) -> dict[str, float]:
    """48-way zero-shot accuracy on one-object scenes: colour, shape, and both at once (joint)."""
    pictures = museum.draw_all(scenes)
    if black:
        pictures = np.zeros_like(pictures)
    said = name_pictures(model, pictures).argmax(axis=1)
    truth = np.array([LABELS.index(" ".join(scene.objects[0].pair)) for scene in scenes])
    shapes = len(museum.SHAPES)
    return {
        "colour": float(np.mean(said // shapes == truth // shapes)),
        "shape": float(np.mean(said % shapes == truth % shapes)),
        "joint": float(np.mean(said == truth)),
    }


def retrieval(model: CLIP, frozen: museum.EvaluationSet, black: bool = False) -> dict[str, float]:
    """Search by sentence for each withheld pair among ten pictures of each of the 48 pairs.

    R@1 and R@5 are the shares of sentences with a right picture first or among the first five. In
    a random order R@1 is 1/48, for a model that sees only colours 1/6.
    """
    few = museum.first_of_each(frozen.withheld, museum.WITHHELD, museum.SEEN_EACH)
    scenes = [*frozen.seen, *few]
    pictures = museum.draw_all(scenes)
    if black:
        pictures = np.zeros_like(pictures)
    asked = [" ".join(pair) for pair in museum.WITHHELD]
    sentences = [museum.with_article(label) for label in asked]
    queries = zero_shot.embed_texts(model, tokenizer(), sentences, LENGTH)
    scores = queries @ zero_shot.embed_pictures(model, pictures).T  # (labels, pictures)
    shown = np.array([" ".join(scene.objects[0].pair) for scene in scenes])
    right = np.array(asked)[:, None] == shown
    return {
        "R@1": recall_at(1, scores, right),
        "R@5": recall_at(5, scores, right),
        "median_rank": median_rank(scores, right),
    }
