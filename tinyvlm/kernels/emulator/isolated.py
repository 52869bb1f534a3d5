"""run_isolated: one launch in a child process, so no kernel takes the caller down (layer 1)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinyvlm.errors import InputError
from tinyvlm.kernels.emulator.mistakes import CompileError, KernelMistake, Place
from tinyvlm.kernels.emulator.profile import ProfileRow

START_SECONDS = 60.0  # for Python and the compiler, on top of the kernel's own time


def run_isolated(
    source: str | Path,
    name: str,
    grid: Sequence[int],
    block: Sequence[int],
    args: Sequence,
    shared_mem: int = 0,
    *,
    options: Sequence[str] = (),
    check: bool = True,
    thread_order: int = 0,
    seconds: float = 10.0,
    profile: bool = False,
) -> list[ProfileRow]:
    """EmulatedModule(source, ...).get_function(name)(grid, block, args), in a child process.

    Arrays are changed in place when the kernel ends well, and only then. With profile, which needs
    check, the rows of Kernel.profile are returned; else none. Raises what the launch raises, and
    KernelMistake("crash") or ("timeout") where the child had to be given up.
    """
    with tempfile.TemporaryDirectory(prefix="tinyvlm_kernel_") as temporary:
        folder = Path(temporary)
        positions = save_arguments(folder, args)
        is_file = isinstance(source, Path)
        task = {
            "source": str(source.absolute()) if isinstance(source, Path) else source,
            "is_file": is_file,
            "name": name,
            "grid": [int(n) for n in grid],
            "block": [int(n) for n in block],
            "shared_mem": int(shared_mem),
            "options": list(options),
            "check": check,
            "thread_order": thread_order,
            "seconds": seconds,
            "profile": profile,
            "args": positions,
        }
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        run_child(folder, name, seconds, check)
        answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        raise_answer(answer)
        take_back(folder, args, positions)
        return [ProfileRow(**row) for row in answer["rows"]]


def save_arguments(folder: Path, args: Sequence) -> list[dict]:
    """Arrays into files, without pickle. An array given twice is one file."""
    positions: list[dict] = []
    for i, value in enumerate(args):
        if isinstance(value, np.ndarray):
            if not value.flags.c_contiguous:
                raise KernelMistake("argument", f"argument {i + 1}: the array is not contiguous")
            same = next(j for j, other in enumerate(args) if other is value)
            bits = value.view(np.uint16) if value.dtype.name == "bfloat16" else value
            if same == i:
                np.save(folder / f"{i}.npy", bits, allow_pickle=False)
            positions.append({"array": same, "writeable": bool(value.flags.writeable)})
        elif isinstance(value, np.generic):
            positions.append({"value": value.item(), "dtype": value.dtype.name})
        elif isinstance(value, int | float):
            positions.append({"value": value})
        else:
            raise KernelMistake("argument", f"argument {i + 1}: {type(value).__name__} given")
    return positions


def run_child(folder: Path, name: str, seconds: float, check: bool) -> None:
    """Raises KernelMistake when the child crashes or does not end."""
    root = str(Path(__file__).parents[3])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "tinyvlm.kernels.emulator.child", str(folder)]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=seconds + START_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        detail = f"{name} did not end within {seconds + START_SECONDS:.0f} s"
        raise KernelMistake("timeout", detail) from error
    if (folder / "answer.json").exists():
        return
    if done.returncode < 0:
        try:
            what = signal.Signals(-done.returncode).name
        except ValueError:
            what = f"signal {-done.returncode}"
        hint = ""
        if what == "SIGSEGV":
            hint = "; check=True names the line of a wrong access"
            if check:
                hint = "; a thread's local arrays may be larger than its stack of 128 KB"
        raise KernelMistake("crash", f"{name} ended its process with {what}{hint}")
    lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
    raise KernelMistake("crash", f"{name}: the child process failed: {lines[-1]}")


def raise_answer(answer: dict) -> None:
    if answer["status"] == "mistake":
        places = [Place(**place) if place else None for place in answer["places"]]
        for place in filter(None, places):
            object.__setattr__(place, "thread", tuple(place.thread))
            object.__setattr__(place, "block", tuple(place.block))
        raise KernelMistake(answer["kind"], answer["detail"], *places)
    if answer["status"] == "compile":
        raise CompileError(answer["detail"], answer["output"])
    if answer["status"] == "input":
        raise InputError(answer["detail"])


def take_back(folder: Path, args: Sequence, positions: list[dict]) -> None:
    for value, position in zip(args, positions, strict=True):
        if "array" in position and value.flags.writeable:
            new = np.load(folder / f"{position['array']}.npy", allow_pickle=False)
            value[...] = new.view(value.dtype)
