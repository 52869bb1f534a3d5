"""data/results: one JSON file a proof, one row a run (layer 8)."""

from __future__ import annotations

import json
import platform
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from tinyvlm.errors import InputError
from tinyvlm.files import write_atomically
from tinyvlm.parallel import default_threads

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "data" / "results"

Row = dict[str, Any]


def append(name: str, row: Row) -> None:
    """Add a row to data/results/NAME.json, with the commit, the machine and the date.

    An earlier row of the same variant, seed and commit is replaced.
    """
    row = row | {"commit": commit(), "machine": machine(), "date": date.today().isoformat()}
    identity = ("variant", "seed", "commit")
    rows = [r for r in rows_of(name) if any(r.get(key) != row[key] for key in identity)]
    text = json.dumps([*rows, row], indent=1) + "\n"
    write_atomically(RESULTS / f"{name}.json", text.encode())


def rows_of(name: str) -> list[Row]:
    """The rows of a proof, oldest first; [] when it never ran. Raises InputError when damaged."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_text())
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("no list of rows")
        return rows
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); restore it with git checkout") from error


def is_measured(name: str, variant: str, seed: int, steps: int) -> bool:
    """Whether this commit, with no changed file, has a row of this variant, seed and steps."""
    here = commit()
    same = {"variant": variant, "seed": seed, "steps": steps, "commit": here}
    rows = rows_of(name)
    measured = any(all(row.get(key) == value for key, value in same.items()) for row in rows)
    return measured and not here.endswith("+")


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, {default_threads()} threads"


def commit() -> str:
    """The commit of the clone, with + when files differ from it; "unknown" outside a clone."""
    try:
        name = git("rev-parse", "--short", "HEAD")
        changed = git("status", "--porcelain", "--", "tinyvlm")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name + ("+" if changed else "")


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def mean_and_spread(values: list[float]) -> str:
    """'0.931 ± 0.012 (n=3)': the mean and the standard deviation over seeds; n=1 has none."""
    mean = float(np.mean(values))
    if len(values) == 1:
        return f"{mean:.3f} (n=1)"
    return f"{mean:.3f} ± {float(np.std(values, ddof=1)):.3f} (n={len(values)})"
