"""A model as one file: weights, and the description that builds it again (layer 7).

The description names the kind of model and holds its config and its tokenizer; what a kind needs
besides stands there too (a CLIP's templates for labels, a guide's number of location words).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tinyvlm import checkpoint
from tinyvlm.errors import InputError
from tinyvlm.models.clip import CLIP, CLIPConfig
from tinyvlm.models.paligemma import PaliGemma, PaliGemmaConfig
from tinyvlm.nn import init
from tinyvlm.nn.module import Module
from tinyvlm.tensor import Tensor, no_grad
from tinyvlm.text import Tokenizer, tokenizer_from_json
from tinyvlm.text.locations import location_words

WEIGHTS = Path(__file__).parents[1] / "data" / "weights"  # of a clone; a wheel has none
SHIPPED = {"clip-museum": "train clip", "guide-museum": "train museum"}  # and what makes it
M = TypeVar("M", CLIP, PaliGemma)


def describe(
    model: CLIP | PaliGemma, tokenizer: Tokenizer, trained_on: str, **needs: Any
) -> dict[str, Any]:
    """What a file must say so that load_model can build the model again.

    needs: templates=[...] for a CLIP, bins=... for a PaliGemma.
    """
    kind = next(name for name, kind in KINDS.items() if type(model) is kind.model)
    return {
        "kind": kind,
        "config": checkpoint.config_to_json(model.config),
        "tokenizer": tokenizer.to_json(),
        "trained_on": trained_on,
        **needs,
    }


def save_model(path: str | os.PathLike, model: Module, about: dict[str, Any]) -> None:
    """The weights alone, without the optimizer: a third of a training checkpoint."""
    checkpoint.save(path, {f"model.{name}": a for name, a in model.state_dict().items()}, about)


def load_model(path: str | os.PathLike, kind: type[M]) -> tuple[M, Tokenizer, dict[str, Any]]:
    """Build the model that a checkpoint describes: (model, tokenizer, about).

    kind: the class that is wanted, CLIP or PaliGemma.
    Raises InputError when the file holds another, is no checkpoint, or does not fit what it
    describes.
    """
    arrays, about = checkpoint.load(path)
    try:
        stored = KINDS[about["kind"]]
        if stored.model is not kind:
            raise ValueError(
                f"it holds a {stored.model.__name__}; give a file with a {kind.__name__}"
            )
        config = checkpoint.config_from_json(stored.config, about["config"])
        tokenizer = tokenizer_from_json(about["tokenizer"])
        check_depth(about["config"], len(arrays))
        with init.no_values():  # sizes that don't fit are refused before they take memory
            model = kind(config, np.random.default_rng(0))
        model.load_state_dict(checkpoint.select(arrays, "model"))
        stored.try_out(model.eval(), tokenizer, about)
    except KeyError as error:
        raise InputError(f"{path}: its description lacks or does not know {error}") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    except (TypeError, AttributeError, ArithmeticError, LookupError, MemoryError) as error:
        raise InputError(f"{path}: its description makes no model ({error})") from error
    return model, tokenizer, about


def shipped(name: str) -> Path:
    """The file of a model that comes with a clone. Raises InputError where there is none."""
    path = WEIGHTS / f"{name}.safetensors"
    if not path.exists():
        raise InputError(
            f"{path} is missing; use a clone of the repository, or train one with: "
            f"python -m tinyvlm {SHIPPED[name]}"
        )
    return path


# A damaged description


def check_depth(config: Mapping[str, Any], stored: int) -> None:
    """Raises ValueError when a stack has more blocks than the file has arrays (up to 100 pass: what
    they miss is listed later)."""
    if max(depths(config)) > max(stored, 100):
        raise ValueError(f"its config has more blocks than the file has arrays ({stored})")


def depths(config: Mapping[str, Any]) -> Iterator[int]:
    """Every "depth" of a nested config."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from depths(value)
        elif name == "depth":
            yield value


# One black picture and one text go through everything, so that what a damaged description breaks (a
# function that does not exist, -1 heads) raises when the file is read and not later. Which numbers
# come out does not matter.


@no_grad()
def try_clip(model: CLIP, tokenizer: Tokenizer, about: Mapping[str, Any]) -> None:
    templates = about["templates"]
    if not isinstance(templates, list) or not templates:
        raise ValueError("it has no templates for labels")
    check_vocabulary(tokenizer, model.config.text.vocab_size)
    ids = tokenizer.batch([t.format("label") for t in templates], model.config.text.length)
    with np.errstate(all="ignore"):
        model(black_picture(model.config.vision.image_size), ids)


@no_grad()
def try_paligemma(model: PaliGemma, tokenizer: Tokenizer, about: Mapping[str, Any]) -> None:
    check_vocabulary(tokenizer, model.config.language.vocab_size)
    if model.config.pad_id != tokenizer.pad_id:
        raise ValueError(f"its tokenizer pads with {tokenizer.pad_id}, not {model.config.pad_id}")
    unknown = tokenizer.unknown(" ".join(location_words(about["bins"])))
    if unknown:
        raise ValueError(f"its tokenizer lacks the location word {unknown[0]}")
    ids = np.array([[tokenizer.bos_id, tokenizer.eos_id]])
    with np.errstate(all="ignore"):
        model(black_picture(model.config.vision.image_size), ids, ids == tokenizer.eos_id)


def check_vocabulary(tokenizer: Tokenizer, V: int) -> None:
    if tokenizer.vocab_size > V:
        raise ValueError(f"its tokenizer has {tokenizer.vocab_size} ids, its model {V}")


def black_picture(size: int) -> Tensor:
    return Tensor(np.zeros((1, 3, size, size), np.float32))


class Kind(NamedTuple):
    model: type[Module]
    config: type
    try_out: Callable[[Any, Tokenizer, Mapping[str, Any]], None]


KINDS = {
    "clip": Kind(CLIP, CLIPConfig, try_clip),
    "paligemma": Kind(PaliGemma, PaliGemmaConfig, try_paligemma),
}
