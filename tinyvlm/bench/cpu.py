"""`bench cpu`: our step against PyTorch's, on the processor alone (layer 8).

How it is measured. Every engine runs in a process of its own with the same weights and data. The
first three steps warm up, and what they return must agree within 1e-4, or nothing is timed. Then
rounds: each engine does one step in turn, so a slow minute of the machine meets all of them, and a
ratio is taken within a round. ratio_median is the median of these ratios, ratio_low and ratio_high
are their 10th and 90th percentile, ours / PyTorch, both on two threads: smaller is better. A row is
"noisy", and no evidence, when the engines had to share the processors with other work: PyTorch
gained less than 1.4 times from its second thread, or, where a step is too small to gain from one,
the one-thread steps took more than 1.15 times their CPU time.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from tqdm import tqdm

from tinyvlm.bench import cases
from tinyvlm.bench.case import Case
from tinyvlm.bench.machine import load, machine, versions
from tinyvlm.bench.process import Engine, EngineError, Process, Runner, Sample
from tinyvlm.errors import InputError
from tinyvlm.files import write_atomically

OURS, OURS_ALONE = Engine("tinyvlm", 2), Engine("tinyvlm", 1)
TORCH, TORCH_ALONE = Engine("torch", 2), Engine("torch", 1)

ROUNDS = 20
TOLERANCE = 1e-4  # relative, between what the engines' first steps return
LEAST_SPEEDUP = 1.4  # of PyTorch by its second thread, on a machine that is quiet enough
MOST_WAITING = 1.15  # time of a one-thread step over its CPU time, on such a machine
PAUSE = 0.01  # seconds between two engines: threads that still spin go to sleep
HOW_TO_INSTALL_TORCH = (
    "PyTorch is not installed here, so there are our own times but no ratios; "
    "to compare: python -m pip install torch"
)


@dataclass(frozen=True)
class Times:
    """What one engine did in a row."""

    ms_median: float  # milliseconds a step
    ms_min: float
    cpu_ms_median: float  # of all threads
    peak_mb: float | None  # most memory of the whole process, 10^6 bytes


@dataclass(frozen=True)
class Row:
    """One result. A ratio is ours / PyTorch, two threads each; None: nothing to compare with."""

    name: str
    ratio_median: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    ratio_min: float | None = None  # our fastest step / PyTorch's fastest
    ratio_cpu: float | None = None  # median of the ratios of CPU time
    ratio_one_thread: float | None = None  # the same, one thread each: other jobs disturb it least
    noisy: bool | None = None
    problem: str | None = None  # why it was not measured
    rounds: int = 0
    engines: dict[str, Times] = dataclasses.field(default_factory=dict)
    load: float | None = None  # before the row
    machine: str = ""
    versions: dict[str, str] = dataclasses.field(default_factory=dict)


def run(
    json_path: Path | None = None, rows: Sequence[str] | None = None, rounds: int = ROUNDS
) -> list[Row]:
    """Measure the named cases (None: all) in `rounds` rounds and write the rows as JSON if asked.

    Each case gives a row of its time and a row NAME-memory of its peak memory. Raises InputError
    for an unknown name, fewer than one round, or a file that can't be written.
    """
    chosen = cases.select(rows)
    if rounds < 1:
        raise InputError(f"rounds must be at least 1, got {rounds}")
    if json_path is not None and not json_path.parent.is_dir():
        raise InputError(f"--json {json_path}: there is no folder {json_path.parent}")
    engines = [OURS, OURS_ALONE]
    if importlib.util.find_spec("torch") is None:
        print(HOW_TO_INSTALL_TORCH)
    else:
        engines += [TORCH, TORCH_ALONE]
    done: list[Row] = []
    with tqdm(total=len(chosen) * rounds, unit="round") as bar:
        for case in chosen:
            bar.set_description(case.name)
            row = measure_case(case, engines, rounds, bar)
            done += [row, memory_row(row)]
    if json_path is not None:
        write_json(json_path, done)
    return done


def measure_case(case: Case, engines: Sequence[Engine], rounds: int, bar: Any) -> Row:
    """Start the processes, compare their results, and time them."""
    before = load()
    try:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            file = Path(folder) / "arrays.safetensors"
            safetensors.numpy.save_file(case.arrays(), file)
            runners = [stack.enter_context(Process(e, case.name, file)) for e in engines]
            row = measure(case.name, runners, rounds, bar, case.gains_from_threads)
    except EngineError as error:
        row = Row(case.name, problem=str(error))
    return dataclasses.replace(row, load=before, machine=machine(), versions=versions())


def measure(
    name: str, runners: Sequence[Runner], rounds: int, bar: Any, gains_from_threads: bool = True
) -> Row:
    """The protocol itself. Whose results differ is not timed: the row says so and has no ratio."""
    problem = disagreement(runners)
    if problem:
        return Row(name, problem=problem)
    samples: dict[Engine, list[Sample]] = {runner.engine: [] for runner in runners}
    for turn in range(rounds):
        first = turn % len(runners)  # nobody always follows the same neighbour
        for runner in [*runners[first:], *runners[:first]]:
            time.sleep(PAUSE)
            samples[runner.engine].append(runner.step())
        bar.update()
    peaks = {runner.engine: runner.peak_memory() for runner in runners}
    engines = {e.name: times(samples[e], peaks[e]) for e in samples}
    row = Row(name, rounds=rounds, engines=engines)
    if TORCH not in samples:
        return row
    return dataclasses.replace(row, **compare(samples), noisy=is_noisy(samples, gains_from_threads))


def disagreement(runners: Sequence[Runner]) -> str | None:
    """None when all warm-up results agree with the first engine's, else one line of numbers."""
    first = runners[0]
    for other in runners[1:]:
        if not np.allclose(other.results, first.results, rtol=TOLERANCE, atol=0):
            return (
                f"refused: the first results differ, so the work does; {first.engine.name} "
                f"{shown(first.results)}, {other.engine.name} {shown(other.results)}"
            )
    return None


