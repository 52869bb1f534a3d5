"""What a time depends on: the processor, the versions, and what else is running (layer 8)."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

import threadpoolctl

from tinyvlm.parallel import default_threads


def machine() -> str:
    """The processor's name and how many of them this process may use."""
    return f"{processor()}, {default_threads()} processors, {platform.system()}"


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Python, the packages that compute (if installed), and NumPy's BLAS with its kernels."""
    found = {"python": platform.python_version()}
    for package in ("tinyvlm", "numpy", "torch"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    for pool in threadpoolctl.threadpool_info():
        if pool["user_api"] == "blas":
            kernels = pool.get("architecture", "unknown")
            found[pool["internal_api"]] = f"{pool['version']} ({kernels} kernels)"
    return found


def load() -> float | None:
    """How many processes wanted a processor, averaged over the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
