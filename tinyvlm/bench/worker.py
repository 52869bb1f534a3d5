"""The process of one engine: builds the case, warms up, then a step for each line (layer 8).

    python -m tinyvlm.bench.worker CASE LIBRARY THREADS ARRAYS.safetensors

It writes lines of JSON: what the warm-up steps returned, then for each line it reads the times of a
step, and at the end of its input the most memory it ever held. process.py is the other end.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.numpy

from tinyvlm.allocator import keep_freed_memory
from tinyvlm.bench import cases
from tinyvlm.parallel import blas_threads

WARM_UP = 3  # steps


def main(case_name: str, library: str, threads: int, file: Path) -> None:
    [case] = cases.select([case_name])
    arrays = safetensors.numpy.load_file(file)
    keep_freed_memory()  # as `python -m tinyvlm` does; PyTorch gets the same process, for fairness
    if library == "torch":
        import torch

        torch.set_num_threads(threads)
        serve(case.torch(arrays))
    else:
        with blas_threads(case.blas_threads):
            serve(case.ours(arrays, threads))


def serve(step: Callable[[], float]) -> None:
    answer({"results": [step() for _ in range(WARM_UP)]})
    for _ in sys.stdin:
        gc.collect()
        cpu, wall = time.process_time(), time.perf_counter()
        step()
        answer(
            {
                "wall": time.perf_counter() - wall,  # seconds
                "cpu": time.process_time() - cpu,  # seconds, of all threads
            }
        )
    answer({"peak": peak_memory()})


def answer(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def peak_memory() -> float | None:
    """The most memory this process ever held, in MB (10^6 bytes); None where nobody says.

    Trap: ru_maxrss survives the exec that made this process, so on Linux VmHWM is read instead.
    """
    try:
        status = Path("/proc/self/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
