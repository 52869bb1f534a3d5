"""Runs CUDA C on the CPU, thread by thread, and names a kernel's mistakes by line (layer 1).

module = EmulatedModule(Path("my.cu"), check=True)
module.get_function("scale")((4,), (32,), (x, np.int32(x.size)))

A kernel's file is compiled by g++ behind runtime/cuda.h; each CUDA thread is a fiber that runs
until it has to wait. Fast mode runs the plain code, in a chosen order of threads. Check mode
watches every load and store, and its profile tells what each line asks of memory. run_isolated
does the same in a child process.

What it does not see: in which order a GPU's memory shows writes (a block that reads what another
wrote in the same launch is a race here, also behind __threadfence); an overrun of a thread's own
local array; two lanes that a collective with a partial mask leaves unordered. A plain read beside
atomic writes is a race here, as in C++: a compare-and-swap loop begins with atomicCAS(p, 0, 0).
Threads give way only where they wait, so a block that spins until a later block has run is ended by
the watchdog. cp.async copies as late as it may, at the wait. bfloat16 arrays are of ml_dtypes'
dtype, or uint16 holding the bits (bfloat16.py). The instructions of ptx.cuh are C++ here; other
inline assembly does not compile. Missing: wgmma and TMA, named barriers, textures, dynamic
parallelism, __constant__ memory set from Python.
"""

from tinyvlm.kernels.emulator.isolated import run_isolated
from tinyvlm.kernels.emulator.mistakes import CompileError, KernelMistake, Place
from tinyvlm.kernels.emulator.module import EmulatedModule, Kernel
from tinyvlm.kernels.emulator.profile import ProfileRow

__all__ = [
    "CompileError",
    "EmulatedModule",
    "Kernel",
    "KernelMistake",
    "Place",
    "ProfileRow",
    "run_isolated",
]
