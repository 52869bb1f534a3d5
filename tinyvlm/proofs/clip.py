"""CLIP composes: it names colour-shape pairs that no training picture or sentence had (layer 8).

Measured on museum-eval-v1, 48 labels, zero-shot. The lines to beat: chance 1/48; a model that sees
only colours, 1/6; and two controls trained in the same way:

    shuffled   every picture was trained with another picture's sentences
    black      every picture, in training and in the test, is black
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from tinyvlm.datasets import museum
from tinyvlm.proofs import record
from tinyvlm.recipes import clip_museum
from tinyvlm.train import Run

VARIANTS = ("main", "shuffled", "black")
# Frozen before the first run: held-out accuracy that a seed must reach.
THRESHOLDS = {"colour": 0.95, "shape": 0.70, "joint": 0.70}
CONTROLS_AT_MOST = {"joint": 0.06}  # of the shuffled and the black twin
RUNS = Path("runs")


def prove(seed: int, threads: int | None = None, steps: int = clip_museum.STEPS) -> None:
    """Train and measure all variants on one seed; each adds a row to data/results/clip.json.

    A killed run continues where its last checkpoint stands; a variant that this commit has
    measured is not measured again.
    """
    for variant in VARIANTS:
        if record.is_measured("clip", variant, seed, steps):
            print(f"clip {variant}, seed {seed}: this commit has measured it already")
            continue
        row = run_variant(variant, seed, threads, steps)
        for where in ("held_out", "seen"):
            scores = ", ".join(f"{k} {v:.3f}" for k, v in row["result"][where].items())
            print(f"clip {variant}, seed {seed}, {where}: {scores}")
        if variant == "main":
            print(verdict(row["result"]["held_out"]))


def run_variant(variant: str, seed: int, threads: int | None, steps: int) -> record.Row:
    """One training run, its measurement, and its row in the results."""
    frozen = museum.museum_eval_v1()
    began = time.perf_counter()
    data = clip_museum.TrainingSet(seed, None if variant == "main" else variant)
    folder = RUNS / f"prove-clip-{variant}-seed{seed}-steps{steps}"
    run = Run(folder, clip_museum.about(clip_museum.build(seed)))
    model, history = clip_museum.train(
        data, steps, threads=threads, run=run, resume=run.checkpoint.exists()
    )
    black = variant == "black"
    result = {
        "held_out": clip_museum.accuracy(model, frozen.withheld, black),
        "seen": clip_museum.accuracy(model, frozen.seen, black),
        "search": clip_museum.retrieval(model, frozen, black),
    }
    row = {
        "variant": variant,
        "seed": seed,
        "steps": steps,
        "training_seconds": round(history.seconds[-1], 1),
        "seconds": round(time.perf_counter() - began, 1),
        "evaluation": {
            "name": frozen.name,
            "sha256": frozen.sha256,
            "objects": list(frozen.config.objects),
            "radius_px": list(frozen.config.radius),
            "pictures": {"held_out": len(frozen.withheld), "seen": len(frozen.seen)},
        },
        "result": result,
    }
    record.append("clip", row)
    shutil.rmtree(folder)  # measured and written down: nothing to resume
    return row


def verdict(held_out: dict[str, float]) -> str:
    """Which thresholds this seed reached."""
    missed = [
        f"{name} {held_out[name]:.3f} < {least}"
        for name, least in THRESHOLDS.items()
        if held_out[name] < least
    ]
    return "not shown on this seed: " + ", ".join(missed) if missed else "shown on this seed"
