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
T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)  # of t, 1 to 9 degrees


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


def latest(name: str) -> list[Row]:
    """For each variant and seed the newest row."""
    newest = {(row["variant"], row["seed"]): row for row in rows_of(name)}
    return list(newest.values())


def by_variant(rows: list[Row], variant: str) -> list[Row]:
    return [row for row in rows if row["variant"] == variant]


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


def paired(differences: list[float]) -> str:
    """'+0.031, 95 % interval +0.010 to +0.052 (n=3): shown' of differences paired by seed.

    Student's t. The interval of a difference that is "not shown" holds zero; n=1 has none.
    """
    n, mean = len(differences), float(np.mean(differences))
    if n == 1:
        return f"{mean:+.3f} (n=1)"
    quantile = T_975[min(n - 1, len(T_975)) - 1]
    half = quantile * float(np.std(differences, ddof=1)) / n**0.5
    verdict = "shown" if abs(mean) > half else "not shown"
    return f"{mean:+.3f}, 95 % interval {mean - half:+.3f} to {mean + half:+.3f} (n={n}): {verdict}"
