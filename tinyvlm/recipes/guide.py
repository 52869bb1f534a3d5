"""The museum guide: a PaliGemma that looks, answers and points (layer 7), in two stages.

First a CLIP learns the tower: pictures of one to three objects, two sentences about one of its
objects each. Then the tower, a linear projector and a Gemma learn questions, captions and boxes,
several texts a picture, the loss on the answers. Pictures with more objects come later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinyvlm import images, model_files
from tinyvlm.blocks.gemma import GemmaConfig
from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.datasets import museum
from tinyvlm.models.clip import CLIP, CLIPConfig
from tinyvlm.models.paligemma import PaliGemma, PaliGemmaConfig, suffix_loss
from tinyvlm.nn import functional as F
from tinyvlm.nn.module import Module
from tinyvlm.parallel import blas_threads, default_threads, in_shards
from tinyvlm.recipes import guide_texts
from tinyvlm.recipes.clip_museum import sharded_loss
from tinyvlm.respond import respond
from tinyvlm.tensor import Tensor
from tinyvlm.text.prompts import encode_examples
from tinyvlm.train import History, Recipe, Run, fit

PICTURES = 9000
TOWER = ViTConfig(image_size=museum.SEVERAL_OBJECTS.size)
TOWER_STEPS = 400
TOWER_LENGTH = 16  # T, tokens a sentence of the first stage
STEPS = 2300
TOWER_LR = 0.3  # of the second stage's rate: the tower knows something already
QUESTIONS = 5  # a picture and step, and one caption or detection

# From which share of the steps on, how many pictures have one, two and three objects.
TOWER_SHARES = ((0.0, (0.8, 0.1, 0.1)), (0.4, (0.5, 0.25, 0.25)))
SHARES = ((0.0, (0.85, 0.15, 0.0)), (0.2, (0.4, 0.45, 0.15)), (0.45, (0.2, 0.3, 0.5)))
Shares = tuple[tuple[float, tuple[float, ...]], ...]

Rows = tuple[np.ndarray, np.ndarray]  # ids and suffix, (B*Q, T) each


class TowerBatch(NamedTuple):
    pictures: np.ndarray  # (B, Y, X, C) uint8
    ids: np.ndarray  # (M, T)
    positives: np.ndarray  # (B, M) bool


class Batch(NamedTuple):
    """Texts of about one length are padded together: answers are short, captions are not."""

    pictures: np.ndarray  # (B, Y, X, C) uint8
    short: Rows  # the questions
    long: Rows  # captions and detections


@dataclass
class TrainingSet:
    """Pictures of one to three objects, in memory; control "black" paints all of them black."""

    seed: int
    control: str | None = None
    count: int = PICTURES
    scenes: list[museum.Scene] = field(init=False)
    pictures: np.ndarray = field(init=False)  # (count, Y, X, C) uint8

    def __post_init__(self) -> None:
        self.words = guide_texts.tokenizer()
        source = museum.Museum(museum.SEVERAL_OBJECTS, "train", self.seed)
        self.scenes = list(source.scenes(self.count))
        self.pictures = museum.draw_all(self.scenes)
        if self.control == "black":
            self.pictures = np.zeros_like(self.pictures)
        numbers = np.array([len(scene.objects) for scene in self.scenes])
        self.with_objects = [np.flatnonzero(numbers == n) for n in (1, 2, 3)]

    def choose(self, size: int, shares: Sequence[float], rng: np.random.Generator) -> np.ndarray:
        """`size` indices; shares[n - 1] of them have n objects."""
        numbers = rng.choice(len(shares), size=size, p=shares)
        return np.array([rng.choice(self.with_objects[n]) for n in numbers])

    def tower_batch(
        self, size: int, shares: Sequence[float], rng: np.random.Generator
    ) -> TowerBatch:
        """`size` pictures, and two sentences about one object of each."""
        chosen = self.choose(size, shares, rng)
        scenes = [self.scenes[i] for i in chosen]
        sentences = [museum.caption(s, rng, kind) for kind in ("full", "shape") for s in scenes]
        ids = self.words.batch([sentence.text for sentence in sentences], TOWER_LENGTH)
        return TowerBatch(self.pictures[chosen], ids, museum.truth(sentences, scenes))

    def batch(self, size: int, shares: Sequence[float], rng: np.random.Generator) -> Batch:
        """`size` pictures; QUESTIONS questions and one caption or detection about each."""
        chosen = self.choose(size, shares, rng)
        scenes = [self.scenes[i] for i in chosen]
        short = [text for s in scenes for text in guide_texts.questions(s, QUESTIONS, rng)]
        long = [
            guide_texts.caption(scene) if rng.random() < 0.5 else guide_texts.detection(scene, rng)
            for scene in scenes
        ]
        return Batch(self.pictures[chosen], self.rows(short), self.rows(long))

    def rows(self, texts: Iterable[guide_texts.Text]) -> Rows:
        prompts, answers = zip(*texts, strict=True)
        return encode_examples(self.words, prompts, answers)


def at_step(step: int, steps: int, shares: Shares) -> tuple[float, ...]:
    """The shares of one, two and three objects at this step (from 0)."""
    return [share for start, share in shares if step >= start * steps][-1]


def build_tower(seed: int) -> CLIP:
    """The CLIP of the first stage, untrained."""
    words = guide_texts.tokenizer()
    text = TextConfig(vocab_size=words.vocab_size, eos_id=words.eos_id, length=TOWER_LENGTH)
    return CLIP(CLIPConfig(TOWER, text), np.random.default_rng(seed))


def build(seed: int, tower: CLIP | None = None) -> PaliGemma:
    """The guide, untrained but for the tower."""
    language = GemmaConfig(guide_texts.tokenizer().vocab_size)
    model = PaliGemma(PaliGemmaConfig(TOWER, language), np.random.default_rng(seed))
    if tower is not None:
        model.vision.load_state_dict(tower.vision.state_dict())
    return model


def train_tower(
    data: TrainingSet,
    steps: int = TOWER_STEPS,
    *,
    batch_size: int = 64,
    threads: int | None = None,
    run: Run | None = None,
    resume: bool = False,
) -> tuple[CLIP, History]:
    """The first stage; threads None means all cores."""
    model, threads = build_tower(data.seed), threads or default_threads()

    def loss_of(batch: TowerBatch) -> Tensor:
        return sharded_loss(model, *batch, threads=threads)

    recipe = Recipe(steps=steps, batch_size=batch_size, seed=data.seed)
    draw = data.tower_batch
    title = "the guide's tower"
    return model, run_stage(model, recipe, draw, TOWER_SHARES, loss_of, threads, run, resume, title)


def train(
    data: TrainingSet,
    tower: CLIP | None,
    steps: int = STEPS,
    *,
    batch_size: int = 32,
    threads: int | None = None,
    run: Run | None = None,
    resume: bool = False,
) -> tuple[PaliGemma, History]:
    """The second stage, from the tower of the first (None: from an untrained one)."""
    model, threads = build(data.seed, tower), threads or default_threads()

    def loss_of(batch: Batch) -> Tensor:
        rows = np.arange(len(batch.pictures))
        return in_shards(partial(losses, model, batch), rows, threads).mean()

    recipe = Recipe(
        steps=steps,
        batch_size=batch_size,
        warmup=100,
        lr_scale={"vision.": TOWER_LR},
        seed=data.seed,
    )
    title = "the guide"
    return model, run_stage(model, recipe, data.batch, SHARES, loss_of, threads, run, resume, title)


def losses(model: PaliGemma, batch: Batch, rows: np.ndarray) -> Tensor:
    """The loss of every text about the pictures `rows` of the batch, (len(rows), texts a picture).

    The tower looks at a picture once, however many texts there are about it.
    """
    z = model.encode_image(Tensor(images.to_model(batch.pictures[rows])))
    found = []
    for ids, suffix in (batch.short, batch.long):
        Q = len(ids) // len(batch.pictures)
        texts = (rows[:, None] * Q + np.arange(Q)).reshape(-1)
        ids, suffix = ids[texts], suffix[texts]
        found.append(suffix_loss(model.read(z, ids, suffix), ids, suffix).reshape(len(rows), Q))
    return F.concatenate(found, axis=1)


def run_stage(
    model: Module,
    recipe: Recipe,
    draw: Callable[[int, Sequence[float], np.random.Generator], Any],
    shares: Shares,
    loss_of: Callable[[Any], Tensor],
    threads: int,
    run: Run | None,
    resume: bool,
    title: str,
) -> History:
    """fit with batches that get harder on the way."""

    def batch_of(step: int, rng: np.random.Generator) -> Any:
        return draw(recipe.batch_size, at_step(step, recipe.steps, shares), rng)

    with blas_threads(1):
        return fit(
            model,
            recipe,
            batch_of,
            loss_of,
            run=run,
            resume=resume,
            threads=threads,
            title=title,
        )


def about(model: PaliGemma) -> dict[str, Any]:
    """What its checkpoint says."""
    trained_on = "pictures of TinyMuseum with one to three objects, ten colour-shape pairs withheld"
    return model_files.describe(model, guide_texts.tokenizer(), trained_on, bins=guide_texts.BINS)


def accuracy(
    model: PaliGemma, scenes: Sequence[museum.Scene], seed: int = 0, black: bool = False
) -> dict[str, float]:
    """The share of questions answered word for word, by type; each scene is asked one of every
    type that it allows."""
    words, rng = guide_texts.tokenizer(), np.random.default_rng(seed)
    pictures = museum.draw_all(scenes)
    if black:
        pictures = np.zeros_like(pictures)
    asked = [(i, q) for i, scene in enumerate(scenes) for q in museum.questions(scene, rng)]
    right: dict[str, list[bool]] = {}
    for start in range(0, len(asked), 64):
        part = asked[start : start + 64]
        prompts = [f"answer en {question.text}" for _, question in part]
        said = respond(model, words, pictures[[i for i, _ in part]], prompts, max_tokens=4)
        for (_, question), answer in zip(part, said, strict=True):
            right.setdefault(question.type, []).append(answer.text == question.answer)
    return {type: float(np.mean(right[type])) for type in museum.QUESTION_TYPES if type in right}
