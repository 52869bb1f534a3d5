"""CIFAR-10 and CIFAR-100 in their binary form (layer 4).

Krizhevsky 2009. A file is a row of records: one byte with the class (CIFAR-100: two, the coarse
and the fine class), then 1024 bytes of red, of green and of blue, each 32 rows of 32. The form for
Python is not read: it is pickled, and to unpickle is to run what a file says.
"""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinyvlm import images
from tinyvlm.datasets.confined import quote
from tinyvlm.datasets.folder import class_words
from tinyvlm.datasets.picture_set import PictureSet
from tinyvlm.datasets.sample import OnDemand
from tinyvlm.datasets.text_files import cannot_read, check_file, lines
from tinyvlm.errors import InputError

SIDE = 32
PIXELS = 3 * SIDE * SIDE
BLOCK = 1000  # records read at a time


class Form(NamedTuple):
    train: tuple[str, ...]
    test: tuple[str, ...]
    names: tuple[str, ...]  # a file of class names for each byte of a record's labels


FORMS = {
    "CIFAR-10": Form(
        tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        ("test_batch.bin",),
        ("batches.meta.txt",),
    ),
    "CIFAR-100": Form(
        ("train.bin",), ("test.bin",), ("coarse_label_names.txt", "fine_label_names.txt")
    ),
}


class Cifar(PictureSet):
    """The training or the test pictures of either data set, from the folder of its .bin files.

    `classes` are the names as words, `labels` (len,) int64 indices into them: of CIFAR-100 the 100
    fine classes, while `coarse_classes` and `coarse_labels` have the 20 coarse ones (both empty
    for CIFAR-10). A record whose class has no name, and one that is cut short, is skipped. Raises
    InputError for a folder or a file that can't be read.
    """

    def __init__(self, root: str | os.PathLike, train: bool = True, size: int | None = None):
        super().__init__(root, size)
        form = _form(self.root)
        self.files = [check_file(self.root / name) for name in (form.train if train else form.test)]
        classes = [_class_names(check_file(self.root / name)) for name in form.names]
        found = [self._labels(path, classes) for path in self.files]
        labels = np.concatenate([labels for _, labels in found])  # (len, 1) or (len, 2)
        if not len(labels):
            raise InputError(f"{quote(self.root)} has no usable record; {self.skipped[0][1]}")
        self.record_bytes = len(classes) + PIXELS
        self._record = np.concatenate([records for records, _ in found])  # (len,)
        self._file = np.repeat(np.arange(len(found)), [len(labels) for _, labels in found])
        self.names = OnDemand(len(labels), lambda index: self.files[self._file[index]].name)
        self.classes = classes[-1]
        self.labels = labels[:, -1].astype(np.int64)  # (len,)
        self.coarse_classes = classes[0] if len(classes) == 2 else []
        self.coarse_labels = labels[:, : len(classes) - 1].reshape(-1).astype(np.int64)

    def _labels(self, path: Path, classes: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of a file's good records and their labels, (n,) and (n, kinds of class)."""
        self.confined.check(path)
        count, rest = divmod(path.stat().st_size, len(classes) + PIXELS)
        labels = np.empty((count, len(classes)), np.uint8)
        try:
            with open(path, "rb") as file:
                for start in range(0, count, BLOCK):
                    block = labels[start : start + BLOCK]
                    data = np.fromfile(file, np.uint8, len(block) * (len(classes) + PIXELS))
                    block[:] = data.reshape(len(block), -1)[:, : len(classes)]
        except (OSError, ValueError) as error:  # ValueError: it became shorter
            raise cannot_read(path, error) from error
        known = (labels < [len(names) for names in classes]).all(axis=1)
        for number in np.flatnonzero(~known).tolist():
            reason = f"record {number}: class {labels[number, -1]} has no name"
            self.skipped.append((path, reason))
        if rest:
            self.skipped.append((path, f"record {count}: cut short after {rest} bytes"))
        return np.flatnonzero(known), labels[known]

    def picture(self, index: int, size: int | None = None) -> np.ndarray:
        """Read one picture: (32, 32, 3) uint8, or (size, size, 3); raises InputError."""
        path = self.path(index)
        self.confined.check(path)
        try:
            with open(path, "rb") as file:
                file.seek((int(self._record[index]) + 1) * self.record_bytes - PIXELS)
                data = file.read(PIXELS)
        except OSError as error:
            raise cannot_read(path, error) from error
        if len(data) < PIXELS:
            raise InputError(f"{quote(path)} was changed while it was in use; open it again")
        planes = np.frombuffer(data, np.uint8).reshape(3, SIDE, SIDE)  # (C, Y, X)
        image = np.ascontiguousarray(planes.transpose(1, 2, 0))  # (Y, X, C)
        return image if size is None else images.to_square(image, size)

    def _facts(self, index: int) -> dict:
        meta = {"record": int(self._record[index])}
        if self.coarse_classes:
            meta["coarse_label"] = int(self.coarse_labels[index])
        return {"label": int(self.labels[index]), "meta": meta}


def _form(root: Path) -> Form:
    for form in FORMS.values():
        if any((root / name).is_file() for name in (*form.train, *form.test)):
            return form
    if any((root / name).is_file() for name in ("data_batch_1", "train")):
        raise InputError(
            f"{quote(root)} has CIFAR pickled for Python, which is not read; "
            "get the binary version (cifar-10-binary.tar.gz, cifar-100-binary.tar.gz)"
        )
    raise InputError(
        f"{quote(root)} has no CIFAR: it needs data_batch_1.bin to data_batch_5.bin and "
        "test_batch.bin, or train.bin and test.bin; name the folder they are in"
    )


def _class_names(path: Path) -> list[str]:
    """One name a line; the last line of the official file is empty."""
    names = [class_words(line.strip()) for line in lines(path) if line.strip()]
    if not names or len(set(names)) < len(names):
        raise InputError(f"{quote(path)} must have one class name a line, each once")
    return names
