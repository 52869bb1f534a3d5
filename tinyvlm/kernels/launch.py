"""How a kernel is started, the same for the emulator and for a GPU; the matmul ladder (layer 1).

plan = matmul("05", A, B, C)                     # NumPy arrays, or CuPy's
run(plan, EmulatedModule)                        # on the CPU
run(plan, partial(EmulatedModule, check=True))   # ... and watch every access
run(plan, gpu_module)                            # on a GPU

A plan is a list of launches, run in order: file, kernel, grid, block, arguments. Results go into
arrays of the caller. launch_attention.py and launch_fused.py plan the other kernels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyvlm.backend import Array

FOLDER = Path(__file__).parent
Module = Any  # cupy.RawModule, or the emulator's EmulatedModule


@dataclass(frozen=True)
class Launch:
    """One kernel over one grid: what a module's get_function(kernel)(grid, block, args) takes.

    Every kernel's shared memory has a fixed size, at most 48 KB, so no launch asks for any.
    """

    file: str  # below tinyvlm/kernels
    kernel: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    args: tuple
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if max(self.grid[1:], default=0) > 65535:
            raise ValueError(
                f"{self.kernel}: grid {self.grid}, but a GPU takes at most 65,535 along y and z"
            )


def run(plan: Iterable[Launch], module: Callable[[Path, tuple[str, ...]], Module]) -> None:
    """module(path, options) loads a kernel file: gpu_module, or EmulatedModule with its mode."""
    for launch in plan:
        if 0 not in launch.grid:  # else there is nothing to compute
            kernel = module(FOLDER / launch.file, launch.options).get_function(launch.kernel)
            kernel(launch.grid, launch.block, launch.args)


@functools.cache
def gpu_module(path: Path, options: tuple[str, ...]) -> Module:
    """The file compiled for the GPU at hand, by NVRTC; headers lie beside it and in FOLDER."""
    import cupy

    options = ("-std=c++17", f"-I{path.parent}", f"-I{FOLDER}", *options)
    return cupy.RawModule(code=path.read_text(encoding="utf-8"), options=options)


def ceil_div(n: int, by: int) -> int:
    return -(-n // by)


def ints(*values: int) -> tuple[np.int32, ...]:
    """For `int` parameters: a Python int travels as eight bytes. Raises OverflowError at 2^31."""
    return tuple(np.int32(value) for value in values)


def check(name: str, x: Array, axes: str, shape: tuple[int, ...], dtype: str = "float32") -> None:
    """Raises ValueError or TypeError unless x is a contiguous array of this shape and dtype.

    NumPy has no bfloat16: it is ml_dtypes' dtype of that name, or the bits as uint16.
    """
    if x.shape != shape:
        raise ValueError(f"expected {name} {axes} = {shape}, got {x.shape}")
    if x.dtype.name not in ((dtype, "uint16") if dtype == "bfloat16" else (dtype,)):
        raise TypeError(f"expected {name} of {dtype}, got {x.dtype}")
    if not x.flags.c_contiguous:
        raise ValueError(f"expected {name} {axes} to be contiguous, its strides are {x.strides}")


# ---- matmul -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class MatmulRung:
    """A rung of matmul/: its block, and how many rows and columns of C one block computes."""

    name: str
    block: tuple[int, ...]
    tile: tuple[int, int]
    x_counts_rows: bool = False  # of C; else the grid's x axis counts columns
    architecture: int = 50  # the least one: 80 is sm_80
    inputs: str = "float32"  # the dtype of A and B; C is float32


MATMUL = {
    "01": MatmulRung("naive", (16, 16), (16, 16), x_counts_rows=True),
    "02": MatmulRung("coalesced", (32, 8), (8, 32)),
    "03": MatmulRung("shared_tile", (16, 16), (16, 16)),
    "04": MatmulRung("register_tile_1d", (512,), (64, 64)),
    "05": MatmulRung("register_tile_2d", (256,), (64, 64)),
    "06": MatmulRung("float4", (256,), (128, 128)),
    "07": MatmulRung("double_buffer", (256,), (128, 128), architecture=80),
    "08": MatmulRung("warp_tile", (256,), (128, 128), architecture=80),
    "09": MatmulRung("wmma", (256,), (128, 128), architecture=80, inputs="bfloat16"),
    "10": MatmulRung("mma_sync", (128,), (128, 128), architecture=80, inputs="bfloat16"),
}
LAYOUTS = {"NN": (0, 0), "NT": (0, 1), "TN": (1, 0)}  # does A, does B lie as its transpose?


def matmul(rung: str, A: Array, B: Array, C: Array, layout: str = "NN") -> list[Launch]:
    """C (I, J) = A (I, K) B (K, J), or a batch of products, C (batch, I, J), all contiguous.

    NT: B lies as its transpose (J, K). TN: A does, (K, I). An A or B of two axes is shared by the
    products of a batch. Raises KeyError for an unknown rung or layout, ValueError for a shape.
    """
    kind, (transposed_a, transposed_b) = MATMUL[rung], LAYOUTS[layout]
    if C.ndim not in (2, 3) or A.ndim < 2:
        raise ValueError(f"expected A (I, K), C (I, J) or (batch, I, J), got {A.shape}, {C.shape}")
    *batch, I, J = C.shape
    K = A.shape[-2 if transposed_a else -1]
    shape_a, axes_a = ((K, I), "(K, I)") if transposed_a else ((I, K), "(I, K)")
    shape_b, axes_b = ((J, K), "(J, K)") if transposed_b else ((K, J), "(K, J)")
    check("A", A, axes_a, shape_a if A.ndim == 2 else (*batch, *shape_a), kind.inputs)
    check("B", B, axes_b, shape_b if B.ndim == 2 else (*batch, *shape_b), kind.inputs)
    check("C", C, "(I, J)", C.shape)
    steps = (np.int64(0 if x.ndim == 2 else size) for x, size in ((A, I * K), (B, K * J)))
    grid = (ceil_div(J, kind.tile[1]), ceil_div(I, kind.tile[0]))
    return [
        Launch(
            f"matmul/{rung}_{kind.name}.cu",
            f"matmul_{kind.name}",
            (*(grid[::-1] if kind.x_counts_rows else grid), *(batch or [1])),
            kind.block,
            (A, B, C, *ints(I, J, K), *steps),
            (f"-DTRANSPOSED_A={transposed_a}", f"-DTRANSPOSED_B={transposed_b}"),
        )
    ]
