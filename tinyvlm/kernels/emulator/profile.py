"""What each line of a kernel asks of memory, and what that costs, as rows and as a table (layer 1).

Global memory hands out sectors of 32 bytes: 32 lanes that read 32 neighbouring floats need 4 of
them, 32 lanes that read a column need 32. Shared memory has 32 banks, each with one word at a time:
lanes that want different words of one bank take turns, and n turns where one would do is an n-way
conflict. The loads and stores are those of the source as g++ reads it; nvcc may merge a few, and
what a warp keeps in registers or in its stack is not counted. How wmma moves a fragment is a GPU's
own affair; here it is counted as mma.h does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tinyvlm.kernels.emulator.interface import Counted

MEMORIES, ACCESSES = ("global", "shared"), ("load", "store", "atomic")
WHAT = [f"{memory} {access}" for memory in MEMORIES for access in ACCESSES]  # launch.h's enum What
SECTOR = 32  # bytes


@dataclass(frozen=True)
class ProfileRow:
    """One line, what it does, and with which array; all counts are of the whole launch."""

    file: str
    line: int
    what: str  # "global load", "shared store", ...
    array: str  # the parameter's or the shared array's name
    requests: int  # of warps: one instruction of up to 32 lanes each
    bytes: int  # different ones that were asked for, summed over the requests
    sectors: int  # fetched or written for that; 0 for shared memory
    turns: int  # that the banks took; 0 for global memory
    least_turns: int  # that they would have taken without a conflict

    @property
    def sectors_per_request(self) -> float:
        """Sectors that a warp's request touches: 4 for 32 neighbouring floats."""
        return self.sectors / self.requests

    @property
    def used(self) -> float:
        """The share of the moved bytes that was asked for, 0 to 1."""
        return self.bytes / (SECTOR * self.sectors) if self.sectors else 1.0

    @property
    def conflict_degree(self) -> float:
        """1 without bank conflicts, n where they take n turns for one."""
        return self.turns / self.least_turns if self.least_turns else 1.0


def summed(
    counted: Sequence[Counted], places: Sequence[tuple[str, int] | None], arguments: Sequence[str]
) -> list[ProfileRow]:
    """A row for each line, sorted; g++ may have made several instructions of one line.

    arguments are the parameters' names, the first one's at 0.
    """
    rows: dict[tuple, ProfileRow] = {}
    for one, place in zip(counted, places, strict=True):
        file, line = place or ("?", 0)
        array = one.name.decode() if one.name else arguments[one.array - 1]
        key = (file, line, WHAT[one.what], array)
        old = rows.get(key, ProfileRow(*key, 0, 0, 0, 0, 0))
        rows[key] = replace(
            old,
            requests=old.requests + one.requests,
            bytes=old.bytes + one.bytes,
            sectors=old.sectors + one.sectors,
            turns=old.turns + one.turns,
            least_turns=old.least_turns + one.least_turns,
        )
    return [rows[key] for key in sorted(rows)]


def table(rows: Sequence[ProfileRow]) -> str:
    """The rows as text, one a line, under headings."""
    cells = [("line", "what", "array", "requests", "sectors/request", "used", "bank conflict")]
    for row in rows:
        shared = row.what.startswith("shared")
        conflict = f"{row.conflict_degree:.3g}-way" if row.conflict_degree > 1 else "none"
        cells.append(
            (
                f"{row.file}:{row.line}",
                row.what,
                row.array,
                str(row.requests),
                "" if shared else f"{row.sectors_per_request:.3g}",
                "" if shared else f"{row.used:.0%}",
                conflict if shared else "",
            )
        )
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = []
    for line in cells:
        words = [
            word.ljust(width) if i < 3 else word.rjust(width)
            for i, (word, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(words).rstrip())
    return "\n".join(lines)
