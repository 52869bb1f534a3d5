"""NVRTC, NVIDIA's compiler as a library, through ctypes; it needs no GPU and no toolkit (layer 1).

pip install nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cuda-crt, in any virtual environment; its
folder goes into TINYVLM_NVRTC unless it is this one. The last two packages hold the headers.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tinyvlm.errors import InputError

VARIABLE = "TINYVLM_NVRTC"


class NvrtcError(RuntimeError):
    """NVRTC did not accept a program; the message is its log."""


class Nvrtc:
    """The library, and the folder of CUDA's headers."""

    def __init__(self, library: Path, headers: Path) -> None:
        self.headers = headers
        self.library = ctypes.CDLL(str(library))
        self.library.nvrtcGetErrorString.restype = ctypes.c_char_p

    @property
    def version(self) -> str:
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        return f"{major.value}.{minor.value}"

    def call(self, name: str, *arguments: object) -> None:
        code = getattr(self.library, name)(*arguments)
        if code:
            raise NvrtcError(f"{name}: {self.library.nvrtcGetErrorString(code).decode()}")

    def compile(self, code: str, name: str, options: Sequence[str]) -> str:
        """The log of a compilation, which tells what each kernel uses. Raises NvrtcError."""
        program = ctypes.c_void_p()
        text = code.encode()
        self.call("nvrtcCreateProgram", ctypes.byref(program), text, name.encode(), 0, None, None)
        try:
            flags = [f"-I{self.headers}", "-std=c++17", "--ptxas-options=-v", *options]
            array = (ctypes.c_char_p * len(flags))(*(flag.encode() for flag in flags))
            failed = self.library.nvrtcCompileProgram(program, len(flags), array)
            size = ctypes.c_size_t()
            self.call("nvrtcGetProgramLogSize", program, ctypes.byref(size))
            log = ctypes.create_string_buffer(size.value)
            self.call("nvrtcGetProgramLog", program, log)
        finally:
            self.call("nvrtcDestroyProgram", ctypes.byref(program))
        if failed:
            raise NvrtcError(log.value.decode(errors="replace").strip())
        return log.value.decode(errors="replace")


def find() -> Nvrtc:
    """NVRTC from the folder in TINYVLM_NVRTC, or from this environment. Raises InputError."""
    chosen = os.environ.get(VARIABLE)
    roots = [Path(chosen)] if chosen else [Path(path) for path in sys.path if path]
    for root in roots:
        site = [root, *root.glob("lib/python*/site-packages")]
        for packages in site:
            libraries = sorted(packages.glob("nvidia/*/lib/libnvrtc.so.*"))
            headers = sorted(packages.glob("nvidia/*/include/cuda_bf16.h"))
            if libraries and headers:
                return Nvrtc(libraries[-1], headers[-1].parent)
    raise InputError(
        "no NVRTC here: pip install nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cuda-crt in a "
        f"virtual environment, and name its folder in {VARIABLE}"
    )
