"""`doctor`: what this machine has, what is missing, and the line that installs it."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import sys
from pathlib import Path
from typing import Any

from tinyvlm.cli.arguments import add_command

EXAMPLES = "  python -m tinyvlm doctor"
PACKAGES = {  # what each is for, and how it is installed
    "numpy": ("arrays", "-e ."),
    "pillow": ("picture files", "-e ."),
    "tqdm": ("progress bars", "-e ."),
    "safetensors": ("checkpoints", "-e ."),
    "threadpoolctl": ("BLAS threads", "-e ."),
    "pytest": ("the tests", '-e ".[test]"'),
    "hypothesis": ("the tests", '-e ".[test]"'),
    "jupyter": ("the lessons as notebooks", '-e ".[lessons]"'),
    "jupytext": ("the lessons as notebooks", '-e ".[lessons]"'),
    "torch": ("the other side of `bench cpu`", "torch"),
}


def add(commands: Any) -> None:
    parser = add_command(commands, "doctor", "say what is installed and what is missing", EXAMPLES)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from tinyvlm.parallel import default_threads

    print(f"Python        {platform.python_version()} at {sys.executable}")
    print(f"machine       {platform.system()} {platform.machine()}, {default_threads()} threads")
    for line in blas_lines():
        print(line)
    missing = []
    for name, (purpose, install) in PACKAGES.items():
        version = installed_version(name)
        print(f"{name:<14}{version or 'not installed':<16}{purpose}")
        if version is None:
            missing.append((name, install))
    for line in gpu_lines():
        print(line)
    print(emulator_line())
    for name, install in missing:
        print(f"to get {name}: {sys.executable} -m pip install {install}")


def blas_lines() -> list[str]:
    """NumPy's BLAS, its kernels and its threads."""
    import numpy as np  # noqa: F401  # its BLAS is loaded with it
    import threadpoolctl

    pools = [p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
    if not pools:
        return ["BLAS          unknown to threadpoolctl (Accelerate on macOS, perhaps)"]
    lines = [
        f"BLAS          {p['internal_api']} {p['version']}, {p.get('architecture', '?')} kernels, "
        f"{p['num_threads']} threads"
        for p in pools
    ]
    if avx512_is_idle(pools):
        lines.append(
            "              this processor has AVX-512 and OpenBLAS leaves it unused; to use it,"
        )
        lines.append("              set OPENBLAS_CORETYPE=SkylakeX before Python starts")
    return lines


def avx512_is_idle(pools: list[dict[str, Any]]) -> bool:
    """True when OpenBLAS does not know this processor and runs its AVX2 kernels on it.

    Measured with OpenBLAS 0.3.31 on an AMD EPYC of family 26: a step takes 1.5 times as long.
    """
    try:
        flags = set(Path("/proc/cpuinfo").read_text().partition("flags")[2].splitlines()[0].split())
    except (OSError, IndexError):
        return False
    has_avx512 = flags >= {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
    return has_avx512 and any(p.get("architecture") in ("Haswell", "Zen") for p in pools)


def installed_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def gpu_lines() -> list[str]:
    """CuPy and the GPU, or what is missing."""
    from tinyvlm import backend

    problem = backend.gpu_problem()
    return [f"GPU           {f'not used: {problem}' if problem else backend.gpu_name()}"]


def emulator_line() -> str:
    """Which modes of the CUDA emulator this machine has."""
    from tinyvlm.errors import InputError
    from tinyvlm.kernels.emulator import compiler

    try:
        found = compiler.find_compiler()
    except InputError as error:
        return f"CUDA on CPU   {error}"
    modes = "fast, check and profile" if found.checks else "fast mode only"
    return f"CUDA on CPU   {modes}, by {found.version}"
