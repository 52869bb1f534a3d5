"""Captions with the addresses of their pictures, in the form of LAION and Conceptual Captions (4).

Schuhmann et al. 2021, arXiv 2111.02114; Sharma et al. 2018; Changpinyo et al. 2021, arXiv
2102.08981. A table of addresses and captions, with tabs or commas: CC3M (caption, url) and CC12M
(url, caption) have no headings, LAION's has. The pictures have been downloaded before; those that
could not be are skipped. Nothing is fetched here.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tinyvlm.datasets.confined import quote, relative_name
from tinyvlm.datasets.picture_set import PictureSet
from tinyvlm.datasets.text_files import check_file, lines, table
from tinyvlm.errors import InputError
from tinyvlm.images import EXTENSIONS

CAPTION = ("caption", "text", "top_caption")
URL = ("url", "image_url")
FILE = ("file_name", "filename", "file", "path", "image_path", "key")


def downloaded_name(row: int) -> str:
    """Where img2dataset puts row 12,345 of its table: 00001/000012345, 10,000 to a folder."""
    return f"{row // 10_000:05d}/{row:09d}"


class CaptionTable(PictureSet):
    """The rows whose picture is there, each a sample with one caption.

    A row's picture is what its column of FILE says, where the table has one; else `name` makes it
    of the row's number, from 0, headings and empty lines not counted. Either may lack the
    extension. `captions` and `urls` ("" where there is none) have one entry a row, and `rows` its
    number. Raises InputError for a file that can't be read, has no caption column, or has no row
    whose picture is there.
    """

    def __init__(
        self,
        file: str | os.PathLike,
        pictures: str | os.PathLike,
        name: Callable[[int], str] = downloaded_name,
        size: int | None = None,
    ):
        super().__init__(pictures, size)
        self.captions: list[str] = []
        self.urls: list[str] = []
        self.rows: list[int] = []
        self._read(check_file(file), name)

    def _read(self, path: Path, name: Callable[[int], str]) -> None:
        there = PicturesThere(self.root)
        names: list[str] = []
        columns: Columns | None = None
        number = -1
        for where, row in table(path, "\t" if "\t" in next(lines(path), "") else ","):
            if columns is None:
                columns, has_headings = _columns(path, row)
                if has_headings:
                    continue
            number += 1
            try:
                caption, url, wanted = columns.pick(row)
                picture = self.confined.name(there.find(wanted or name(number)))
            except InputError as error:
                self.skipped.append((path, f"{where}: {error}"))
                continue
            names.append(picture)
            self.captions.append(caption)
            self.urls.append(url)
            self.rows.append(number)
        if not names:
            first = self.skipped[0][1] if self.skipped else "no rows"
            raise InputError(f"{quote(path)} has no row whose picture is there; {first}")
        self.names = names

    def _facts(self, index: int) -> dict:
        meta = {"url": self.urls[index], "row": self.rows[index]}
        return {"captions": [self.captions[index]], "meta": meta}


class Columns(NamedTuple):
    """Which column is which; -1 for one that a table lacks."""

    caption: int
    url: int
    file: int
    width: int

    def pick(self, row: list[str] | InputError) -> tuple[str, str, str]:
        """Caption, address and file name of a row, "" for what the table lacks."""
        if isinstance(row, InputError):
            raise row
        if len(row) != self.width:
            raise InputError(f"{len(row)} fields under {self.width} columns")
        caption = row[self.caption].strip()
        if not caption:
            raise InputError("no caption")
        url = row[self.url].strip() if self.url >= 0 else ""
        file = row[self.file].strip() if self.file >= 0 else ""
        if self.file >= 0 and not file:
            raise InputError("no file name")
        return caption, url, file


class PicturesThere:
    """The pictures in a folder and the folders in it; each is listed when it is first asked for."""

    def __init__(self, root: Path):
        self.root = root
        self.listed: dict[str, dict[str, str]] = {}  # folder -> name without extension -> name

    def find(self, name: str) -> str:
        """The picture of this name, with its extension; raises InputError if it is not there."""
        name = relative_name(name)
        folder, slash, last = name.rpartition("/")
        if folder not in self.listed:
            self.listed[folder] = _pictures_in(self.root / folder)
        stem, extension = os.path.splitext(last)
        is_picture = extension.lower() in EXTENSIONS
        found = self.listed[folder].get(stem if is_picture else last)
        if found is None or (is_picture and found != last):
            raise InputError(f"picture {name!r:.100} is not there")
        return folder + slash + found


def _pictures_in(folder: Path) -> dict[str, str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    parts = (os.path.splitext(name) for name in names)
    return {stem: stem + ext for stem, ext in parts if ext.lower() in EXTENSIONS}


def _columns(path: Path, first: list[str] | InputError) -> tuple[Columns, bool]:
    """Columns from the headings, or from where the first row has an address; whether headings."""
    cells = first if isinstance(first, list) else []
    headings = [cell.strip().lower() for cell in cells]

    def place(names: tuple[str, ...]) -> int:
        return next((headings.index(name) for name in names if name in headings), -1)

    if place(CAPTION) >= 0:
        return Columns(place(CAPTION), place(URL), place(FILE), len(cells)), True
    addresses = [i for i, h in enumerate(headings) if h.startswith(("http://", "https://"))]
    if len(cells) == 2 and len(addresses) == 1:
        return Columns(1 - addresses[0], addresses[0], -1, 2), False
    raise InputError(
        f"{quote(path)} is no table of captions: it needs a heading caption or text, "
        "or two columns of which one is an address (http...)"
    )
