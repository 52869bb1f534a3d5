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


def table() -> str:
    """CLIP on museum-eval-v1: the model and its controls, held-out and seen pairs side by side."""
    rows = record.latest("clip")
    if not rows:
        return ""
    frozen = rows[0]["evaluation"]
    pictures = frozen["pictures"]
    lines = [
        f"## CLIP on {frozen['name']}: `python -m tinyvlm prove clip --seed 0`",
        "",
        f"48-way zero-shot, one object of radius {frozen['radius_px'][0]:g}-"
        f"{frozen['radius_px'][1]:g} px on 32 px; {pictures['held_out']} pictures of ten "
        f"colour-shape pairs that no training picture or sentence had, {pictures['seen']} of the "
        f"other 38. Search: each withheld pair's sentence among ten pictures of each of the 48 "
        f"pairs. Scenes: SHA-256 `{frozen['sha256'][:16]}`.",
        "",
        "| model | held-out colour | held-out shape | held-out joint | seen joint | "
        "held-out search R@1 | training |",
        "|---|---|---|---|---|---|---|",
    ]
    for variant in VARIANTS:
        runs = record.by_variant(rows, variant)
        if not runs:
            lines.append(f"| {variant} | not measured | | | | | |")
            continue
        held = {
            key: record.mean_and_spread([run["result"]["held_out"][key] for run in runs])
            for key in THRESHOLDS
        }
        seen = record.mean_and_spread([run["result"]["seen"]["joint"] for run in runs])
        found = record.mean_and_spread([run["result"]["search"]["R@1"] for run in runs])
        seconds = max(run["training_seconds"] for run in runs)
        lines.append(
            f"| {variant} | {held['colour']} | {held['shape']} | {held['joint']} | {seen} | "
            f"{found} | at most {seconds:.0f} s |"
        )
    lines.append("| sees colours only | 1.000 | 0.167 | 0.167 | 0.167 | 0.167 | computed |")
    lines.append("| chance | 0.125 | 0.167 | 0.021 | 0.021 | 0.021 | computed |")
    thresholds = ", ".join(f"{key} {least:.2f}" for key, least in THRESHOLDS.items())
    controls = ", ".join(f"{key} {most:.2f}" for key, most in CONTROLS_AT_MOST.items())
    verdict = "shown" if is_shown(rows) else "not shown"
    lines += [
        "",
        f"Thresholds: held-out {thresholds} at least, both controls {controls} at most, on each of "
        f"three seeds: **{verdict}**.",
    ]
    return "\n".join(lines) + "\n"


def is_shown(rows: list[record.Row]) -> bool:
    """Three seeds or more, each with its controls, and every one on its side of its thresholds."""
    seeds = {run["seed"] for run in record.by_variant(rows, "main")}
    complete = all({run["seed"] for run in record.by_variant(rows, v)} == seeds for v in VARIANTS)

    def passes(run: record.Row) -> bool:
        held_out = run["result"]["held_out"]
        if run["variant"] == "main":
            return all(held_out[key] >= least for key, least in THRESHOLDS.items())
        return all(held_out[key] <= most for key, most in CONTROLS_AT_MOST.items())

    return len(seeds) >= 3 and complete and all(passes(run) for run in rows)