def shown(results: Sequence[float]) -> str:
    return " ".join(f"{result:.6g}" for result in results)


def times(samples: Sequence[Sample], peak: float | None) -> Times:
    wall = np.array([sample.wall for sample in samples]) * 1e3
    cpu = np.array([sample.cpu for sample in samples]) * 1e3
    return Times(float(np.median(wall)), float(wall.min()), float(np.median(cpu)), peak)


def compare(samples: dict[Engine, list[Sample]]) -> dict[str, Any]:
    """The ratio fields of a row."""
    wall = {e: np.array([sample.wall for sample in samples[e]]) for e in samples}
    cpu = {e: np.array([sample.cpu for sample in samples[e]]) for e in samples}
    low, median, high = np.percentile(wall[OURS] / wall[TORCH], [10, 50, 90])
    return {
        "ratio_median": float(median),
        "ratio_low": float(low),
        "ratio_high": float(high),
        "ratio_min": float(wall[OURS].min() / wall[TORCH].min()),
        "ratio_cpu": float(np.median(cpu[OURS] / cpu[TORCH])),
        "ratio_one_thread": float(np.median(cpu[OURS_ALONE] / cpu[TORCH_ALONE])),
    }


def is_noisy(samples: dict[Engine, list[Sample]], gains_from_threads: bool) -> bool:
    """Whether other work took the processors away."""
    if gains_from_threads:
        pairs = zip(samples[TORCH_ALONE], samples[TORCH], strict=True)
        return bool(np.median([alone.wall / both.wall for alone, both in pairs]) < LEAST_SPEEDUP)
    alone = [*samples[OURS_ALONE], *samples[TORCH_ALONE]]
    return bool(np.median([sample.wall / sample.cpu for sample in alone]) > MOST_WAITING)


def memory_row(row: Row) -> Row:
    """The row of the peak memory: one number a process, so low and high are the median."""
    ours, theirs = row.engines.get(OURS.name), row.engines.get(TORCH.name)
    ratio = None
    if ours and theirs and ours.peak_mb and theirs.peak_mb:
        ratio = ours.peak_mb / theirs.peak_mb
    return dataclasses.replace(
        row,
        name=f"{row.name}-memory",
        ratio_median=ratio,
        ratio_low=ratio,
        ratio_high=ratio,
        ratio_min=ratio,
        ratio_cpu=None,
        ratio_one_thread=None,
        noisy=None,
    )


def write_json(path: Path, rows: Sequence[Row]) -> None:
    """A list with an object a row, written whole or not at all."""
    content = json.dumps([dataclasses.asdict(row) for row in rows], indent=1)
    write_atomically(path, content.encode() + b"\n")
