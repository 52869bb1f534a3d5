"""Arguments that several commands share, and checks that argparse lacks."""

from __future__ import annotations

import argparse
from typing import Any


def add_command(commands: Any, name: str, help: str, examples: str) -> argparse.ArgumentParser:
    """A sub-command whose --help ends with examples."""
    return commands.add_parser(
        name,
        help=help,
        description=help[0].upper() + help[1:] + ".",
        epilog="examples:\n" + examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def positive(text: str) -> int:
    """An argparse type: a whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return number


def not_negative(text: str) -> int:
    """An argparse type: a whole number of at least 0."""
    return 0 if text.strip() == "0" else positive(text)


def add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=not_negative, default=0, help="of everything random (default: 0)"
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", type=positive, help="shards of a batch, each with its thread (default: cores)"
    )
