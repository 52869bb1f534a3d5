"""A user's own pictures: a folder per class, or a folder with metadata.csv or metadata.jsonl.

    ROOT/CLASS/*.jpg                                  ClassFolder
    ROOT/metadata.csv, columns file_name and text     CaptionFolder; several rows for one file
    ROOT/metadata.jsonl, keys file_name and text      are several captions of it
    ROOT/train/ and ROOT/test/, each one of these     what open_folder calls train and test

The layout is that of Hugging Face's imagefolder. Nothing outside ROOT is read: "..", absolute
paths and links that lead out of it raise InputError. Pictures are decoded when asked for.
"""

import copy
import csv
import json
import operator
import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tinyvlm import images
from tinyvlm.datasets.sample import Sample
from tinyvlm.errors import InputError

METADATA = ("metadata.csv", "metadata.jsonl")


class Folder(Sequence[Sample]):
    """What both kinds share: a Sample a picture, its picture read when asked for.

    `paths` has one entry a picture, `skipped` (path, reason) of everything that was not used.
    `size` makes every picture (size, size, 3): the shorter side, then the middle.
    """

    def __init__(self, root: str | os.PathLike, size: int | None = None):
        self.root = _check_root(root)
        self.size = size
        self.paths: list[Path] = []
        self.skipped: list[tuple[Path, str]] = []

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]  # no slices
        index = operator.index(index)
        path = self.paths[index]
        return Sample(partial(_read, path, self.size), meta={"path": path}, **self._facts(index))

    def _facts(self, index: int) -> dict:
        raise NotImplementedError


class ClassFolder(Folder):
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
        labels: list[int] = []
        for words, pictures in found.items():
            if words not in self.classes:
                known = ", ".join(self.classes)
                raise InputError(f"{_quote(self.root)}: class {words!r} is none of {known}")
            self.paths += pictures
            labels += [self.classes.index(words)] * len(pictures)
        if not self.paths:
            raise _neither(self.root)
        self.labels = np.array(labels, np.int64)  # (len,)

    def _find(self) -> dict[str, list[Path]]:
        """Pictures of each class; a folder without pictures is no class."""
        found: dict[str, list[Path]] = {}
        for folder in _visible(self.root, self.root):
            if not os.path.isdir(folder):
                continue
            pictures = []
            for path in _visible(folder, self.root):
                if os.path.isdir(path):
                    self.skipped.append((path, "a folder inside a class is not read"))
                elif _is_picture(path):
                    pictures.append(path)
            words = class_words(folder.name)
            if words in found:
                raise InputError(f"{_quote(folder)} is {words!r} a second time; rename the folder")
            if pictures:
                found[words] = pictures
            else:
                self.skipped.append((folder, "no pictures in it"))
        return found

    def only(self, classes: Sequence[str]) -> "ClassFolder":
        """The same folder with these classes alone, numbered in the order given."""
        unknown = [name for name in classes if name not in self.classes]
        if unknown:
            raise InputError(f"{_quote(self.root)} has no class {unknown[0]!r}")
        chosen = copy.copy(self)
        chosen.classes = list(classes)
        names = [self.classes[label] for label in self.labels]
        kept = [i for i, name in enumerate(names) if name in classes]
        chosen.paths = [self.paths[i] for i in kept]
        chosen.labels = np.array([chosen.classes.index(names[i]) for i in kept], np.int64)
        return chosen

    def renamed(self, classes: Sequence[str]) -> "ClassFolder":
        """The same pictures under other class names, one for each, in their order."""
        if len(classes) != len(self.classes):
            raise InputError(f"{len(self.classes)} class names are needed, got {len(classes)}")
        other = copy.copy(self)
        other.classes = list(classes)
        return other

    def _facts(self, index: int) -> dict:
        return {"label": int(self.labels[index])}


