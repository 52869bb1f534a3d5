"""`demo`: a museum, a CLIP trained on it from random numbers, a guide, and a page of both."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tinyvlm.cli.arguments import add_command, add_seed, add_threads, positive

EXAMPLES = """\
  python -m tinyvlm demo
  python -m tinyvlm demo --steps 200 --out short.html"""
STEPS = 450


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "demo",
        "train a CLIP here, ask the guide, and write museum.html",
        EXAMPLES,
    )
    parser.add_argument("--steps", type=positive, default=STEPS, help=f"default: {STEPS}")
    parser.add_argument(
        "--out", type=Path, default=Path("museum.html"), help="default: museum.html"
    )
    add_seed(parser)
    add_threads(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from tinyvlm import tour

    tour.run(arguments.steps, arguments.seed, arguments.threads, arguments.out)
