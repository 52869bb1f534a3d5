"""What goes wrong with a kernel, as exceptions with file, line, thread and block (layer 1)."""

from __future__ import annotations

from dataclasses import dataclass

from tinyvlm.errors import InputError

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Place:
    """Where in a kernel something happened, and which thread of which block did it."""

    file: str
    line: int
    thread: Triple
    block: Triple

    def __str__(self) -> str:
        return f"{self.file}:{self.line}, thread {self.thread} of block {self.block}"


class CompileError(InputError):
    """g++ did not accept the kernel; `output` is all it said, with the .cu file's own lines."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class KernelMistake(InputError):
    """A kernel, or the way it was launched, is wrong.

    kind is one of: race, barrier, deadlock, warp collective, out of bounds, misaligned,
    uninitialised, async copy, shared memory, argument, launch, timeout, crash. place is None where
    no single line is to blame; other is the second access of a race, or the second barrier.
    """

    def __init__(
        self, kind: str, detail: str, place: Place | None = None, other: Place | None = None
    ) -> None:
        message = f"{kind}: {detail}"
        if place:
            message = f"{place.file}:{place.line}: {message}"
            if kind not in ("argument", "launch"):  # there was no thread yet
                message += f"; thread {place.thread} of block {place.block}"
        if other:
            message += f"; the other: {other}"
        super().__init__(message)
        self.kind, self.detail, self.place, self.other = kind, detail, place, other
