"""The rows of a benchmark as text (layer 8)."""

from __future__ import annotations

from collections.abc import Sequence

from tinyvlm.bench.cpu import OURS, OURS_ALONE, TORCH, TORCH_ALONE, Row
from tinyvlm.bench.process import Engine

HEADER = (
    f"{'':13}{'milliseconds a step, median':^32}  {'ours / PyTorch':^37}  {'peak MB':^14}\n"
    f"{'':13}{'ours':>8}{'PyTorch':>8}{'ours 1t':>8}{'PyT. 1t':>8}  "
    f"{'median':>6} {'(10..90 %)':>12} {'min':>5} {'CPU':>5} {'1t':>5}  {'ours':>6}{'PyTorch':>8}"
)


def print_table(rows: Sequence[Row]) -> None:
    print(table(rows))


def table(rows: Sequence[Row]) -> str:
    """One line a case, then what is needed to judge it. 1t: one thread; else two threads each."""
    measured = [row for row in rows if not row.name.endswith("-memory")]
    lines = [HEADER] + [line(row) for row in measured]
    lines += [f"{row.name}: {row.problem}" for row in measured if row.problem]
    lines += [
        f"{row.name}: noisy, no evidence; other work shared the processors"
        for row in measured
        if row.noisy
    ]
    if rows:
        first = rows[0]
        installed = ", ".join(f"{name} {version}" for name, version in first.versions.items())
        loads = ", ".join(number(row.load, ".1f") for row in measured)
        lines.append(f"{first.rounds} rounds; load before each row {loads}")
        lines += [first.machine, installed]
    return "\n".join(lines)


def line(row: Row) -> str:
    cells = [f"{row.name:13}"]
    for engine in (OURS, TORCH, OURS_ALONE, TORCH_ALONE):
        cells.append(f"{of(row, engine, 'ms_median', '.1f'):>8}")
    spread = f"({number(row.ratio_low, '.2f')}..{number(row.ratio_high, '.2f')})"
    cells.append(f"  {number(row.ratio_median, '.2f'):>6} {spread:>12}")
    for ratio in (row.ratio_min, row.ratio_cpu, row.ratio_one_thread):
        cells.append(f" {number(ratio, '.2f'):>5}")
    cells.append(f"  {of(row, OURS, 'peak_mb', '.0f'):>6}{of(row, TORCH, 'peak_mb', '.0f'):>8}")
    return "".join(cells)


def of(row: Row, engine: Engine, field: str, form: str) -> str:
    """A number of one engine; a dash where it was not measured."""
    times = row.engines.get(engine.name)
    return number(getattr(times, field) if times else None, form)


def number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
