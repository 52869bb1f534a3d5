"""NLVR: sentences that are true or false of a picture of three boxes (layer 4).

Suhr et al. 2017, "A corpus of natural language for visual reasoning"; data CC BY 4.0. The official
layout: ROOT/SPLIT/SPLIT.json, one object a line (sentence, label "true" or "false", identifier,
directory), and the pictures ROOT/SPLIT/images/DIRECTORY/SPLIT-IDENTIFIER-ORDER.png. A sentence has
six pictures, the same three boxes in every order; a copy of the data may have fewer. Left out: the
list of objects (structured_rep) and the single votes (evals).
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinyvlm.datasets.confined import quote
from tinyvlm.datasets.fields import check_object, text
from tinyvlm.datasets.picture_set import PictureSet
from tinyvlm.datasets.text_files import check_file, lines
from tinyvlm.errors import InputError

ORDERS = 6  # of three boxes
LABELS = {"false": 0, "true": 1}


class Row(NamedTuple):
    sentence: str
    label: int
    identifier: str
    directory: str


class NLVR(PictureSet):
    """A sample a picture: `qa` is the sentence and ["true"] or ["false"], `label` 1 or 0.

    `sentences` and `identifiers` are lists with one entry a picture, `labels` and `orders` (len,)
    int64; the pictures of a sentence stand together. Accuracy is counted over pictures, and
    consistency over sentences: all pictures of one identifier must be right. Raises InputError for
    a split that is not there or has another form.
    """

    def __init__(self, root: str | os.PathLike, split: str = "dev", size: int | None = None):
        path = check_file(Path(root) / split / f"{split}.json")
        super().__init__(path.parent, size)
        self.confined.check(path)
        self._listed: dict[str, set[str]] = {}
        found = [(row, *picture) for row in self._rows(path) for picture in self._pictures(row)]
        if not found:
            first = self.skipped[0][1] if self.skipped else "no lines"
            raise InputError(f"{quote(path)} has no sentence whose picture is there; {first}")
        self.names = [name for _, _, name in found]
        self.sentences = [row.sentence for row, _, _ in found]
        self.identifiers = [row.identifier for row, _, _ in found]
        self.labels = np.array([row.label for row, _, _ in found], np.int64)  # (len,)
        self.orders = np.array([order for _, order, _ in found], np.int64)  # (len,)

    def _rows(self, path: Path) -> Iterator[Row]:
        """The good rows that have a picture."""
        for number, line in enumerate(lines(path), 1):
            if not line.strip():
                continue
            try:
                row = _parse(line)
                if not self._pictures(row):
                    raise InputError(f"no picture {self._name(row, 0)} nor another of its orders")
            except InputError as error:
                self.skipped.append((path, f"line {number}: {error}"))
            else:
                yield row

    def _pictures(self, row: Row) -> list[tuple[int, str]]:
        """(order, name) of the row's pictures that are there."""
        folder = f"images/{row.directory}"
        if folder not in self._listed:
            path = self.root / folder
            self._listed[folder] = set(os.listdir(path)) if os.path.isdir(path) else set()
        names = [(order, self._name(row, order)) for order in range(ORDERS)]
        there = [(order, name) for order, name in names if name in self._listed[folder]]
        return [(order, self.confined.name(f"{folder}/{name}")) for order, name in there]

    def _name(self, row: Row, order: int) -> str:
        return f"{self.root.name}-{row.identifier}-{order}.png"

    def _facts(self, index: int) -> dict:
        label = int(self.labels[index])
        return {
            "qa": [(self.sentences[index], ["true" if label else "false"])],
            "label": label,
            "meta": {"identifier": self.identifiers[index], "order": int(self.orders[index])},
        }


def _parse(line: str) -> Row:
    try:
        row = check_object(json.loads(line))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):  # which is a ValueError
            raise
        raise InputError("not valid JSON") from error
    label, identifier, directory = (text(row, k) for k in ("label", "identifier", "directory"))
    if label not in LABELS:
        raise InputError(f"label must be true or false, got {label!r:.40}")
    if not re.fullmatch(r"[0-9]+-[0-9]+", identifier) or not re.fullmatch("[0-9]+", directory):
        raise InputError(f"no identifier {identifier!r:.40} and directory {directory!r:.40}")
    return Row(text(row, "sentence"), LABELS[label], identifier, directory)
