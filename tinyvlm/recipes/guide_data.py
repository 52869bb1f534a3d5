"""What the museum guide is trained on: pictures of one to three objects and texts about them (7).

Both stages begin with pictures of one object; pictures of two and three come in on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tinyvlm.datasets import museum
from tinyvlm.recipes import clip_museum, guide_texts
from tinyvlm.text.prompts import encode_examples

PICTURES = 20_000
TOWER_LENGTH = 16  # T, tokens a sentence of the first stage
QUESTIONS = 5  # a picture and step, besides a detection and a caption or another detection

# From which progress on, how many pictures have one, two and three objects.
TOWER_SHARES = ((0.0, (0.8, 0.1, 0.1)), (0.4, (0.5, 0.25, 0.25)))
SHARES = ((0.0, (0.6, 0.4, 0.0)), (0.08, (0.2, 0.4, 0.4)))
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
        self.tower_words = clip_museum.tokenizer()
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

    def tower_batch(self, size: int, progress: float, rng: np.random.Generator) -> TowerBatch:
        """`size` pictures, and two sentences about one object of each.

        progress: how much of the run is done, 0..1.
        """
        chosen = self.choose(size, at(progress, TOWER_SHARES), rng)
        scenes = [self.scenes[i] for i in chosen]
        sentences = [museum.caption(s, rng, kind) for kind in ("full", "shape") for s in scenes]
        ids = self.tower_words.batch([sentence.text for sentence in sentences], TOWER_LENGTH)
        return TowerBatch(self.pictures[chosen], ids, museum.truth(sentences, scenes))

    def batch(self, size: int, progress: float, rng: np.random.Generator) -> Batch:
        """`size` pictures; QUESTIONS questions and two long texts about each."""
        chosen = self.choose(size, at(progress, SHARES), rng)
        scenes = [self.scenes[i] for i in chosen]
        short = [text for s in scenes for text in guide_texts.questions(s, QUESTIONS, rng)]
        long = []
        for scene in scenes:
            other = rng.random() < 0.5
            long.append(guide_texts.detection(scene, rng))
            long.append(guide_texts.detection(scene, rng) if other else guide_texts.caption(scene))
        return Batch(self.pictures[chosen], self.rows(short), self.rows(long))

    def rows(self, texts: Iterable[guide_texts.Text]) -> Rows:
        prompts, answers = zip(*texts, strict=True)
        return encode_examples(self.words, prompts, answers)


def at(progress: float, shares: Shares) -> tuple[float, ...]:
    """The shares of one, two and three objects when this much of the run is done (0..1)."""
    return [share for start, share in shares if progress >= start][-1]
