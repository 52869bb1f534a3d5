"""`caption`: what is in a picture, in a sentence."""

from __future__ import annotations

import argparse
from typing import Any

from tinyvlm.cli.guide import add_guide_command, add_sampling

EXAMPLES = """\
  python -m tinyvlm caption picture.png
  python -m tinyvlm caption picture.png --show looked.png
  python -m tinyvlm caption picture.png --top-p 0.9 --seed 1"""
PROMPT = "caption en"


def add(commands: Any) -> None:
    shown = "the picture for each word of the sentence, lit where the guide looked"
    parser = add_guide_command(
        commands, "caption", "say in a sentence what is in a picture", EXAMPLES, shown
    )
    add_sampling(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from tinyvlm.cli.guide import answers, open_guide, say, say_limits, show_words

    guide = open_guide(arguments)
    (answer,) = answers(guide, PROMPT, arguments)
    say_limits(guide, answer)
    print(say(answer))
    if arguments.show:
        show_words(arguments.show, guide, PROMPT, answer)
