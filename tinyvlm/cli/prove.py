"""`prove`: train a system on a seed, measure it with its controls, and record what came out."""

from __future__ import annotations

import argparse
from typing import Any

from tinyvlm.cli.arguments import add_command, add_seed, add_threads

EXAMPLES = """\
  python -m tinyvlm prove clip --seed 0        about three minutes; a killed run continues
  python -m tinyvlm prove paligemma --seed 0   three guides, about an hour
  make results                                 the table of all results"""


def add(commands: Any) -> None:
    parser = add_command(
        commands, "prove", "measure a system against chance and its controls", EXAMPLES
    )
    parser.add_argument(
        "system", choices=["clip", "clip-folder", "paligemma"], help="what to prove"
    )
    parser.add_argument("--data", metavar="FOLDER", help="clip-folder: class folders to learn from")
    add_seed(parser)
    add_threads(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from tinyvlm.errors import InputError
    from tinyvlm.proofs import clip, clip_folder, paligemma

    if arguments.system == "clip":
        clip.prove(arguments.seed, arguments.threads)
    elif arguments.system == "paligemma":
        paligemma.prove(arguments.seed, arguments.threads)
    elif arguments.data:
        clip_folder.prove(arguments.data, arguments.seed, arguments.threads)
    else:
        raise InputError(
            "prove clip-folder needs --data FOLDER (FOLDER/train/CLASS/*.jpg and test)"
        )
