"""`bench import`: what `import tinyvlm` takes over `import numpy`, in whole processes (layer 8)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import trange

from tinyvlm.bench.machine import load, machine, versions
from tinyvlm.files import write_atomically

PAIRS = 20


@dataclass(frozen=True)
class ImportTimes:
    """Medians over interleaved pairs, in milliseconds of wall time."""

    numpy_ms: float
    tinyvlm_ms: float
    over_ms: float  # the median of the differences within a pair
    over_low_ms: float  # their 10th percentile
    over_high_ms: float  # and their 90th
    pairs: int
    load: float | None
    machine: str
    versions: dict[str, str]


def run(json_path: Path | None = None, pairs: int = PAIRS) -> ImportTimes:
    """Start `python -c "import ..."` in turn with each, print the medians, write JSON if asked."""
    before = load()
    seconds = np.array(
        [
            [seconds_of("import numpy"), seconds_of("import numpy, tinyvlm")]
            for _ in trange(pairs, desc="imports", unit="pair")
        ]
    )  # (pairs, 2)
    milliseconds = 1e3 * seconds
    over = milliseconds[:, 1] - milliseconds[:, 0]
    low, median, high = np.percentile(over, [10, 50, 90])
    numpy_ms, tinyvlm_ms = np.median(milliseconds, axis=0)
    times = ImportTimes(
        numpy_ms=round(float(numpy_ms), 1),
        tinyvlm_ms=round(float(tinyvlm_ms), 1),
        over_ms=round(float(median), 1),
        over_low_ms=round(float(low), 1),
        over_high_ms=round(float(high), 1),
        pairs=pairs,
        load=before,
        machine=machine(),
        versions=versions(),
    )
    print(
        f"import numpy {times.numpy_ms} ms, with tinyvlm {times.tinyvlm_ms} ms: {times.over_ms} ms "
        f"more (10..90 %: {times.over_low_ms}..{times.over_high_ms}; {pairs} interleaved pairs)"
    )
    if json_path is not None:
        text = json.dumps([{"name": "import"} | asdict(times)], indent=1) + "\n"
        write_atomically(json_path, text.encode())
    return times


def seconds_of(code: str) -> float:
    """Wall time of a new Python that runs one line."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began
