"""Which array module an array belongs to, and which device it lives on (layer 0).

Only this file and kernels/ may import CuPy, and only when an array or a user asks for the GPU.
Everything above calls NumPy functions: `np.exp(x)` of a CuPy array already runs on the GPU, through
NumPy's own dispatch protocols (NEP 13 and NEP 18).
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

Array = Any  # a numpy.ndarray, or a cupy.ndarray of the same shape and dtype

DEVICES = ("cpu", "gpu")


def device_of(x: Array) -> str:
    """'cpu' or 'gpu': a test of the type, nothing is imported or copied."""
    if isinstance(x, np.ndarray | np.generic):
        return "cpu"
    if type(x).__module__.partition(".")[0] == "cupy":
        return "gpu"
    raise TypeError(f"expected a NumPy or CuPy array, got {type(x).__name__}")


def array_module(x: Array) -> ModuleType:
    """numpy or cupy: for creating arrays beside x (`array_module(x).zeros(...)`)."""
    return np if device_of(x) == "cpu" else sys.modules["cupy"]


def to_device(x: Array, device: str) -> Array:
    """x on `device` ('cpu' or 'gpu'); x itself when it is there already.

    Raises ValueError for an unknown device and RuntimeError when there is no usable GPU.
    """
    if device not in DEVICES:
        raise ValueError(f"device must be one of {DEVICES}, got {device!r}")
    if device_of(x) == device:
        return x
    if device == "cpu":
        return x.get()
    problem = gpu_problem()
    if problem:
        raise RuntimeError(f"device='gpu' is not usable here: {problem}")
    return sys.modules["cupy"].asarray(x)


def gpu_name() -> str:
    """The first GPU and CuPy's version. Call it when gpu_problem() is None."""
    import cupy

    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    return f"{name}, CuPy {cupy.__version__}"


def gpu_problem() -> str | None:
    """None when a GPU can be used, else one sentence on what is missing.

    CuPy installed on a machine without a driver counts as "no GPU", it never raises.
    """
    try:
        import cupy
    except ImportError:
        return "CuPy is not installed (pip install cupy-cuda12x, or cupy-cuda13x for CUDA 13)"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy raises its own types, which exist only once it is loaded
        return f"CuPy {cupy.__version__} found no working NVIDIA driver ({error})"
    return None if count else "CuPy found no NVIDIA GPU"
