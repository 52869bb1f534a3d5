"""A user's own pictures: a folder per class, or a folder with metadata.csv or metadata.jsonl.

    ROOT/CLASS/*.jpg                                  ClassFolder
    ROOT/metadata.csv, columns file_name and text     CaptionFolder; several rows for one file
    ROOT/metadata.jsonl, keys file_name and text      are several captions of it
    ROOT/train/ and ROOT/test/, each one of these     what open_folder calls train and test

The layout is that of Hugging Face's imagefolder. Nothing outside ROOT is read: "..", absolute
paths and links that lead out of it raise InputError. Pictures are decoded when asked for.
"""

import copy
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinyvlm import images
from tinyvlm.datasets.confined import check_folder, is_inside, natural, quote, visible
from tinyvlm.datasets.picture_set import PictureSet
from tinyvlm.datasets.text_files import lines, table
from tinyvlm.errors import InputError

METADATA = ("metadata.csv", "metadata.jsonl")


class ClassFolder(PictureSet):
    """ROOT/CLASS/*.jpg: a folder per class, its name the class ("golden_retriever").

    `classes` are the names as words ("golden retriever") in natural order, or the order given;
    `labels` (len,) int64 are indices into them. Raises InputError if there is no picture.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        size: int | None = None,
        classes: Sequence[str] | None = None,
    ):
        super().__init__(root, size)
        found = self._find()
        self.classes = list(classes) if classes is not None else list(found)
        names: list[str] = []
        labels: list[int] = []
        for words, pictures in found.items():
            if words not in self.classes:
                known = ", ".join(self.classes)
                raise InputError(f"{quote(self.root)}: class {words!r} is none of {known}")
            names += pictures
            labels += [self.classes.index(words)] * len(pictures)
        if not names:
            raise _neither(self.root)
        self.names = names
        self.labels = np.array(labels, np.int64)  # (len,)

    def _find(self) -> dict[str, list[str]]:
        """Names of each class's pictures; a folder without pictures is no class."""
        found: dict[str, list[str]] = {}
        for folder in visible(self.root, self.root):
            if not folder.is_folder:
                continue
            path = self.root / folder.name
            pictures = []
            for entry in visible(path, self.root):
                if entry.is_folder:
                    reason = "a folder inside a class is not read"
                    self.skipped.append((path / entry.name, reason))
                elif _is_picture(entry.name):
                    pictures.append(f"{folder.name}/{entry.name}")
            words = class_words(folder.name)
            if words in found:
                raise InputError(f"{quote(path)} is {words!r} a second time; rename the folder")
            if pictures:
                found[words] = pictures
            else:
                self.skipped.append((path, "no pictures in it"))
        return found

    def only(self, classes: Sequence[str]) -> "ClassFolder":
        """The same folder with these classes alone, numbered in the order given."""
        unknown = [name for name in classes if name not in self.classes]
        if unknown:
            raise InputError(f"{quote(self.root)} has no class {unknown[0]!r}")
        chosen = copy.copy(self)
        chosen.classes = list(classes)
        labels = self._labels_among(chosen.classes)
        chosen.names = [self.names[i] for i in np.flatnonzero(labels >= 0).tolist()]
        chosen.labels = labels[labels >= 0]
        return chosen

    def among(self, classes: Sequence[str]) -> "ClassFolder":
        """The same pictures, their classes numbered as in a longer list that has all of them."""
        other = copy.copy(self)
        other.classes = list(classes)
        other.labels = self._labels_among(other.classes)
        return other

    def renamed(self, classes: Sequence[str]) -> "ClassFolder":
        """The same pictures under other class names, one for each, in their order."""
        if len(classes) != len(self.classes):
            raise InputError(f"{len(self.classes)} class names are needed, got {len(classes)}")
        other = copy.copy(self)
        other.classes = list(classes)
        return other

    def _labels_among(self, classes: list[str]) -> np.ndarray:
        """(len,) int64: the number of each picture's class in another list, or -1."""
        new = [classes.index(name) if name in classes else -1 for name in self.classes]
        return np.array(new, np.int64)[self.labels]

    def _facts(self, index: int) -> dict:
        return {"label": int(self.labels[index])}


