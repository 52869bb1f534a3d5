"""The museum guide looks: it answers about held-out pictures what no blind model could (layer 8).

Measured on museum-guide-eval-v1, each form of question by itself, besides captions and boxes. The
lines to beat: the most frequent answer of each form; a twin that is trained and examined on black
pictures; and, from the same tower in as many steps, a decoder whose prefix is causal too:

    main      image and prompt see each other (prefix-LM)
    black     every picture, in training and in the exam, is black
    causal    each token sees only what came before it; a prompt never changes an image token
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from tinyvlm import model_files
from tinyvlm.datasets import museum
from tinyvlm.parallel import default_threads
from tinyvlm.proofs import record
from tinyvlm.recipes import guide, guide_exam, guide_tower
from tinyvlm.recipes.guide_data import TrainingSet

VARIANTS = ("main", "black", "causal")
# Frozen before the first run: what a seed must reach on pictures of seen pairs.
THRESHOLDS = {
    "color": 0.85,
    "shape": 0.90,
    "how many": 0.97,
    "count by attribute": 0.85,
    "exist": 0.88,
    "position": 0.70,
}
ABOVE_MAJORITY = 0.10  # the most that the black twin may gain on any form
RUNS = Path("runs")


def prove(
    seed: int,
    threads: int | None = None,
    steps: int = guide.STEPS,
    tower_steps: int = guide_tower.STEPS,
) -> None:
    """Train and measure all variants on one seed; each adds a row to data/results/paligemma.json.

    A killed run continues where its last checkpoint stands; a variant that this commit has
    measured is not measured again. The main guide is kept in runs/.
    """
    for variant in VARIANTS:
        if record.is_measured("paligemma", variant, seed, steps):
            print(f"paligemma {variant}, seed {seed}: this commit has measured it already")
            continue
        row = run_variant(variant, seed, threads, steps, tower_steps)
        answers = row["result"]["seen"]["answers"]
        scores = ", ".join(f"{form} {share:.3f}" for form, share in answers.items())
        print(f"paligemma {variant}, seed {seed}, pictures of seen pairs: {scores}")
        if variant != "causal":
            print(verdict(variant, answers, row["evaluation"]["majority"]["seen"]))
    for variant in VARIANTS:
        shutil.rmtree(tower_folder(variant, seed, tower_steps), ignore_errors=True)


def run_variant(
    variant: str, seed: int, threads: int | None, steps: int, tower_steps: int
) -> record.Row:
    """One training run, its exam, and its row in the results."""
    frozen = museum.museum_guide_eval_v1()
    began = time.perf_counter()
    control = "black" if variant == "black" else None
    folder = RUNS / f"prove-paligemma-{variant}-seed{seed}-steps{steps}"
    model, seconds = guide.make(
        TrainingSet(seed, control),
        folder,
        steps,
        tower_steps,
        causal=variant == "causal",
        threads=threads,
        resume=True,
        tower_folder=tower_folder(variant, seed, tower_steps),
    )
    exams = {"seen": frozen.seen, "withheld": frozen.withheld}
    result = {name: guide_exam.examine(model, exam, control) for name, exam in exams.items()}
    row = {
        "variant": variant,
        "seed": seed,
        "steps": steps,
        "tower_steps": tower_steps,
        "threads": threads or default_threads(),
        "training_seconds": round(seconds, 1),
        "seconds": round(time.perf_counter() - began, 1),
        "evaluation": {
            "name": frozen.name,
            "sha256": frozen.sha256,
            "scenes": {name: len(exam.scenes) for name, exam in exams.items()},
            "questions": {name: len(exam.questions) for name, exam in exams.items()},
            "majority": {name: guide_exam.majority(exam) for name, exam in exams.items()},
        },
        "result": result,
    }
    record.append("paligemma", row)
    if variant == "main":
        keep(model, seed, row)
    shutil.rmtree(folder)  # measured and written down: nothing to resume
    return row


def tower_folder(variant: str, seed: int, tower_steps: int) -> Path:
    """main and causal begin with the same tower."""
    kind = "black" if variant == "black" else "main"
    return RUNS / f"prove-paligemma-tower-{kind}-seed{seed}-steps{tower_steps}"


def keep(model: Any, seed: int, row: record.Row) -> None:
    """The main guide's weights, with what was measured."""
    measured = {name: row[name] for name in ("seed", "steps", "tower_steps", "training_seconds")}
    measured |= {"evaluation": row["evaluation"]["name"], "results": row["result"]}
    path = RUNS / f"guide-seed{seed}.safetensors"
    model_files.save_model(path, model, guide.about(model) | measured)
    print(f"the guide of seed {seed} is in {path}")


def verdict(variant: str, answers: dict[str, float], majority: dict[str, float]) -> str:
    """Which thresholds this seed reached, or what its black twin gained on the majority."""
    if variant == "black":
        gained = {form: answers[form] - share for form, share in majority.items()}
        form = max(gained, key=lambda form: gained[form])
        return f"at most {gained[form]:+.3f} above the most frequent answer ({form})"
    missed = [
        f"{form} {answers[form]:.3f} < {least}"
        for form, least in THRESHOLDS.items()
        if answers[form] < least
    ]
    return "not shown on this seed: " + ", ".join(missed) if missed else "shown on this seed"