class CaptionFolder(Folder):
    """Pictures and their captions, from ROOT/metadata.csv or ROOT/metadata.jsonl.

    `captions[i]` are the texts of `paths[i]`, in the order of the file. Rows whose text is empty
    are left out and counted in `empty_captions`. Raises InputError, naming file and line, for a
    missing column, a malformed row, or a path that leaves the folder.
    """

    def __init__(self, root: str | os.PathLike, size: int | None = None):
        super().__init__(root, size)
        metadata = _find_metadata(self.root)
        if metadata is None:
            raise InputError(f"{_quote(self.root)} has no metadata.csv and no metadata.jsonl")
        self.empty_captions = 0
        captions: dict[Path, list[str]] = {}
        rows = _csv_rows if metadata.suffix == ".csv" else _jsonl_rows
        for where, file_name, text in rows(metadata):
            of_picture = captions.setdefault(_confined_path(self.root, file_name, where), [])
            if text.strip():
                of_picture.append(text.strip())
            else:
                self.empty_captions += 1
        for path, of_picture in captions.items():
            if not of_picture:
                self.skipped.append((path, "no caption"))
        self.paths = [path for path in captions if captions[path]]
        self.captions = [captions[path] for path in self.paths]
        if not self.paths:
            raise InputError(f"{_quote(metadata)} has no row with a file_name and a text; add some")

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
    root = _check_root(root)
    if _find_metadata(root) is None:
        halves = [path for path in _visible(root, root) if path.name in ("train", "test")]
        if len(halves) == 2 and all(_holds_data(half) for half in halves):
            test, train = (_open_one(half, size) for half in halves)
            if isinstance(train, ClassFolder) and isinstance(test, ClassFolder):
                classes = sorted({*train.classes, *test.classes}, key=_natural)
                train = ClassFolder(train.root, size, classes)
                test = ClassFolder(test.root, size, classes)
            return Splits(train, test)
    return Splits(_open_one(root, size), None)


