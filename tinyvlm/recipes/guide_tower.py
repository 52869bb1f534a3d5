"""The guide's first stage: a CLIP, of which the tower is kept (layer 7).

It learns which of two sentences a picture (one names colour and shape of one object, one the shape
alone) are true of it. A guide that starts from this tower knows shapes from the beginning.
"""

from __future__ import annotations

import numpy as np

from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.datasets import museum
from tinyvlm.models.clip import CLIP, CLIPConfig
from tinyvlm.parallel import default_threads
from tinyvlm.recipes import clip_museum
from tinyvlm.recipes.guide_data import TOWER_LENGTH, TowerBatch, TrainingSet
from tinyvlm.tensor import Tensor
from tinyvlm.train import History, Recipe, Run, fit

TOWER = ViTConfig(image_size=museum.SEVERAL_OBJECTS.size)
STEPS = 2000


def build(seed: int) -> CLIP:
    """The CLIP, untrained."""
    words = clip_museum.tokenizer()
    text = TextConfig(vocab_size=words.vocab_size, eos_id=words.eos_id, length=TOWER_LENGTH)
    return CLIP(CLIPConfig(TOWER, text), np.random.default_rng(seed))


def train(
    data: TrainingSet,
    steps: int = STEPS,
    *,
    batch_size: int = 64,
    threads: int | None = None,
    run: Run | None = None,
    resume: bool = False,
) -> tuple[CLIP, History]:
    """Train a CLIP on `data`; threads None means all cores."""
    model, shards = build(data.seed), threads or default_threads()
    recipe = Recipe(steps=steps, batch_size=batch_size, seed=data.seed)

    def batch_of(step: int, rng: np.random.Generator) -> TowerBatch:
        return data.tower_batch(recipe.batch_size, step / recipe.steps, rng)

    def loss_of(batch: TowerBatch) -> Tensor:
        return clip_museum.sharded_loss(model, *batch, threads=shards)

    history = fit(
        model,
        recipe,
        batch_of,
        loss_of,
        run=run,
        resume=resume,
        threads=shards,
        title="the guide's tower",
    )
    return model, history
