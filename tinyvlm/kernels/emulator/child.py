"""The child process of run_isolated: reads a launch from a folder, runs it, writes the answer."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tinyvlm.errors import InputError
from tinyvlm.kernels.emulator.mistakes import CompileError, KernelMistake
from tinyvlm.kernels.emulator.module import EmulatedModule


def load_arguments(folder: Path, positions: list[dict]) -> list:
    arrays: dict[int, np.ndarray] = {}
    args = []
    for position in positions:
        if "array" in position:
            number = position["array"]
            if number not in arrays:
                arrays[number] = np.load(folder / f"{number}.npy", allow_pickle=False)
                arrays[number].flags.writeable = position["writeable"]
            args.append(arrays[number])
        elif "dtype" in position:
            args.append(np.dtype(position["dtype"]).type(position["value"]))
        else:
            args.append(position["value"])
    return args


def run(folder: Path) -> dict:
    """The answer, as run_isolated reads it; results replace the arrays' files."""
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    args = load_arguments(folder, task["args"])
    source = Path(task["source"]) if task["is_file"] else task["source"]
    options = {key: task[key] for key in ("check", "thread_order", "seconds")}
    try:
        kernel = EmulatedModule(source, task["options"], **options).get_function(task["name"])
        run = kernel.profile if task["profile"] else kernel
        rows = run(task["grid"], task["block"], args, task["shared_mem"])
    except KernelMistake as mistake:
        places = [asdict(p) if p else None for p in (mistake.place, mistake.other)]
        kind, detail = mistake.kind, mistake.detail
        return {"status": "mistake", "kind": kind, "detail": detail, "places": places}
    except CompileError as error:
        return {"status": "compile", "detail": str(error), "output": error.output}
    except InputError as error:
        return {"status": "input", "detail": str(error)}
    for value, position in zip(args, task["args"], strict=True):
        if "array" in position:
            np.save(folder / f"{position['array']}.npy", value, allow_pickle=False)
    return {"status": "done", "rows": [asdict(row) for row in rows or []]}


if __name__ == "__main__":
    place = Path(sys.argv[1])
    answer = run(place)
    (place / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
