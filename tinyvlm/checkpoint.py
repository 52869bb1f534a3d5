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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from tinyvlm.errors import InputError
from tinyvlm.files import write_atomically

FORMAT = "tinyvlm-1"


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
        raise InputError(f"no checkpoint at {path}; make one with: python -m tinyvlm train")
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
