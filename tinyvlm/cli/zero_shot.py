"""`zero-shot`: which of the given labels fits a picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tinyvlm.cli.arguments import add_command

EXAMPLES = """\
  python -m tinyvlm zero-shot picture.png "red star" "blue circle" "red circle"
  python -m tinyvlm zero-shot photo.jpg cat dog horse --model runs/clip-pets/checkpoint.safetensors
  python -m tinyvlm zero-shot picture.png "red star" --show map.png"""


def add(commands: Any) -> None:
    parser = add_command(commands, "zero-shot", "say which label fits a picture", EXAMPLES)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="any picture file")
    parser.add_argument("labels", nargs="+", metavar="LABEL", help="words, without article")
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help="a checkpoint (default: the museum's)"
    )
    parser.add_argument(
        "--show", type=Path, metavar="FILE", help="write the picture with each label's patches"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    import numpy as np

    from tinyvlm import images, model_files, zero_shot
    from tinyvlm.errors import InputError
    from tinyvlm.models.clip import CLIP

    picture = images.load(arguments.image)
    path = arguments.model or model_files.shipped("clip-museum")
    model, words, about = model_files.load_model(path, CLIP)
    unknown = {word for label in arguments.labels for word in words.unknown(label)}
    if unknown:
        print(f"never seen in training: {', '.join(sorted(unknown))}")
    square = images.to_square(picture, model.config.vision.image_size)
    classes = zero_shot.classifier(
        model, words, arguments.labels, about["templates"], model.config.text.length
    )
    vectors = zero_shot.embed_pictures(model, square[None])
    sureness = zero_shot.probabilities(vectors, classes, model.scale)[0]
    if not np.isfinite(sureness).all():
        raise InputError(f"{path}: its weights are damaged; its answers are no numbers")
    width = max(len(label) for label in arguments.labels)
    for i in sureness.argsort()[::-1]:
        print(f"{arguments.labels[i]:<{width}}  {sureness[i]:.3f}  {'#' * round(40 * sureness[i])}")
    if len(arguments.labels) == 1:
        print("one label is always chosen; give at least two to compare")
    if arguments.show:
        show_patches(arguments.show, model, words, square, arguments.labels)
        print(f"wrote {arguments.show}")


def show_patches(path: Path, model: Any, words: Any, square: Any, labels: list[str]) -> None:
    """The picture once a label, lit where the patches are nearer to it than to the other labels."""
    import numpy as np

    from tinyvlm import images, show
    from tinyvlm.models.clip import patch_similarity
    from tinyvlm.tensor import Tensor
    from tinyvlm.text import with_article

    ids = words.batch([with_article(label) for label in labels], model.config.text.length)
    maps = patch_similarity(model, Tensor(images.to_model(square[None])), ids)[0]
    if len(labels) > 1:
        maps = maps - maps.mean(axis=0)  # what sets each label apart from the others
    pictures = [np.asarray(show.overlay(square, heat)) for heat in maps]
    images.save(np.asarray(show.grid(pictures, labels, columns=min(4, len(labels)))), path)
