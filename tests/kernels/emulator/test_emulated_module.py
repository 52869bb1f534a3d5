"""Launching: arguments, compile errors, the cache, a machine without g++."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinyvlm.errors import InputError
from tinyvlm.kernels.emulator import CompileError, EmulatedModule, KernelMistake, compiler

pytestmark = pytest.mark.usefixtures("kernel_cache")

SCALE = """// Multiplies by a number.
extern "C" __global__ void scale(const float *x, float *y, float by, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = BY * x[i] * by;
}
"""
X = np.arange(8, dtype=np.float32)


@pytest.fixture(scope="module")
def scale():
    return EmulatedModule(SCALE, ("-DBY=3", "-std=c++17")).get_function("scale")


def test_a_definition_reaches_the_kernel(scale):
    y = np.zeros(8, np.float32)
    scale((1,), (8,), (X, y, np.float32(2), np.int32(7)))
    np.testing.assert_array_equal(y, [*6 * X[:7], 0])


def refusals():
    y = np.zeros(8, np.float32)
    by, n = np.float32(2), np.int32(8)
    frozen = y.copy()
    frozen.flags.writeable = False
    return {
        "takes 4 arguments .*, 3 were given": (X, y, by),
        "argument 4 of 4: a Python int travels as int64, the kernel takes int": (X, y, by, 8),
        "argument 3 of 4: a Python float travels as float64, the kernel takes float": (
            X,
            y,
            2.0,
            n,
        ),
        "argument 1 of 4: an array of float64 given, the kernel takes const float": (
            X.astype(float),
            y,
            by,
            n,
        ),
        "argument 2 of 4: float32 given, the kernel takes float ": (X, by, by, n),
        "argument 3 of 4: an array given, the kernel takes float": (X, y, y, n),
        "argument 1 of 4: the array is not contiguous": (X[::2], y, by, n),
        "argument 2 of 4: the array is read-only": (X, frozen, by, n),
        "argument 1 of 4: list given": ([1.0], y, by, n),
    }


@pytest.mark.parametrize("message", refusals())
def test_a_wrong_argument_is_named(scale, message):
    args = refusals()[message]
    with pytest.raises(KernelMistake, match=message) as caught:
        scale((1,), (8,), args)
    assert caught.value.kind == "argument"
    assert (caught.value.place.file, caught.value.place.line) == ("kernel.cu", 2)


@pytest.mark.parametrize(
    ("grid", "block", "shared"),
    [((1,), (2048,), 0), ((0,), (8,), 0), ((1,), (1, 1, 65), 0), ((1,), (8,), 1 << 20)],
)
def test_a_launch_that_no_gpu_takes_is_refused(scale, grid, block, shared):
    with pytest.raises(KernelMistake) as caught:
        scale(grid, block, (X, X.copy(), np.float32(2), np.int32(8)), shared)
    assert caught.value.kind == "launch"


def test_a_compile_error_is_at_the_files_own_line():
    wrong = SCALE.replace("BY * x[i] * by", "x[i] * buy").replace("int i", "\n    int i")
    with pytest.raises(
        CompileError, match=r"^kernel.cu:5:\d+: error: 'buy' was not declared"
    ) as caught:
        EmulatedModule(wrong, check=True)
    assert "In function" in caught.value.output


def test_lines_are_found_from_a_folder_with_a_space(tmp_path, monkeypatch):
    folder = tmp_path / "my kernels"
    folder.mkdir()
    (folder / "first try.cu").write_text(SCALE.replace("if (i < n) ", ""), encoding="utf-8")
    monkeypatch.chdir(folder)
    kernel = EmulatedModule(Path("first try.cu"), ("-DBY=1",), check=True).get_function("scale")
    with pytest.raises(KernelMistake, match=r"^first try.cu:4: out of bounds: "):
        kernel((1,), (9,), (X, X.copy(), np.float32(2), np.int32(8)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no kernel file .*none.cu"):
        EmulatedModule(tmp_path / "none.cu")


def test_without_a_compiler_a_sentence_says_so(monkeypatch):
    monkeypatch.setattr(compiler.shutil, "which", lambda name: None)
    compiler.find_compiler.cache_clear()
    try:
        with pytest.raises(InputError, match=r"with g\+\+, which is not installed here"):
            compiler.find_compiler()
    finally:
        monkeypatch.undo()
        compiler.find_compiler.cache_clear()


def test_check_mode_elsewhere_is_refused_in_a_sentence(monkeypatch):
    """On a machine, or with a compiler, that has fast mode only."""
    clang = compiler.Compiler("/usr/bin/clang++", "clang version 19")
    monkeypatch.setattr(compiler, "find_compiler", lambda: clang)
    with pytest.raises(InputError, match=r"check mode and profiles need g\+\+ on Linux") as caught:
        EmulatedModule(SCALE, ("-DBY=3",), check=True)
    assert "with clang version 19 on " in str(caught.value)
    monkeypatch.undo()
    monkeypatch.setattr(compiler.platform, "machine", lambda: "aarch64")
    assert not compiler.find_compiler().checks


@pytest.mark.skipif(shutil.which("clang++") is None, reason="no clang++")
def test_fast_mode_by_clang(monkeypatch, kernel_cache):
    which = shutil.which
    monkeypatch.setattr(compiler.shutil, "which", lambda n: None if n == "g++" else which(n))
    compiler.find_compiler.cache_clear()
    compiler.machine.cache_clear()
    try:
        y = np.zeros(8, np.float32)
        args = (X, y, np.float32(2), np.int32(7))
        EmulatedModule(SCALE, ("-DBY=7",)).get_function("scale")((1,), (8,), args)
        np.testing.assert_array_equal(y, [*14 * X[:7], 0])
    finally:
        monkeypatch.undo()
        compiler.find_compiler.cache_clear()
        compiler.machine.cache_clear()


def test_the_cache_is_keyed_by_content(kernel_cache):
    first = EmulatedModule(SCALE, ("-DBY=3",))
    assert first.path.parent == kernel_cache
    written = first.path.stat().st_mtime_ns
    again = EmulatedModule(SCALE, ("-DBY=3",))
    assert again.path == first.path
    assert again.path.stat().st_mtime_ns == written, "compiled once"
    others = [EmulatedModule(SCALE, ("-DBY=4",)), EmulatedModule(SCALE, ("-DBY=3",), check=True)]
    assert len({first.path, *(other.path for other in others)}) == 3


BUILD = """
import sys
import numpy as np
from tinyvlm.kernels.emulator import EmulatedModule
y = np.zeros(4, np.float32)
module = EmulatedModule(sys.argv[1], ("-DBY=5",))
module.get_function("scale")((1,), (4,), (y + 1, y, np.float32(1), np.int32(4)))
print(y.sum())
"""


def test_two_processes_that_build_at_once_both_end_well(tmp_path):
    environment = {**os.environ, compiler.CACHE_VARIABLE: str(tmp_path)}
    root = Path(compiler.__file__).parents[3]
    command = [sys.executable, "-c", BUILD, SCALE]
    children = [
        subprocess.Popen(command, env=environment, cwd=root, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [child.communicate()[0].strip() for child in children] == ["20.0", "20.0"]
    assert not list(tmp_path.glob("building_*")), "nothing half built is left"
    assert len(list(tmp_path.glob("kernel_*.so"))) == 1
    ctypes.CDLL(str(next(tmp_path.glob("kernel_*.so"))))


def test_a_cache_that_can_not_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(compiler.CACHE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(InputError, match="set TINYVLM_KERNEL_CACHE to a folder"):
        EmulatedModule(SCALE, ("-DBY=6",))


def test_fibers_of_other_processors(monkeypatch):
    """Elsewhere than on x86-64 a fiber is a ucontext; the same code runs here on request."""
    monkeypatch.setattr(compiler, "COMMON", [*compiler.COMMON, "-DEMULATOR_UCONTEXT"])
    code = """extern "C" __global__ void turn(const float *x, float *y) {
        __shared__ float s[64];
        s[threadIdx.x] = x[threadIdx.x];
        __syncthreads();
        y[threadIdx.x] = s[63 - threadIdx.x] + __shfl_xor_sync(0xffffffffu, 1.0f, 1);
    }"""
    x, y = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
    EmulatedModule(code, thread_order=1).get_function("turn")((1,), (64,), (x, y))
    np.testing.assert_array_equal(y, x[::-1] + 1)
