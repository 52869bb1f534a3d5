"""Turns addresses of a compiled kernel into lines of its .cu file (layer 1)."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path


def locate(
    library: Path, files: Collection[str], addresses: Sequence[int]
) -> list[tuple[str, int] | None]:
    """(file, line) of each address: the innermost line in one of the kernel's files, or None.

    The addresses are return addresses, counted from the library's start: one past the call, which
    may be the next line already.
    """
    command = ["addr2line", "-a", "-i", "-e", str(library), *(hex(a - 1) for a in addresses)]
    output = subprocess.run(command, capture_output=True, text=True).stdout if addresses else ""
    places: list[tuple[str, int] | None] = []
    for frame in output.splitlines():
        if frame.startswith("0x"):  # the address asked for; its frames follow, innermost first
            places.append(None)
            continue
        path, _, number = frame.partition(" (discriminator")[0].rpartition(":")
        if places and places[-1] is None and Path(path).name in files and number.isdigit():
            places[-1] = Path(path).name, int(number)
    return places or [None] * len(addresses)
