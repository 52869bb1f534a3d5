"""The demo from the first line it prints to the page it writes (layer 8)."""

from __future__ import annotations

from pathlib import Path

from tinyvlm import page
from tinyvlm.datasets import museum
from tinyvlm.errors import InputError
from tinyvlm.parallel import default_threads
from tinyvlm.tour import clip, guide

COMMANDS = [
    ("source .venv/bin/activate", "once, so that python is the one with tinyvlm"),
    (
        'python -m tinyvlm zero-shot my.png "red star" "blue circle"',
        "ask it about a picture of your own",
    ),
    (
        'python -m tinyvlm ask shapes.png "how many objects?"',
        "ask the guide about a picture of coloured shapes",
    ),
    ("python -m tinyvlm train clip --data my_photos", "train on folders of your own photographs"),
    ("python -m tinyvlm prove clip --seed 0", "measure it against its controls"),
    ("python -m tinyvlm doctor", "see what this machine has"),
]
LESSONS = [
    ("lessons/02_autograd", "tensors that remember, and the walk back"),
    ("lessons/07_patches_and_vit", "a picture as a row of tokens"),
    ("lessons/09_clip", "pictures and sentences in one space"),
]


def run(steps: int, seed: int, threads: int | None, out: Path) -> None:
    """Everything `python -m tinyvlm demo` does; about a minute on two cores.

    Raises InputError at once, and not after the training, when `out` has no folder to stand in.
    """
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise InputError(f"{out} can't be written; name a file in a folder that exists")
    frozen = museum.museum_eval_v1()
    entrance, rooms = clip.visit(frozen, steps, seed, threads or default_threads())
    walk = guide.visit(seed)
    rooms += [walk] if walk else []
    rooms.append(page.WayOut(COMMANDS, LESSONS))
    colophon = (
        f"Seed {seed}. Held-out pictures: {frozen.name}, SHA-256 {frozen.sha256[:12]}. "
        "Made by python -m tinyvlm demo."
    )
    page.write(out, page.page(entrance, rooms, colophon))
    print(f"wrote {out}: open it in a browser")
