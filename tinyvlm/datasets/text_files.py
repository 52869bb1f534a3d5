"""Text files of data sets: lines of UTF-8, rows of a table, or one InputError (layer 4)."""

import csv
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tinyvlm.datasets.confined import quote
from tinyvlm.errors import InputError


def check_file(path: str | os.PathLike) -> Path:
    """The path of a file that can be read and has something in it, or InputError."""
    path = Path(path)
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{quote(path)} does not exist; check the path") from error
    except (OSError, ValueError) as error:  # no permission, a name too long, a NUL in it
        raise cannot_read(path, error) from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{quote(path)} is a folder; name a file in it")
    if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
        raise InputError(f"{quote(path)} is not a regular file; name another")
    if status.st_size == 0:
        raise InputError(f"{quote(path)} is empty (0 bytes); copy it again")
    return path


def lines(path: Path) -> Iterator[str]:
    """Lines of a UTF-8 file with their line ends, with or without a byte-order mark."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield from file
    except UnicodeDecodeError as error:
        raise not_utf8(path) from error
    except OSError as error:
        raise cannot_read(path, error) from error


def table(path: Path, delimiter: str = ",") -> Iterator[tuple[str, list[str] | InputError]]:
    """(where, cells) of each row that is not empty, `where` its last line: "line 7".

    A row whose quotes are broken comes as the InputError that says so, for the caller to raise or
    to count; reading goes on in the line after. A tab-separated file has no quotes.
    """
    rows = lines(path)
    if delimiter == "\t":
        reader = csv.reader(rows, strict=True, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(rows, strict=True, delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            where = f"line {reader.line_num}"
            yield where, InputError(f"{quote(path)}, {where}: {error}; check the quotes")
            continue
        if any(cell.strip() for cell in cells):
            yield f"line {reader.line_num}", cells


def not_utf8(path: Path) -> InputError:
    return InputError(f"{quote(path)} is not UTF-8 text; save it as UTF-8")


def cannot_read(path: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or error
    return InputError(f"{quote(path)} can't be read ({reason}); check it")