def load_pictures(folder: Folder, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode all pictures into one array, with a progress bar.

    Returns pictures (N, size, size, 3) uint8 and the indices (N,) into the folder that they have.
    Unreadable ones are left out and logged in `folder.skipped`; raises InputError if all are.
    """
    try:
        pictures = np.empty((len(folder), size, size, 3), np.uint8)
    except MemoryError as error:
        gigabytes = len(folder) * size * size * 3 / 1e9
        message = f"{len(folder)} pictures need {gigabytes:.0f} GB of memory; use a smaller size"
        raise InputError(message) from error
    kept: list[int] = []
    failed: list[tuple[Path, str]] = []
    for index, path in enumerate(tqdm(folder.paths, desc="reading pictures", unit="picture")):
        try:
            pictures[len(kept)] = _read(path, size)  # (size, size, 3)
        except InputError as error:
            failed.append((path, str(error)))
        else:
            kept.append(index)
    known = set(folder.skipped)
    folder.skipped += [entry for entry in failed if entry not in known]
    if not kept:
        raise InputError(f"no picture of {_quote(folder.root)} can be read; first: {failed[0][1]}")
    return pictures[: len(kept)], np.array(kept, np.int64)


def class_words(name: str) -> str:
    """A folder's name as words for a prompt: "golden_retriever" -> "golden retriever"."""
    return " ".join(name.replace("_", " ").split()) or name


def _read(path: Path, size: int | None) -> np.ndarray:
    image = images.load(path)
    return image if size is None else images.to_square(image, size)


def _open_one(root: Path, size: int | None) -> ClassFolder | CaptionFolder:
    if _find_metadata(root) is not None:
        return CaptionFolder(root, size)
    return ClassFolder(root, size)


def _holds_data(root: Path) -> bool:
    """Whether train/ is half of a data set; one that has pictures itself is a class "train"."""
    if not os.path.isdir(root):
        return False
    inside = _visible(root, root)
    has_classes = any(map(os.path.isdir, inside)) and not any(map(_is_picture, inside))
    return has_classes or _find_metadata(root) is not None


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in images.EXTENSIONS


def _check_root(root) -> Path:
    path = Path(root)
    if os.path.isdir(path):
        return path
    if os.path.exists(path):
        raise InputError(f"{_quote(path)} is no folder; unpack it, or name the folder it is in")
    raise InputError(f"{_quote(path)} does not exist; name a folder of pictures")


def _neither(root: Path) -> InputError:
    return InputError(
        f"{_quote(root)} is no folder of pictures: it needs a folder per class (ROOT/CLASS/*.jpg), "
        "or a metadata.csv with the columns file_name,text, or train/ and test/ with one of these"
    )


def _quote(path) -> str:
    return repr(os.fspath(path))


def _natural(name: str) -> tuple:
    """Sort key: 2 before 10, capitals beside small letters; the name itself decides a tie."""
    parts = re.split(r"([0-9]+)", name.casefold())  # text, digits, text, digits, ...
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def _visible(folder: Path, root: Path) -> list[Path]:
    """What is in a folder, without hidden files, in natural order; links may not leave `root`."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_symlink()) for entry in entries]
    except OSError as error:
        message = f"{_quote(folder)} can't be listed ({error.strerror}); check its permissions"
        raise InputError(message) from error
    paths = []
    for name, is_link in sorted(found, key=lambda item: _natural(item[0])):
        if name.startswith("."):
            continue
        path = folder / name
        if is_link and not _is_inside(root, path):
            raise InputError(f"{_quote(path)} is a link that leaves {_quote(root)}; copy the file")
        paths.append(path)
    return paths


def _is_inside(root: Path, path: Path) -> bool:
    """Whether a path, with every link followed, stays in the folder."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def _find_metadata(root: Path) -> Path | None:
    found = [root / name for name in METADATA if os.path.isfile(root / name)]
    if len(found) == 2:
        raise InputError(f"{_quote(root)} has metadata.csv and metadata.jsonl; keep one of them")
    if found and not _is_inside(root, found[0]):
        raise InputError(f"{_quote(found[0])} is a link that leaves the folder; copy the file")
    return found[0] if found else None


def _confined_path(root: Path, file_name: str, where: str) -> Path:
    """ROOT/file_name, or InputError if it is no relative path that stays in the folder."""
    if not file_name or "\0" in file_name:
        raise InputError(f"{where}: file_name {file_name!r} names no file; correct the row")
    portable = file_name.replace("\\", "/")  # written on Windows, read anywhere
    path = root / portable
    outside = portable.startswith("/") or PureWindowsPath(portable).drive
    if outside or ".." in portable.split("/") or not _is_inside(root, path):
        raise InputError(
            f"{where}: file_name {file_name!r} leaves the folder; use a path inside {_quote(root)}"
        )
    return path


def _lines(path: Path) -> list[str]:
    """Lines of a UTF-8 file with their line ends, with or without a byte-order mark."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return file.readlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{_quote(path)} is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        reason = error.strerror
        raise InputError(f"{_quote(path)} can't be read ({reason}); check it") from error


def _csv_rows(path: Path) -> Iterator[tuple[str, str, str]]:
    """(where, file_name, text) of each row; rows of empty cells only are passed over."""
    reader = csv.reader(_lines(path), strict=True)
    columns: list[str] = []
    try:
        for row in reader:
            where = f"{_quote(path)}, line {reader.line_num}"
            if not any(cell.strip() for cell in row):
                continue
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
    except csv.Error as error:
        where = f"{_quote(path)}, line {reader.line_num}"
        raise InputError(f"{where}: {error}; check the quotes") from error


def _jsonl_rows(path: Path) -> Iterator[tuple[str, str, str]]:
    """(where, file_name, text) of each line; empty lines are passed over."""
    for number, line in enumerate(_lines(path), 1):
        where = f"{_quote(path)}, line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
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
