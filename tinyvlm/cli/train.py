"""`train clip`: on the museum, or on a folder of the user's pictures. `train museum`: the guide."""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path
from typing import Any

from tinyvlm.cli.arguments import add_command, add_seed, add_threads, positive

EXAMPLES = """\
  python -m tinyvlm train clip                        on the museum, about a minute
  python -m tinyvlm train clip --data my_photos       my_photos/CLASS/*.jpg, or with metadata.csv
  python -m tinyvlm train clip --data my_photos --resume
  python -m tinyvlm train museum                      the guide, two stages, about 10 minutes"""


def add(commands: Any) -> None:
    parser = add_command(commands, "train", "train a model from random numbers", EXAMPLES)
    parser.add_argument("model", choices=["clip", "museum"], help="what to train")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="pictures to learn from")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where checkpoint and log go")
    parser.add_argument(
        "--steps", type=positive, help="default: 600, with --data 8000, museum 4000"
    )
    parser.add_argument("--tower-steps", type=positive, help="museum, first stage; default: 2000")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint")
    add_seed(parser)
    add_threads(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from tinyvlm.errors import InputError

    out = arguments.out
    if arguments.model == "museum" and arguments.data is not None:
        raise InputError("train museum draws its own pictures; leave --data out, or train clip")
    if arguments.model == "clip" and arguments.tower_steps is not None:
        raise InputError("train clip has one stage; leave --tower-steps out, or train museum")
    if arguments.model == "museum":
        train_guide(arguments, out or Path("runs/guide-museum"))
    elif arguments.data is None:
        train_on_museum(arguments, out or Path("runs/clip-museum"))
    else:
        train_on_folder(arguments, out or Path("runs") / f"clip-{arguments.data.resolve().name}")


def train_on_museum(arguments: argparse.Namespace, out: Path) -> None:
    from tinyvlm.datasets import museum
    from tinyvlm.recipes import clip_museum
    from tinyvlm.train import Run

    data = clip_museum.TrainingSet(arguments.seed)
    model, _ = clip_museum.train(
        data,
        arguments.steps or clip_museum.STEPS,
        threads=arguments.threads,
        run=Run(out, clip_museum.about(clip_museum.build(arguments.seed))),
        resume=arguments.resume,
    )
    frozen = museum.museum_eval_v1()
    results = {
        "seen": clip_museum.accuracy(model, frozen.seen),
        "held_out": clip_museum.accuracy(model, frozen.withheld),
    }
    for name, result in results.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in result.items()))
    measured = {"evaluation": frozen.name, "seed": arguments.seed, "results": results}
    save_and_say(out, model, clip_museum.about(model) | measured)


def train_on_folder(arguments: argparse.Namespace, out: Path) -> None:
    from tinyvlm.datasets.folder import ClassFolder, open_folder
    from tinyvlm.recipes import clip_folder
    from tinyvlm.train import Recipe, Run

    splits = open_folder(arguments.data)
    data = clip_folder.FolderSet(splits.train)
    report_skipped(splits.train, out / "skipped-train.csv")
    model = clip_folder.build(data, arguments.seed)
    recipe = Recipe(steps=arguments.steps or clip_folder.STEPS, seed=arguments.seed)
    clip_folder.train(
        model,
        data,
        recipe,
        threads=arguments.threads,
        run=Run(out, clip_folder.about(model, data)),
        resume=arguments.resume,
    )
    save_and_say(out, model, clip_folder.about(model, data))
    if isinstance(splits.test, ClassFolder):
        result = clip_folder.accuracy(model, data.words, splits.test)
        report_skipped(splits.test, out / "skipped-test.csv")
        chance = 1 / len(splits.test.classes)
        print(f"test pictures named rightly: {result:.3f} (chance {chance:.3f})")


def train_guide(arguments: argparse.Namespace, out: Path) -> None:
    from tinyvlm import checkpoint
    from tinyvlm.datasets import museum
    from tinyvlm.recipes import guide, guide_exam, guide_tower
    from tinyvlm.recipes.guide_data import TrainingSet

    if arguments.resume:
        checkpoint.load(out / "tower" / "checkpoint.safetensors")  # raises where nothing was begun
    steps = arguments.steps or guide.STEPS
    tower_steps = arguments.tower_steps or guide_tower.STEPS
    model, seconds = guide.make(
        TrainingSet(arguments.seed),
        out,
        steps,
        tower_steps,
        threads=arguments.threads,
        resume=arguments.resume,
    )
    frozen = museum.museum_guide_eval_v1()
    results = guide_exam.examine(model, frozen.seen)
    for name, result in results.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in result.items()))
    measured = {"evaluation": frozen.name, "results": {"seen": results}}
    recipe = {"seed": arguments.seed, "steps": steps, "tower_steps": tower_steps}
    recipe |= {"training_seconds": round(seconds, 1)}
    save_and_say(out, model, guide.about(model) | recipe | measured)


def report_skipped(folder: Any, log: Path) -> None:
    """Print the first entries of the folder that could not be used, and log all of them."""
    from tinyvlm.datasets.folder import CaptionFolder
    from tinyvlm.files import write_atomically

    if isinstance(folder, CaptionFolder) and folder.empty_captions:
        print(f"left out {folder.empty_captions} empty captions")
    if not folder.skipped:
        return
    print(f"skipped {len(folder.skipped)} entries of {folder.root}, all named in {log}:")
    for path, reason in folder.skipped[:10]:
        print(f"  {path}: {reason}")
    text = io.StringIO()
    csv.writer(text).writerows([("path", "reason"), *folder.skipped])
    write_atomically(log, text.getvalue().encode("utf-8", "replace"))


def save_and_say(out: Path, model: Any, about: dict[str, Any]) -> None:
    """Write the weights alone beside the checkpoint, and say how to use them."""
    from tinyvlm import model_files

    path = out / "model.safetensors"
    model_files.save_model(path, model, about)
    print(f"the model is in {path}; use it with:")
    if about["kind"] == "clip":
        print(f'  python -m tinyvlm zero-shot PICTURE "a label" "another label" --model {path}')
    else:
        print(f'  python -m tinyvlm ask PICTURE "how many objects" --model {path}')
