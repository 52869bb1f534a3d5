"""`draw`: a picture of the museum, to show to a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tinyvlm.cli.arguments import add_command, add_seed, positive

EXAMPLES = """\
  python -m tinyvlm draw picture.png
  python -m tinyvlm draw picture.png --objects 3 --seed 7 --split test_comp"""


def add(commands: Any) -> None:
    parser = add_command(commands, "draw", "draw a held-out picture of the museum", EXAMPLES)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="the file to write")
    parser.add_argument("--objects", type=positive, default=2, help="1 to 4 (default: 2)")
    parser.add_argument(
        "--split", default="test_iid", help="test_comp: with a colour-shape pair never trained on"
    )
    add_seed(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from dataclasses import replace

    from tinyvlm import images
    from tinyvlm.datasets import museum

    count = (arguments.objects, arguments.objects)
    config = replace(museum.SEVERAL_OBJECTS, objects=count)
    scene = museum.Museum(config, arguments.split, arguments.seed)[0]
    images.save(museum.draw(scene), arguments.image)
    things = [museum.with_article(" ".join(thing.pair)) for thing in scene.objects]
    print(f"wrote {arguments.image}: {' and '.join(things)}")
