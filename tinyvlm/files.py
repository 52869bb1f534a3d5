"""Files that appear whole or not at all (layer 0)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tinyvlm.errors import InputError


def write_atomically(path: str | os.PathLike, content: bytes) -> None:
    """Write a file whole or not at all. Raises InputError when that fails."""
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(unfinished, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # on the disk before the rename makes it visible
        os.replace(unfinished, path)
    except OSError as error:
        kept = "; the file that was there is unchanged" if path.exists() else ""
        raise InputError(f"could not write {path}: {error.strerror or error}{kept}") from error
    finally:
        with contextlib.suppress(OSError):  # gone when all went well
            unfinished.unlink()
