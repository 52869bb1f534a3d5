"""The museum guide: a PaliGemma that looks, answers and points (layer 7), in two stages.

First a CLIP learns the tower (guide_tower.py). Then the tower, a linear projector and a Gemma learn
questions, captions and boxes, several texts a picture, the loss on the answers; the tower knows
something already and learns at a third of the rate. How well it does is measured in guide_exam.py;
what else was tried stands in data/results/notes.md.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinyvlm import images, model_files
from tinyvlm.blocks.gemma import GemmaConfig
from tinyvlm.models.clip import CLIP
from tinyvlm.models.paligemma import PaliGemma, PaliGemmaConfig, suffix_loss
from tinyvlm.nn import functional as F
from tinyvlm.parallel import default_threads, in_shards
from tinyvlm.recipes import guide_texts, guide_tower
from tinyvlm.recipes.guide_data import Batch, TrainingSet
from tinyvlm.tensor import Tensor
from tinyvlm.train import History, Recipe, Run, fit

STEPS = 2500
TOWER_LR = 0.3  # of the second stage's rate


def config(causal: bool = False) -> PaliGemmaConfig:
    """The guide's sizes; causal=True is what a prefix-LM is compared with."""
    language = GemmaConfig(guide_texts.tokenizer().vocab_size)
    return PaliGemmaConfig(guide_tower.TOWER, language, causal=causal)


def build(seed: int, tower: CLIP | None = None, causal: bool = False) -> PaliGemma:
    """The guide, untrained but for the tower."""
    model = PaliGemma(config(causal), np.random.default_rng(seed))
    if tower is not None:
        model.vision.load_state_dict(tower.vision.state_dict())
    return model


def train(
    data: TrainingSet,
    tower: CLIP | None,
    steps: int = STEPS,
    *,
    batch_size: int = 32,
    causal: bool = False,
    threads: int | None = None,
    run: Run | None = None,
    resume: bool = False,
) -> tuple[PaliGemma, History]:
    """The second stage, from the tower of the first (None: from an untrained one).

    threads None means all cores.
    """
    model, shards = build(data.seed, tower, causal), threads or default_threads()
    recipe = Recipe(
        steps=steps,
        batch_size=batch_size,
        optimizer="muon",
        warmup=100,
        lr_scale={"vision.": TOWER_LR},
        seed=data.seed,
    )

    def batch_of(step: int, rng: np.random.Generator) -> Batch:
        return data.batch(recipe.batch_size, step / recipe.steps, rng)

    def loss_of(batch: Batch) -> Tensor:
        rows = np.arange(len(batch.pictures))
        return in_shards(partial(losses, model, batch), rows, shards).mean()

    history = fit(
        model,
        recipe,
        batch_of,
        loss_of,
        run=run,
        resume=resume,
        threads=shards,
        title="the guide",
    )
    return model, history


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


def make(
    data: TrainingSet,
    folder: Path,
    steps: int = STEPS,
    tower_steps: int = guide_tower.STEPS,
    *,
    causal: bool = False,
    threads: int | None = None,
    resume: bool = False,
    tower_folder: Path | None = None,
) -> tuple[PaliGemma, float]:
    """Both stages, each with log and checkpoint: (the guide, seconds of training in all).

    tower_folder: of the first stage's run, folder/tower if None. resume: a stage that has a
    checkpoint goes on from it; where there is none, it begins.
    """
    tower_run = Run(tower_folder or folder / "tower", {"kind": "the guide's tower"})
    run = Run(folder, about(build(data.seed, causal=causal)))
    tower, first = guide_tower.train(
        data,
        tower_steps,
        threads=threads,
        run=tower_run,
        resume=resume and tower_run.checkpoint.exists(),
    )
    model, second = train(
        data,
        tower,
        steps,
        causal=causal,
        threads=threads,
        run=run,
        resume=resume and run.checkpoint.exists(),
    )
    return model, first.seconds[-1] + second.seconds[-1]


def about(model: PaliGemma) -> dict[str, Any]:
    """What its checkpoint says."""
    trained_on = "pictures of TinyMuseum with one to three objects, ten colour-shape pairs withheld"
    return model_files.describe(model, guide_texts.tokenizer(), trained_on, bins=guide_texts.BINS)
