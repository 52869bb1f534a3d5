"""Text files of data sets: lines of UTF-8, or one InputError (layer 4)."""

from pathlib import Path

from tinyvlm.datasets.confined import quote
from tinyvlm.errors import InputError


def lines(path: Path) -> list[str]:
    """Lines of a UTF-8 file with their line ends, with or without a byte-order mark."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return file.readlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{quote(path)} is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        reason = error.strerror
        raise InputError(f"{quote(path)} can't be read ({reason}); check it") from error
