"""What `ask`, `caption` and `detect` share: arguments, the guide they open, what it can't know."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from tinyvlm.cli.arguments import add_command, add_seed, positive

MOST_TOKENS = 64  # of an answer; the longest caption of the museum has 32
CELL = 192  # pixels a side of a picture that is shown: four times the museum's


class Guide(NamedTuple):
    """A model, and the picture it is asked about."""

    path: Path  # of the model's file
    model: Any  # a PaliGemma
    words: Any  # its Tokenizer
    about: dict[str, Any]  # its description
    picture: Any  # (Y, X, 3) uint8, the user's own
    square: Any  # (Y, X, 3) uint8, what the model sees of it


def add_guide_command(
    commands: Any, name: str, help: str, examples: str, shown: str
) -> argparse.ArgumentParser:
    """A sub-command with a picture and a model; `shown` is what --show writes."""
    parser = add_command(commands, name, help, examples)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="any picture file")
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help="a guide's checkpoint (default: the museum's)"
    )
    parser.add_argument("--show", type=Path, metavar="FILE", help=f"write {shown}")
    return parser


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """Without any of the first three the most probable token is taken."""
    parser.add_argument(
        "--temperature", type=float, metavar="T", help="draw the words; below 1 sharper"
    )
    parser.add_argument(
        "--top-p", type=float, metavar="P", help="draw from the fewest that hold the probability P"
    )
    parser.add_argument("--top-k", type=positive, metavar="K", help="draw from the K likeliest")
    add_seed(parser)


def open_guide(arguments: argparse.Namespace) -> Guide:
    """The picture and the model that the arguments name; nothing is printed yet."""
    from tinyvlm import images, model_files
    from tinyvlm.models.paligemma import PaliGemma

    picture = images.load(arguments.image)
    path = arguments.model or model_files.shipped("guide-museum")
    model, words, about = model_files.load_model(path, PaliGemma)
    square = images.to_square(picture, model.config.vision.image_size)
    return Guide(path, model, words, about, picture, square)


def answers(
    guide: Guide, prompt: str, arguments: argparse.Namespace | None = None, count: int = 1
) -> list[Any]:
    """What the guide says to a prompt: `count` answers that begin differently, or one that is
    drawn where the arguments of add_sampling ask for it. Raises InputError for damaged weights."""
    import numpy as np

    from tinyvlm.errors import InputError
    from tinyvlm.generate import Sampling
    from tinyvlm.respond import different_answers, respond

    options: dict[str, Any] = {"max_tokens": MOST_TOKENS}
    names = ("temperature", "top_p", "top_k")
    given: dict[str, Any] = {n: v for n in names if (v := getattr(arguments, n, None)) is not None}
    with np.errstate(all="ignore"):  # damaged weights are told in one line, below
        if given and arguments is not None:
            options |= {"sampling": Sampling(**given), "rng": np.random.default_rng(arguments.seed)}
            said = respond(guide.model, guide.words, guide.square[None], [prompt], **options)
        else:
            said = different_answers(
                guide.model, guide.words, guide.square, prompt, count, **options
            )
    if not np.isfinite([answer.probability for answer in said]).all():
        raise InputError(f"{guide.path}: its weights are damaged; its answers are no numbers")
    return said


def say_limits(guide: Guide, answer: Any) -> None:
    """A line for each reason not to trust the answer."""
    if answer.unknown:
        print(f"never seen in training: {', '.join(answer.unknown)}")
    (Y, X), (own_Y, own_X) = guide.square.shape[:2], guide.picture.shape[:2]
    if (own_Y, own_X) != (Y, X):
        known = " ".join(str(guide.about.get("trained_on", "other pictures")).split())
        print(f"the guide knows only {known}, {X} x {Y} pixels; this picture has {own_X} x {own_Y}")
    if not answer.finished:
        print(f"the answer has no end; it was cut after {MOST_TOKENS} tokens")


def say(answer: Any) -> str:
    """An answer and its probability."""
    return f"{answer.text or '(nothing)'}  {score(answer.probability)}"


def score(probability: float) -> str:
    """0.934, or 0.0004: a sentence that can be put in many ways has a small one."""
    return f"{probability:.3f}" if probability >= 0.001 else f"{probability:.1g}"


def show_words(path: Path, guide: Guide, prompt: str, answer: Any) -> None:
    """Write the picture once a word of the answer, lit where the guide looked to say it.

    Under it the word's probability, and the share of the attention that went to the picture: the
    light is as bright where that is little.
    """
    import numpy as np

    from tinyvlm import images, show
    from tinyvlm.respond import attention_of_words

    words, maps = attention_of_words(guide.model, guide.words, guide.square, prompt, answer.ids)
    pictures = [np.asarray(show.overlay(guide.square, heat, CELL)) for heat in maps]
    captions = [
        f"{word} {p:.2f}, picture {heat.sum():.0%}"
        for word, (_, p), heat in zip(words, answer.tokens, maps, strict=True)
    ]
    if not words:
        pictures, captions = [guide.square], ["(nothing)"]
    columns = min(6, len(pictures))
    images.save(np.asarray(show.grid(pictures, captions, columns, CELL)), path)
    print(f"wrote {path}")