class CaptionFolder(PictureSet):
    """Pictures and their captions, from ROOT/metadata.csv or ROOT/metadata.jsonl.

    `captions[i]` are the texts of `paths[i]`, in the order of the file. Rows whose text is empty
    are left out and counted in `empty_captions`. Raises InputError, naming file and line, for a
    missing column, a malformed row, or a path that leaves the folder.
    """

    def __init__(self, root: str | os.PathLike, size: int | None = None):
        super().__init__(root, size)
        metadata = _find_metadata(self.root)
        if metadata is None:
            raise InputError(f"{quote(self.root)} has no metadata.csv and no metadata.jsonl")
        self.empty_captions = 0
        captions: dict[str, list[str]] = {}
        rows = _csv_rows if metadata.suffix == ".csv" else _jsonl_rows
        for where, file_name, text in rows(metadata):
            try:
                name = self.confined.name(file_name)
            except InputError as error:
                raise InputError(f"{where}: {error}") from error
            of_picture = captions.setdefault(name, [])
            if text.strip():
                of_picture.append(text.strip())
            else:
                self.empty_captions += 1
        for name, of_picture in captions.items():
            if not of_picture:
                self.skipped.append((self.root / name, "no caption"))
        self.names = [name for name in captions if captions[name]]
        self.captions = [captions[name] for name in self.names]
        if not self.names:
            raise InputError(f"{quote(metadata)} has no row with a file_name and a text; add some")

    def _facts(self, index: int) -> dict:
        return {"captions": list(self.captions[index])}


class Splits(NamedTuple):
    train: ClassFolder | CaptionFolder
    test: ClassFolder | CaptionFolder | None


def open_folder(root: str | os.PathLike, size: int | None = None) -> Splits:
    """Find out which kind of folder this is; `test` is None unless it has train/ and test/.

    A metadata file wins. The classes of train/ and test/ are numbered together, so a class that
    only test/ has (zero-shot) keeps its own label. Raises InputError, in one line, saying what a
    folder must look like.
    """
    root = check_folder(root)
    if _find_metadata(root) is None:
        halves = [root / name for name, _ in visible(root, root) if name in ("train", "test")]
        if len(halves) == 2 and all(_holds_data(half) for half in halves):
            test, train = (_open_one(half, size) for half in halves)
            if isinstance(train, ClassFolder) and isinstance(test, ClassFolder):
                classes = sorted({*train.classes, *test.classes}, key=natural)
                train, test = train.among(classes), test.among(classes)
            return Splits(train, test)
    return Splits(_open_one(root, size), None)


def class_words(name: str) -> str:
    """A folder's name as words for a prompt: "golden_retriever" -> "golden retriever"."""
    return " ".join(name.replace("_", " ").split()) or name


def _open_one(root: Path, size: int | None) -> ClassFolder | CaptionFolder:
    if _find_metadata(root) is not None:
        return CaptionFolder(root, size)
    return ClassFolder(root, size)


def _holds_data(root: Path) -> bool:
    """Whether train/ is half of a data set; one that has pictures itself is a class "train"."""
    if not os.path.isdir(root):
        return False
    inside = visible(root, root)
    has_pictures = any(_is_picture(entry.name) for entry in inside)
    has_classes = any(entry.is_folder for entry in inside) and not has_pictures
    return has_classes or _find_metadata(root) is not None


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in images.EXTENSIONS


def _neither(root: Path) -> InputError:
    return InputError(
        f"{quote(root)} is no folder of pictures: it needs a folder per class (ROOT/CLASS/*.jpg), "
        "or a metadata.csv with the columns file_name,text, or train/ and test/ with one of these"
    )


def _find_metadata(root: Path) -> Path | None:
    found = [root / name for name in METADATA if os.path.isfile(root / name)]
    if len(found) == 2:
        raise InputError(f"{quote(root)} has metadata.csv and metadata.jsonl; keep one of them")
    if found and not is_inside(root, found[0]):
        raise InputError(f"{quote(found[0])} is a link that leaves the folder; copy the file")
    return found[0] if found else None


def _csv_rows(path: Path) -> Iterator[tuple[str, str, str]]:
    """(where, file_name, text) of each row; rows of empty cells only are passed over."""
    columns: list[str] = []
    for line, row in table(path):
        where = f"{quote(path)}, {line}"
        if isinstance(row, InputError):
            raise row
        if not columns:
            columns = [name.strip() for name in row]
            _check_columns(columns, where)
            continue
        if len(row) != len(columns):
            raise InputError(
                f"{where}: {len(row)} fields under {len(columns)} columns; "
                "put a text that has commas in double quotes"
            )
        cells = dict(zip(columns, row, strict=True))
        yield where, cells["file_name"].strip(), cells["text"]


def _jsonl_rows(path: Path) -> Iterator[tuple[str, str, str]]:
    """(where, file_name, text) of each line; empty lines are passed over."""
    for number, line in enumerate(lines(path), 1):
        where = f"{quote(path)}, line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if "\\u" in line:
                json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair is no text
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: not valid JSON; write one object a line") from error
        if not isinstance(row, dict):
            raise InputError(f"{where}: not a JSON object; write one object a line")
        _check_columns(list(row), where)
        for key in ("file_name", "text"):
            if not isinstance(row[key], str):
                raise InputError(f"{where}: {key} must be a string, got {row[key]!r:.60}")
        yield where, row["file_name"], row["text"]


def _check_columns(columns: list[str], where: str) -> None:
    for wanted in ("file_name", "text"):
        if wanted not in columns:
            found = ", ".join(columns)
            raise InputError(f"{where}: no column {wanted!r} in {found!r:.100}; add or rename it")
