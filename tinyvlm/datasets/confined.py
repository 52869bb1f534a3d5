"""What may be read of a data set: its folder, checked, and only what is inside it (layer 4).

Nothing outside the folder is read: "..", absolute paths and links that lead out of it raise
InputError.
"""

import os
import re
from pathlib import Path, PureWindowsPath

from tinyvlm.errors import InputError


def quote(path: str | os.PathLike) -> str:
    """The path in quotes and on one line."""
    return repr(os.fspath(path))


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
    parts = re.split(r"([0-9]+)", name.casefold())  # text, digits, text, digits, ...
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def visible(folder: Path, root: Path) -> list[Path]:
    """What is in a folder, without hidden files, in natural order; links may not leave `root`."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_symlink()) for entry in entries]
    except OSError as error:
        message = f"{quote(folder)} can't be listed ({error.strerror}); check its permissions"
        raise InputError(message) from error
    paths = []
    for name, is_link in sorted(found, key=lambda item: natural(item[0])):
        if name.startswith("."):
            continue
        path = folder / name
        if is_link and not is_inside(root, path):
            raise InputError(f"{quote(path)} is a link that leaves {quote(root)}; copy the file")
        paths.append(path)
    return paths


def is_inside(root: Path, path: Path) -> bool:
    """Whether a path, with every link followed, stays in the folder."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def confined_path(root: Path, file_name: str, where: str) -> Path:
    """ROOT/file_name, or InputError if it is no relative path that stays in the folder."""
    if not file_name or "\0" in file_name:
        raise InputError(f"{where}: file_name {file_name!r} names no file; correct the row")
    portable = file_name.replace("\\", "/")  # written on Windows, read anywhere
    path = root / portable
    outside = portable.startswith("/") or PureWindowsPath(portable).drive
    if outside or ".." in portable.split("/") or not is_inside(root, path):
        raise InputError(
            f"{where}: file_name {file_name!r} leaves the folder; use a path inside {quote(root)}"
        )
    return path
