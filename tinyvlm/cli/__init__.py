"""The command line (layer 9): one file a command, each with `add(commands)` and `run(arguments)`.

A command imports what it needs inside `run`, so that --help answers at once.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from tinyvlm.errors import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 2 with one line on stderr when the input was wrong."""
    from tinyvlm.cli import (
        ask,
        bench,
        caption,
        demo,
        detect,
        doctor,
        draw,
        kernels,
        prove,
        score,
        train,
        zero_shot,
    )

    parser = argparse.ArgumentParser(
        prog="python -m tinyvlm",
        description="Vision-language models from scratch. Start with: python -m tinyvlm demo",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    to_use = (demo, draw, ask, caption, detect, zero_shot)
    to_make = (train, prove, score, bench, kernels, doctor)
    for command in (*to_use, *to_make):
        command.add(commands)
    arguments = parser.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):  # labels and file names in any script, anywhere
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        arguments.run(arguments)
    except InputError as error:
        print(f"tinyvlm: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ntinyvlm: stopped; a run with checkpoints continues with --resume", file=sys.stderr)
        return 130
    return 0
