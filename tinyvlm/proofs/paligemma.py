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


def table() -> str:
    """The guides on museum-guide-eval-v1, a row for each form of question, caption and box."""
    rows = record.latest("paligemma")
    if not record.by_variant(rows, "main"):
        return ""
    frozen = rows[0]["evaluation"]
    scenes, questions = frozen["scenes"], frozen["questions"]
    lines = [
        f"## The museum guide on {frozen['name']}: `python -m tinyvlm prove paligemma --seed 0`",
        "",
        f"{scenes['seen']} pictures of one to three objects with {questions['seen']:,} questions; "
        f"{scenes['withheld']} more with {questions['withheld']:,} questions, each with an object "
        "of a pair that no training picture or text had. An answer counts word for word. All: the "
        f"mean over the forms. SHA-256 `{frozen['sha256'][:16]}`.",
        "",
        "| asked | bar | main | causal | black | most frequent answer | main, withheld pairs |",
        "|---|---|---|---|---|---|---|",
    ]
    for part, key in measures(rows):
        cells = [spread(rows, variant, "seen", part, key) for variant in VARIANTS]
        main, black, causal = cells
        bar = f"{THRESHOLDS[key]:.2f}" if key in THRESHOLDS else ""
        majority = frozen["majority"]["seen"].get(key) if part == "answers" else None
        often = "" if majority is None else f"{majority:.3f}"
        withheld = spread(rows, "main", "withheld", part, key)
        name = key if part == "answers" else f"{part}: {key}"
        lines.append(f"| {name} | {bar} | {main} | {causal} | {black} | {often} | {withheld} |")
    seconds = max(row["training_seconds"] for row in record.by_variant(rows, "main"))
    lines += [
        "",
        f"Bars on each of three seeds, black at most {ABOVE_MAJORITY:.2f} above the most frequent "
        f"answer on every form: **{'shown' if is_shown(rows) else 'not shown'}**. Training: at "
        f"most {seconds / 60:.0f} minutes a guide, both stages, on {rows[0]['threads']} thread(s).",
        "",
        f"Prefix-LM against causal at equal steps: {compared(rows)}.",
    ]
    return "\n".join(lines) + "\n"


def measures(rows: list[record.Row]) -> list[tuple[str, str]]:
    """(part, key) of everything that is measured, in order."""
    result = rows[0]["result"]["seen"]
    return [(part, key) for part in ("answers", "captions", "boxes") for key in result[part]]


def spread(rows: list[record.Row], variant: str, exam: str, part: str, key: str) -> str:
    """Mean and standard deviation over the seeds of a variant."""
    runs = record.by_variant(rows, variant)
    values = [row["result"][exam][part][key] for row in runs]
    return record.mean_and_spread(values) if values else "not measured"


def is_shown(rows: list[record.Row]) -> bool:
    """Three seeds or more that reach every bar, each with a black twin that stays blind."""
    seeds = {row["seed"] for row in record.by_variant(rows, "main")}
    blind = {row["seed"] for row in record.by_variant(rows, "black")}

    def passes(row: record.Row) -> bool:
        answers = row["result"]["seen"]["answers"]
        if row["variant"] == "main":
            return all(answers[form] >= least for form, least in THRESHOLDS.items())
        majority = row["evaluation"]["majority"]["seen"]
        return all(answers[form] <= majority[form] + ABOVE_MAJORITY for form in majority)

    judged = [row for row in rows if row["variant"] != "causal"]
    return len(seeds) >= 3 and seeds == blind and all(passes(row) for row in judged)


def compared(rows: list[record.Row]) -> str:
    """The difference of all answers on seen pairs, main - causal, paired by seed."""
    all_right = {
        variant: {
            row["seed"]: row["result"]["seen"]["answers"]["all"]
            for row in record.by_variant(rows, variant)
        }
        for variant in ("main", "causal")
    }
    seeds = sorted(all_right["main"].keys() & all_right["causal"].keys())
    if not seeds:
        return "not measured"
    return record.paired([all_right["main"][s] - all_right["causal"][s] for s in seeds])
