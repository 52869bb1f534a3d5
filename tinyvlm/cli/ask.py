"""`ask`: a question about a picture, answered in a word or two."""

from __future__ import annotations

import argparse
from typing import Any

from tinyvlm.cli.guide import add_guide_command, add_sampling

EXAMPLES = """\
  python -m tinyvlm ask picture.png "what color is the circle?"
  python -m tinyvlm ask picture.png "where is the red star?" --show looked.png
  python -m tinyvlm ask picture.png "how many objects?" --temperature 0.7 --seed 1"""


def add(commands: Any) -> None:
    shown = "the picture for each word of the answer, lit where the guide looked"
    help = "answer a question about a picture"
    parser = add_guide_command(commands, "ask", help, EXAMPLES, shown)
    parser.add_argument("question", nargs="+", metavar="QUESTION", help="in English")
    add_sampling(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from tinyvlm.cli.guide import answers, open_guide, say, say_limits, show_words

    guide = open_guide(arguments)
    prompt = f"answer en {' '.join(arguments.question)}"
    answer, *others = answers(guide, prompt, arguments, count=3)
    say_limits(guide, answer)
    print(say(answer))
    if others:
        print(f"or: {', '.join(map(say, others))}")
    if arguments.show:
        show_words(arguments.show, guide, prompt, answer)
