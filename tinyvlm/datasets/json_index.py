"""An index of a big JSON file, so that it is read through only once (layer 4).

The index says where the items stand that a reader wants: columns of whole numbers, and notes. It
lies beside the JSON file as NAME.KIND.index (a safetensors file: nothing in it can run) and holds
as long as the JSON file keeps its size and its time of change; else, or when it is damaged or of
another version, it is made anew. Items are then read from the JSON file when they are asked for.
"""

import json
import os
import warnings
from array import array
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import safe_open

from tinyvlm.datasets.confined import quote
from tinyvlm.datasets.fields import check_object
from tinyvlm.datasets.json_items import json_items
from tinyvlm.datasets.text_files import cannot_read, check_file
from tinyvlm.errors import InputError
from tinyvlm.files import write_atomically

VERSION = "tinyvlm JSON index 1"

Columns = dict[str, np.ndarray]  # int64
Notes = dict[str, Any]  # what JSON can hold
Span = tuple[int, int]  # first byte, number of bytes
Build = Callable[[Path], tuple[Columns, Notes]]
Check = Callable[[dict], tuple[int, ...]]  # an item -> the numbers to keep; or InputError


class IndexedJson:
    """A JSON file and the columns and notes of its index.

    `build(path)` makes them by reading the whole file; it is called only when there is no index
    that fits. Raises InputError for a file that can't be read, and what `build` raises.
    """

    def __init__(self, path: str | os.PathLike, kind: str, build: Build):
        self.path = check_file(path)
        self.index = self.path.with_name(f"{self.path.name}.{kind}.index")
        self.stamp = _stamp(self.path)
        found = _load(self.index, {"version": VERSION, "kind": kind, **self.stamp})
        if found is None:
            found = build(self.path)
            self._check_unchanged(self.path)
            self._save(kind, *found)
        self.columns, self.notes = found

    def read(self, spans: Iterable[Span]) -> list[dict]:
        """The items, all of them objects, that stand in these places; raises InputError."""
        try:
            with open(self.path, "rb") as file:
                self._check_unchanged(file.fileno())
                return [self._item(file, *span) for span in spans]
        except OSError as error:
            raise cannot_read(self.path, error) from error

    def does_not_fit(self) -> InputError:
        """What to raise for an item that is not the one the index promises."""
        return InputError(
            f"{quote(self.index)} does not fit {quote(self.path)}; delete it, it is made anew"
        )

    def _item(self, file: Any, start: int, length: int) -> dict:
        if start < 0 or length < 0:
            raise self.does_not_fit()
        try:
            file.seek(start)
            item = json.loads(file.read(length))
        except (ValueError, RecursionError) as error:
            raise self.does_not_fit() from error
        if not isinstance(item, dict):
            raise self.does_not_fit()
        return item

    def _check_unchanged(self, file: Path | int) -> None:
        if _stamp(file) != self.stamp:
            raise InputError(f"{quote(self.path)} was changed while it was in use; open it again")

    def _save(self, kind: str, columns: Columns, notes: Notes) -> None:
        about = {"version": VERSION, "kind": kind, **self.stamp, "notes": json.dumps(notes)}
        try:
            write_atomically(self.index, safetensors.numpy.save(columns, about))
        except InputError as error:
            warnings.warn(f"{error}; it will be read through again next time", stacklevel=4)


class Scan:
    """What one reading of a JSON file finds in those of its lists that a reader wants.

    `rows[key]` (items, k + 3) int64: of every item of that list the k numbers that checks[key]
    makes of it, its place in the list, its first byte, its number of bytes. An item for which the
    check raises InputError is left out and named in `skipped`. `texts` are the strings that stand
    beside the lists. Raises InputError for a file with no good item in one of the lists; `form`
    says in a few words what file is expected.
    """

    def __init__(self, path: Path, checks: dict[str, Check], form: str):
        self.skipped: list[str] = []
        self.texts: dict[str, str] = {}
        found = {key: array("q") for key in checks}
        width: dict[str, int] = {}
        for key, number, value, start, stop in json_items(path):
            if number < 0 and isinstance(value, str):
                self.texts[key] = value
            if number < 0 or key not in checks:
                continue
            try:
                row = (*checks[key](check_object(value)), number, start, stop - start)
            except InputError as error:
                self.skipped.append(f"{key}[{number}]: {error}")
            else:
                found[key].extend(row)
                width[key] = len(row)
        for key in checks:
            if key not in width:
                first = next((s for s in self.skipped if s.startswith(f"{key}[")), "none at all")
                raise InputError(f"{quote(path)} is no {form}: no usable {key}; {first}")
        self.rows = {
            key: np.frombuffer(numbers, np.int64).reshape(-1, width[key])
            for key, numbers in found.items()
        }

    def leave_out(self, key: str, broken: np.ndarray, reason: str) -> None:
        """Take rows (broken: a bool each) out again; "{}" in the reason is their first number."""
        for row in self.rows[key][broken].tolist():
            self.skipped.append(f"{key}[{row[-3]}]: {reason.format(row[0])}")
        self.rows[key] = self.rows[key][~broken]


def _stamp(file: Path | int) -> dict[str, str]:
    status = os.stat(file)
    return {"size": str(status.st_size), "mtime_ns": str(status.st_mtime_ns)}


def _load(path: Path, wanted: dict[str, str]) -> tuple[Columns, Notes] | None:
    """Columns and notes of an index file; None unless it is whole and says what is wanted."""
    try:
        with safe_open(path, framework="np") as file:
            about = file.metadata() or {}
            if {key: about.get(key) for key in wanted} != wanted:
                return None
            columns = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            notes = json.loads(about["notes"])
    except Exception:  # missing, damaged, foreign: whatever it is, a new one is made
        return None
    whole = all(column.dtype == np.int64 for column in columns.values())
    return (columns, notes) if whole and isinstance(notes, dict) else None
