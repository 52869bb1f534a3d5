"""The list of everything that `bench cpu` can time (layer 8)."""

from __future__ import annotations

from collections.abc import Sequence

from tinyvlm.bench.case import Case
from tinyvlm.bench.clip_step import ClipStep
from tinyvlm.bench.generate import Generate
from tinyvlm.errors import InputError

CASES: tuple[Case, ...] = (
    ClipStep(16),
    ClipStep(64),
    ClipStep(128),
    Generate(1),
    Generate(16),
)


def select(names: Sequence[str] | None) -> list[Case]:
    """The cases of these names, in the list's order; None means all. Raises InputError."""
    known = {case.name: case for case in CASES}
    for name in names or ():
        if name not in known:
            raise InputError(f"no benchmark is called {name!r}; there are: {', '.join(known)}")
    return [case for case in CASES if names is None or case.name in names]
