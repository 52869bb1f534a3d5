"""CLIP on real photographs: prompted classification, and two classes it was never shown (layer 8).

main        trained on all classes of FOLDER/train, measured on FOLDER/test
withheld    trained without the two classes WITHHELD, measured between these two. Their names
            are then unknown words, both sentences read alike, and the result is a coin flip by
            construction: a name that was never read can't be zero-shot
described   the same, but every class says its kind too: "a truck, a vehicle". The kind is a
            word that other classes taught, so now zero-shot is possible
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

VARIANTS = ("main", "withheld", "described")
WITHHELD = ("horse", "truck")
VEHICLES = ("airplane", "automobile", "ship", "truck")  # the other classes are animals
RUNS = Path("runs")


def prove(root: str, seed: int, threads: int | None = None, steps: int = clip_folder.STEPS) -> None:
    """Train and measure all variants; each adds a row to data/results/clip-folder.json.

    A killed run continues where its last checkpoint stands; a variant that this commit has
    measured is not measured again.
    """
    train, test = open_folder(root)
    if not isinstance(train, ClassFolder) or not isinstance(test, ClassFolder):
        raise InputError(f"{root}: the proof needs {root}/train/CLASS/*.jpg and {root}/test/CLASS/")
    for variant in VARIANTS:
        chosen = [c for c in train.classes if variant == "main" or c not in WITHHELD]
        judged = list(train.classes) if variant == "main" else list(WITHHELD)
        if len(judged) < 2 or not set(judged) <= set(train.classes):
            print(f"variant {variant} needs the classes {', '.join(judged)}; left out")
            continue
        if record.is_measured("clip-folder", variant, seed, steps):
            print(f"clip-folder {variant}, seed {seed}: this commit has measured it already")
            continue
        row = run_variant(variant, train.only(chosen), test.only(judged), seed, threads, steps)
        print(
            f"clip-folder {variant}, seed {seed}: {row['result']['accuracy']:.3f} "
            f"of {row['result']['pictures']} pictures (chance {1 / len(judged):.3f})"
        )


def described(folder: ClassFolder) -> ClassFolder:
    """The same pictures; "truck" is now called "truck, a vehicle", "horse" "horse, an animal"."""
    kinds = {True: "a vehicle", False: "an animal"}
    return folder.renamed([f"{name}, {kinds[name in VEHICLES]}" for name in folder.classes])


def run_variant(
    variant: str,
    train: ClassFolder,
    test: ClassFolder,
    seed: int,
    threads: int | None,
    steps: int,
) -> record.Row:
    """Train on the classes of `train`, measure among those of `test`, record."""
    began = time.perf_counter()
    if variant == "described":
        train, test = described(train), described(test)
    data = clip_folder.FolderSet(train)
    model = clip_folder.build(data, seed)
    folder = RUNS / f"prove-clip-folder-{variant}-seed{seed}-steps{steps}"
    run = Run(folder, clip_folder.about(model, data))
    recipe = Recipe(steps=steps, seed=seed)
    history = clip_folder.train(
        model, data, recipe, threads=threads, run=run, resume=run.checkpoint.exists()
    )
    row = {
        "variant": variant,
        "seed": seed,
        "steps": steps,
        "training_seconds": round(history.seconds[-1], 1),
        "seconds": round(time.perf_counter() - began, 1),
        "data": {
            "folder": train.root.resolve().parent.name,
            "classes": train.classes,
            "pictures": len(data.pictures),
        },
        "result": {
            "accuracy": clip_folder.accuracy(model, data.words, test),
            "among": test.classes,
            "unknown_words": sorted({w for name in test.classes for w in data.words.unknown(name)}),
            "pictures": len(test),
        },
    }
    record.append("clip-folder", row)
    shutil.rmtree(folder)  # measured and written down: nothing to resume
    return row


def table() -> str:
    """CLIP on a folder of photographs."""
    rows = record.latest("clip-folder")
    if not rows:
        return ""
    lines = [
        "## CLIP on photographs: `python -m tinyvlm prove clip-folder --data cifar10`",
        "",
        "Class folders of 32 x 32 px; here 15,000 training and 2,000 test photographs of CIFAR-10 "
        "(Krizhevsky 2009). main: trained on every class. withheld: without the two classes that "
        "are then told apart; their names are unknown words, so it is a coin flip by construction. "
        'described: the same, but every class also says its kind ("a truck, a vehicle"), a word '
        "that other classes taught.",
        "",
        "| variant | pictures in training | measured between | accuracy | chance | training |",
        "|---|---|---|---|---|---|",
    ]
    for variant in VARIANTS:
        runs = record.by_variant(rows, variant)
        if runs:
            among = runs[0]["result"]["among"]
            names = f"{len(among)} classes" if len(among) > 2 else " / ".join(among)
            pictures = runs[0]["data"]["pictures"]
            accuracy = record.mean_and_spread([run["result"]["accuracy"] for run in runs])
            seconds = max(run["training_seconds"] for run in runs)
            lines.append(
                f"| {variant} | {pictures:,} | {names} | {accuracy} | {1 / len(among):.3f} | "
                f"at most {seconds:.0f} s |"
            )
    return "\n".join(lines) + "\n"
