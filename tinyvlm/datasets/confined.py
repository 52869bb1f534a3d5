"""What may be read of a data set: its folder, checked, and only what is inside it (layer 4).

Nothing outside the folder is read: "..", absolute paths and links that lead out of it raise
InputError.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from tinyvlm.errors import InputError

DIGITS = re.compile(r"([0-9]+)")


class Confined:
    """A folder, and names of files that have to stay in it.

    Names are checked when a data set is opened and paths again when a picture is read, since a
    link may be laid in between. Each folder inside is listed once, so that 100,000 names cost no
    100,000 questions to the disk.
    """

    def __init__(self, root: Path):
        self.root = root
        self._real_root = os.path.realpath(root)
        self._links: dict[str, set[str] | None] = {}  # of a folder inside; None: it leads out

    def name(self, file_name: str) -> str:
        """The name as relative_name gives it; InputError if a link leads it out of the folder."""
        name = relative_name(file_name)
        folder, _, last = name.rpartition("/")
        if not self._stays(folder, last):
            raise _leaves(file_name)
        return name

    def check(self, path: Path) -> None:
        """Raise InputError for a path that, with every link followed, is not inside."""
        if not self._is_inside(path):
            raise InputError(f"{quote(path)} leaves {quote(self.root)}; copy the file into it")

    def _stays(self, folder: str, name: str) -> bool:
        if folder not in self._links:
            path = self.root / folder
            self._links[folder] = links_in(path) if self._is_inside(path) else None
        links = self._links[folder]
        if links is None:
            return False
        return name not in links or self._is_inside(self.root / folder / name)

    def _is_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._real_root)


def relative_name(file_name: str) -> str:
    """A file's name with "/" between folders, "./" left out; InputError unless it is relative."""
    portable = file_name.replace("\\", "/")  # written on Windows, read anywhere
    parts = [part for part in portable.split("/") if part not in ("", ".")]
    if not parts or "\0" in file_name:
        raise InputError(f"file_name {file_name!r:.100} names no file; correct the row")
    if portable.startswith("/") or portable[1:2] == ":" or ".." in parts:  # C:\, and C: alone
        raise _leaves(file_name)
    return "/".join(parts)


def _leaves(file_name: str) -> InputError:
    return InputError(f"file_name {file_name!r:.100} leaves the folder; use a path inside it")


class Entry(NamedTuple):
    name: str
    is_folder: bool


def visible(folder: Path, root: Path) -> list[Entry]:
    """What is in a folder, without hidden files, in natural order; links may not leave `root`."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_symlink(), entry) for entry in entries]
    except OSError as error:
        message = f"{quote(folder)} can't be listed ({error.strerror}); check its permissions"
        raise InputError(message) from error
    inside = []
    for name, is_link, entry in found:
        if name.startswith("."):
            continue
        path = folder / name if is_link else None
        if path is not None and not is_inside(root, path):
            raise InputError(f"{quote(path)} is a link that leaves {quote(root)}; copy the file")
        # Trap: entry.is_dir() raises for a link that leads back to itself.
        inside.append(Entry(name, entry.is_dir() if path is None else os.path.isdir(path)))
    return sorted(inside, key=lambda entry: natural(entry.name))


def links_in(folder: Path) -> set[str]:
    """Names of the links in a folder; none where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_symlink()}
    except (OSError, ValueError):
        return set()


def is_inside(root: Path, path: Path) -> bool:
    """Whether a path, with every link followed, stays in the folder."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def check_folder(root: str | os.PathLike) -> Path:
    """The folder as a Path, or InputError if there is none."""
    path = Path(root)
    if os.path.isdir(path):
        return path
    if os.path.exists(path):
        raise InputError(f"{quote(path)} is no folder; unpack it, or name the folder it is in")
    raise InputError(f"{quote(path)} does not exist; name a folder of pictures")


def natural(name: str) -> tuple:
    """Sort key: 2 before 10, capitals beside small letters; the name itself decides a tie."""
    parts: list = DIGITS.split(name.casefold())  # text, digits, text, digits, ...
    parts[1::2] = map(int, parts[1::2])
    return parts, name


def quote(path: str | os.PathLike) -> str:
    """The path in quotes and on one line."""
    return repr(os.fspath(path))
