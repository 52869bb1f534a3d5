"""Checkpoints: named arrays and a JSON description in one safetensors file (layer 7).

The format is safetensors (github.com/huggingface/safetensors): a length, a JSON header, numbers.
Nothing in it is code, so nothing is ever unpickled. A file is written beside its final name and
renamed when it is whole: a crash or a full disk leaves the old checkpoint as it was.
"""

from __future__ import annotations

import dataclasses
import json
import os
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from tinyvlm.errors import InputError
from tinyvlm.files import write_atomically
from tinyvlm.models.clip import CLIP, CLIPConfig
from tinyvlm.nn import init
from tinyvlm.tensor import Tensor, no_grad
from tinyvlm.text import Tokenizer, tokenizer_from_json

FORMAT = "tinyvlm-1"
MODELS = {"clip": (CLIP, CLIPConfig)}
WEIGHTS = Path(__file__).parents[1] / "data" / "weights"  # of a clone; a wheel has none


def save(path: str | os.PathLike, arrays: Mapping[str, np.ndarray], about: dict[str, Any]) -> None:
    """Write arrays and the JSON-able description `about` to path, atomically.

    Raises InputError when the file can't be written; whatever stood at path is then unchanged.
    """
    # Trap: safetensors writes an array's memory as it lies, so a transposed view must be copied;
    # and np.ascontiguousarray would make a 0-d array (a temperature) 1-d.
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    metadata = {"format": FORMAT, "about": json.dumps(about)}
    write_atomically(path, safetensors.numpy.save(whole, metadata))


def load(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read (arrays, about). Raises InputError for a missing, damaged or foreign file."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no checkpoint at {path}; make one with: python -m tinyvlm train clip")
    arrays = {}
    try:
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") == FORMAT:  # another's may hold types that NumPy lacks
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged or no safetensors file ({error})") from error
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path} is a safetensors file, but no checkpoint written by tinyvlm")
    try:
        about = json.loads(metadata["about"])
    except (KeyError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: its description is damaged ({error!r})") from error
    if not isinstance(about, dict):
        raise InputError(f"{path}: its description is damaged (no table of names and values)")
    return arrays, about


def select(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose name starts with `prefix.`, under the rest of their name."""
    start = prefix + "."
    return {name[len(start) :]: a for name, a in arrays.items() if name.startswith(start)}


def config_to_json(config: Any) -> dict[str, Any]:
    """A (nested) config dataclass as a JSON-able dict."""
    return dataclasses.asdict(config)


def config_from_json(kind: type, values: Mapping[str, Any]) -> Any:
    """The inverse of config_to_json. Raises InputError for unknown or missing fields."""
    types = typing.get_type_hints(kind)
    if not isinstance(values, Mapping):
        raise InputError(f"the checkpoint's {kind.__name__} is no table of names and values")
    try:
        return kind(
            **{
                name: config_from_json(types[name], value)
                if dataclasses.is_dataclass(types.get(name))
                else value
                for name, value in values.items()
            }
        )
    except TypeError as error:
        raise InputError(f"the checkpoint's {kind.__name__} does not fit: {error}") from error


def describe(
    model: CLIP, tokenizer: Tokenizer, templates: Sequence[str], trained_on: str
) -> dict[str, Any]:
    """What a file must say so that load_model can build the model again."""
    kind = next(name for name, (cls, _) in MODELS.items() if type(model) is cls)
    return {
        "kind": kind,
        "config": config_to_json(model.config),
        "tokenizer": tokenizer.to_json(),
        "templates": list(templates),
        "trained_on": trained_on,
    }


def save_model(path: str | os.PathLike, model: CLIP, about: dict[str, Any]) -> None:
    """The weights alone, without the optimizer: a third of a training checkpoint."""
    save(path, {f"model.{name}": a for name, a in model.state_dict().items()}, about)


def load_model(path: str | os.PathLike) -> tuple[CLIP, Tokenizer, dict[str, Any]]:
    """Build the model that a checkpoint describes: (model, tokenizer, about).

    Raises InputError when the file is no checkpoint or does not fit what it describes.
    """
    arrays, about = load(path)
    try:
        cls, config_class = MODELS[about["kind"]]
        config = config_from_json(config_class, about["config"])
        tokenizer = tokenizer_from_json(about["tokenizer"])
        check_depth(config, len(arrays))
        with init.no_values():  # sizes that don't fit are refused before they take memory
            model = cls(config, np.random.default_rng(0))
        model.load_state_dict(select(arrays, "model"))
        try_out(model.eval(), tokenizer, about["templates"])
    except KeyError as error:
        raise InputError(f"{path}: its description lacks or does not know {error}") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    except (TypeError, AttributeError, ArithmeticError, LookupError, MemoryError) as error:
        raise InputError(f"{path}: its description makes no model ({error})") from error
    return model, tokenizer, about


def check_depth(config: CLIPConfig, stored: int) -> None:
    """Raises ValueError when a tower has more blocks than the file has arrays (up to 100 pass: what
    they miss is listed later)."""
    if max(config.vision.depth, config.text.depth) > max(stored, 100):
        raise ValueError(f"its config has more blocks than the file has arrays ({stored})")


@no_grad()
def try_out(model: CLIP, tokenizer: Tokenizer, templates: Any) -> None:
    """One black picture and one label through everything, so that what a damaged description breaks
    (a function that does not exist, -1 heads) raises here and not later."""
    if not isinstance(templates, list) or not templates:
        raise ValueError("it has no templates for labels")
    V, size = model.config.text.vocab_size, model.config.vision.image_size
    if tokenizer.vocab_size > V:
        raise ValueError(f"its tokenizer has {tokenizer.vocab_size} ids, its model {V}")
    ids = tokenizer.batch([t.format("label") for t in templates], model.config.text.length)
    with np.errstate(all="ignore"):  # which numbers come out does not matter here
        model(Tensor(np.zeros((1, 3, size, size), np.float32)), ids)


def shipped(name: str) -> Path:
    """The file of a model that comes with a clone. Raises InputError where there is none."""
    path = WEIGHTS / f"{name}.safetensors"
    if not path.exists():
        raise InputError(
            f"{path} is missing; use a clone of the repository, or train one with: "
            "python -m tinyvlm train clip"
        )
    return path
