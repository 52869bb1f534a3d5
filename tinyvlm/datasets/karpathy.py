"""Karpathy's splits of Flickr8k, Flickr30k and COCO, one JSON file each (layer 4).

Karpathy and Fei-Fei 2015, arXiv 1412.2306: dataset_flickr8k.json, dataset_flickr30k.json,
dataset_coco.json = {"images": [{"filename", "split", "sentences": [{"raw", "tokens"}]}]}; the one
of COCO has "filepath", a folder, too. Its splits are train, val, test, and restval, which most
papers add to train.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinyvlm.datasets.confined import quote, relative_name
from tinyvlm.datasets.fields import check_object, check_text, text
from tinyvlm.datasets.json_index import Columns, IndexedJson, Notes, Scan
from tinyvlm.datasets.picture_set import PictureSet
from tinyvlm.datasets.sample import OnDemand
from tinyvlm.errors import InputError


class KarpathySplit(PictureSet):
    """The pictures of one split, or of several: ("train", "restval").

    `captions[i]` are those of `paths[i]`, as written (the key raw). A sample's meta has "split".
    The file is read through once, into an index beside it. Raises InputError for a file of
    another form, or a split that it does not have.
    """

    def __init__(
        self,
        file: str | os.PathLike,
        pictures: str | os.PathLike,
        split: str | Sequence[str] = "train",
        size: int | None = None,
    ):
        super().__init__(pictures, size)
        self.file = IndexedJson(file, "karpathy", _index)
        columns, splits = self.file.columns, self.file.notes["splits"]
        wanted = [split] if isinstance(split, str) else list(split)
        for name in wanted:
            if name not in splits:
                known = ", ".join(splits)
                path = quote(self.file.path)
                raise InputError(f"{path} has no split {name!r}; it has {known}")
        chosen = np.isin(columns["split"], [splits.index(name) for name in wanted])
        self.spans = np.stack([columns["start"], columns["length"]], axis=1)[chosen]  # (len, 2)
        self.names = OnDemand(len(self.spans), lambda i: self.confined.name(_name(self._row(i))))
        self.captions = OnDemand(len(self.spans), lambda i: _captions(self._row(i)))
        self.skipped = [(self.file.path, reason) for reason in self.file.notes["skipped"]]

    def _row(self, index: int) -> dict:
        start, length = self.spans[index].tolist()
        return self.file.read([(start, length)])[0]

    def _facts(self, index: int) -> dict:
        row = self._row(index)
        return {"captions": _captions(row), "meta": {"split": text(row, "split")}}


def _index(path: Path) -> tuple[Columns, Notes]:
    splits: list[str] = []

    def check(row: dict) -> tuple[int]:
        relative_name(_name(row))
        _captions(row)
        split = text(row, "split")
        if split not in splits:
            splits.append(split)
        return (splits.index(split),)

    scan = Scan(path, {"images": check}, "file of Karpathy's splits")
    split, _, start, length = scan.rows["images"].T.copy()
    columns = {"split": split, "start": start, "length": length}
    return columns, {"splits": splits, "skipped": scan.skipped}


def _name(row: dict) -> str:
    folder = text(row, "filepath") + "/" if "filepath" in row else ""
    return folder + text(row, "filename")


def _captions(row: dict) -> list[str]:
    sentences = row.get("sentences")
    if not isinstance(sentences, list) or not sentences:
        raise InputError("no sentences")
    return [_sentence(check_object(sentence)) for sentence in sentences]


def _sentence(sentence: dict) -> str:
    """As written, or its words in a row where that is missing."""
    if "raw" in sentence:
        return text(sentence, "raw")
    tokens = sentence.get("tokens")
    if not isinstance(tokens, list) or not tokens or not all(isinstance(t, str) for t in tokens):
        raise InputError("a sentence has no raw text and no tokens")
    check_text(" ".join(tokens))
    return " ".join(tokens)
