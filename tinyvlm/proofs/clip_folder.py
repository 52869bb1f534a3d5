"""CLIP on real photographs: prompted classification, and two classes it was never shown (layer 8).

main       trained on all classes of FOLDER/train, measured on FOLDER/test
withheld   trained without the two classes WITHHELD, measured between these two: true zero-shot
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from tinyvlm.datasets.folder import ClassFolder, open_folder
from tinyvlm.errors import InputError
from tinyvlm.proofs import record
from tinyvlm.recipes import clip_folder
from tinyvlm.train import Recipe, Run

WITHHELD = ("horse", "truck")
RUNS = Path("runs")


def prove(root: str, seed: int, threads: int | None = None, steps: int = clip_folder.STEPS) -> None:
    """Train and measure both variants; each adds a row to data/results/clip-folder.json."""
    train, test = open_folder(root)
    if not isinstance(train, ClassFolder) or not isinstance(test, ClassFolder):
        raise InputError(f"{root}: the proof needs {root}/train/CLASS/*.jpg and {root}/test/CLASS/")
    for variant in ("main", "withheld"):
        chosen = [c for c in train.classes if variant == "main" or c not in WITHHELD]
        judged = list(train.classes) if variant == "main" else list(WITHHELD)
        if len(judged) < 2 or not set(judged) <= set(train.classes):
            print(f"variant {variant} needs the classes {', '.join(judged)}; left out")
            continue
        row = run_variant(train, test, variant, chosen, judged, seed, threads, steps)
        print(
            f"clip-folder {variant}, seed {seed}: {row['result']['accuracy']:.3f} "
            f"of {row['result']['pictures']} pictures (chance {1 / len(judged):.3f})"
        )


def run_variant(
    train: ClassFolder,
    test: ClassFolder,
    variant: str,
    chosen: list[str],
    judged: list[str],
    seed: int,
    threads: int | None,
    steps: int,
) -> record.Row:
    """Train on the chosen classes of `train`, measure among the judged ones of `test`, record."""
    began = time.perf_counter()
    data = clip_folder.FolderSet(train.only(chosen))
    model = clip_folder.build(data, seed)
    folder = RUNS / f"prove-clip-folder-{variant}-seed{seed}-steps{steps}"
    run = Run(folder, clip_folder.about(model, data))
    recipe = Recipe(steps=steps, seed=seed)
    history = clip_folder.train(
        model, data, recipe, threads=threads, run=run, resume=run.checkpoint.exists()
    )
    pictures = test.only(judged)
    row = {
        "variant": variant,
        "seed": seed,
        "steps": steps,
        "training_seconds": round(history.seconds[-1], 1),
        "seconds": round(time.perf_counter() - began, 1),
        "data": {
            "folder": train.root.resolve().parent.name,
            "classes": chosen,
            "pictures": len(train),
        },
        "result": {
            "accuracy": clip_folder.accuracy(model, data.words, pictures),
            "among": judged,
            "pictures": len(pictures),
        },
    }
    record.append("clip-folder", row)
    shutil.rmtree(folder)  # measured and written down: nothing to resume
    return row
