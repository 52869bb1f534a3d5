"""Runs CUDA C on the CPU, thread by thread, and names a kernel's mistakes by line (layer 1).

module = EmulatedModule(Path("my.cu"), check=True)
module.get_function("scale")((4,), (32,), (x, np.int32(x.size)))
"""

from tinyvlm.kernels.emulator.isolated import run_isolated
from tinyvlm.kernels.emulator.mistakes import CompileError, KernelMistake, Place
from tinyvlm.kernels.emulator.module import EmulatedModule, Kernel

__all__ = ["CompileError", "EmulatedModule", "Kernel", "KernelMistake", "Place", "run_isolated"]
