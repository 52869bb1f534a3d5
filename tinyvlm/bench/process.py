"""An engine at work in a process of its own, seen from the outside (layer 8).

One process an engine: they share no memory, no thread pool and no BLAS settings, and each one's
peak memory is its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import tinyvlm


@dataclass(frozen=True)
class Engine:
    """Who does the work, on how many threads."""

    library: str  # "tinyvlm" or "torch"
    threads: int

    @property
    def name(self) -> str:
        return f"{self.library}-{self.threads}"


@dataclass(frozen=True)
class Sample:
    """One step."""

    wall: float  # seconds
    cpu: float  # seconds, of all threads of the process


class Runner(Protocol):
    """What the protocol of cpu.py asks of an engine at work."""

    engine: Engine
    results: list[float]  # what the warm-up steps returned

    def step(self) -> Sample: ...

    def peak_memory(self) -> float | None: ...


class EngineError(RuntimeError):
    """The process of an engine ended by itself. The message is the last line that it wrote."""


class Process:
    """A worker.py. Use it as a context manager: the process ends with the block."""

    def __init__(self, engine: Engine, case_name: str, arrays: Path) -> None:
        self.engine = engine
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tinyvlm.bench.worker"),
                *(case_name, engine.library, str(engine.threads), str(arrays)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment(),
        )

    def __enter__(self) -> Self:
        self.results: list[float] = self.read()["results"]
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()

    def step(self) -> Sample:
        assert self.process.stdin is not None
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        return Sample(**self.read())

    def peak_memory(self) -> float | None:
        """In MB. The process ends here: no step can follow."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None
        return self.read()["peak"]

    def read(self) -> dict[str, Any]:
        """The next answer. Raises EngineError when the process is gone."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            said = self.errors.read().strip().splitlines()
            code = self.process.wait()
            raise EngineError(f"{self.engine.name}: {said[-1] if said else f'exit code {code}'}")
        return json.loads(line)


def environment() -> dict[str, str]:
    """Ours, with the tinyvlm that is running found first."""
    root = str(Path(tinyvlm.__file__).parents[1])
    path = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join([root, path] if path else [root])}
