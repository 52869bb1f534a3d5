"""Devices: what an array is on, moving it, and what is said when there is no GPU."""

import sys
import types

import numpy as np
import pytest

from tinyvlm import backend


class FakeGPUArray:
    """What the engine sees of a CuPy array: its module's name, and get()."""

    __module__ = "cupy._core.core"

    def __init__(self, values):
        self.values = values

    def get(self):
        return self.values


def fake_cupy(count):
    """A module named cupy; count is the number of GPUs, or the error that asking for it raises."""

    def device_count():
        if isinstance(count, Exception):
            raise count
        return count

    cupy = types.ModuleType("cupy")
    cupy.__version__ = "0.0"
    cupy.asarray = FakeGPUArray
    cupy.cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=device_count))
    return cupy


def test_a_numpy_array_is_on_the_cpu():
    x = np.ones(3)
    assert backend.device_of(x) == backend.device_of(np.float32(1)) == "cpu"
    assert backend.array_module(x) is np
    assert backend.to_device(x, "cpu") is x


def test_a_cupy_array_is_on_the_gpu(monkeypatch):
    """Catches a device decided by anything but the array's type."""
    cupy = fake_cupy(count=1)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    values = np.ones(3)
    on_gpu = backend.to_device(values, "gpu")
    assert backend.device_of(on_gpu) == "gpu"
    assert backend.array_module(on_gpu) is cupy
    assert backend.to_device(on_gpu, "gpu") is on_gpu
    assert backend.to_device(on_gpu, "cpu") is values


def test_what_is_no_array():
    with pytest.raises(TypeError, match="expected a NumPy or CuPy array, got list"):
        backend.device_of([1, 2])


def test_an_unknown_device():
    with pytest.raises(ValueError, match=r"device must be one of .*'cpu', 'gpu'.*, got 'cuda'"):
        backend.to_device(np.ones(3), "cuda")


@pytest.mark.parametrize(
    ("cupy", "problem"),
    [
        (None, "CuPy is not installed (pip install cupy-cuda12x"),
        (fake_cupy(RuntimeError("no driver")), "found no working NVIDIA driver (no driver)"),
        (fake_cupy(0), "found no NVIDIA GPU"),
    ],
)
def test_without_a_usable_gpu(cupy, problem, monkeypatch):
    """Catches CuPy's own exceptions reaching a laptop user. None in sys.modules: not installed."""
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert problem in backend.gpu_problem()
    with pytest.raises(RuntimeError, match="device='gpu' is not usable here: CuPy"):
        backend.to_device(np.ones(3), "gpu")


def test_with_a_gpu_there_is_no_problem(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(count=2))
    assert backend.gpu_problem() is None
