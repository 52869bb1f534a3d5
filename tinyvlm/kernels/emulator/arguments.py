"""Checks a kernel's arguments against its C++ signature and lays them out for the call (layer 1).

The rules are CuPy's: an array stands for a pointer, a NumPy scalar for a value of its dtype, a
Python int travels as int64 and a float as float64. On a GPU a wrong one is read as other bytes,
without a word; here it is refused.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyvlm.kernels.emulator.mistakes import KernelMistake

GUARD = 4096  # bytes around a copy, so that a stray index does not land in another array
NAMES = {
    "f8": "double",
    "f4": "float",
    "f2": "half",
    "b2": "__nv_bfloat16",
    "t1": "bool",
    "i1": "char",
    "u1": "unsigned char",
    "i2": "short",
    "u2": "unsigned short",
    "i4": "int",
    "u4": "unsigned",
    "i8": "long long",
    "u8": "unsigned long long",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel: way is array, const (read only) or scalar."""

    way: str
    element: str  # "f4": kind and bytes; a vector's element without its count
    lanes: int  # 4 for float4

    @classmethod
    def parse(cls, text: str) -> Parameter:
        way, _, element = text.partition(" ")
        element, _, lanes = element.partition("x")
        return cls(way, element, int(lanes or 1))

    def __str__(self) -> str:
        name = NAMES.get(self.element, self.element) + (str(self.lanes) if self.lanes > 1 else "")
        return {"array": f"{name} *", "const": f"const {name} *", "scalar": name}[self.way]


def element_of(dtype: np.dtype) -> str:
    """float32 -> "f4"; the letters are NumPy's, but t is bool and b is bfloat16."""
    if dtype.name == "bfloat16":
        return "b2"
    return {"b": "t"}.get(dtype.kind, dtype.kind) + str(dtype.itemsize)


def check_array(array: np.ndarray, parameter: Parameter) -> str | None:
    """What is wrong with an array for this parameter, or None."""
    element = element_of(array.dtype)
    as_bits = parameter.element in ("b2", "f2") and element == "u2"  # 16-bit floats kept as bits
    if parameter.way == "scalar":
        return f"an array given, the kernel takes {parameter}"
    if parameter.element not in ("v0", element) and parameter.element[0] != "s" and not as_bits:
        return f"an array of {array.dtype} given, the kernel takes {parameter}"
    if not array.flags.c_contiguous:
        return "the array is not contiguous: np.ascontiguousarray makes one that is"
    if parameter.way == "array" and not array.flags.writeable:
        return f"the array is read-only, the kernel takes {parameter}"
    return None


def check_scalar(value: np.generic | int | float, parameter: Parameter) -> str | None:
    """What is wrong with a scalar for this parameter, or None."""
    if parameter.way != "scalar":
        return f"{type(value).__name__} given, the kernel takes {parameter}"
    dtype = np.asarray(value).dtype
    if element_of(dtype) == parameter.element:
        return None
    python = isinstance(value, int | float) and not isinstance(value, np.generic)
    how = f"a Python {type(value).__name__} travels as {dtype}" if python else f"{dtype} given"
    return f"{how}, the kernel takes {parameter}"


def check(args: Sequence, parameters: Sequence[Parameter], kernel: str) -> None:
    """Raises KernelMistake for a wrong number of arguments, or the first that does not fit."""
    if len(args) != len(parameters):
        wanted = ", ".join(map(str, parameters))
        detail = f"{kernel} takes {len(parameters)} arguments ({wanted}), {len(args)} were given"
        raise KernelMistake("argument", detail)
    for i, (value, parameter) in enumerate(zip(args, parameters, strict=True), start=1):
        if isinstance(value, np.ndarray):
            wrong = check_array(value, parameter)
        elif isinstance(value, np.generic | int | float):
            wrong = check_scalar(value, parameter)
        else:
            wrong = f"{type(value).__name__} given, the kernel takes {parameter}"
        if wrong:
            raise KernelMistake("argument", f"{kernel}, argument {i} of {len(args)}: {wrong}")


def allocation(array: np.ndarray) -> int:
    """The address of the array that this one is a view of, or its own."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.ctypes.data


class GuardedCopies:
    """Copies of the arrays between guards; arrays that share memory share their copy too."""

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        merged: list[list[int]] = []
        for array in sorted(arrays, key=lambda a: a.ctypes.data):
            start, end = array.ctypes.data, array.ctypes.data + array.nbytes
            if merged and start < merged[-1][1]:
                merged[-1][1] = max(end, merged[-1][1])
            else:
                merged.append([start, end, start - allocation(array)])
        self.spans = [(start, end, self.copy(start, end, past)) for start, end, past in merged]

    def copy(self, start: int, end: int, past: int) -> tuple[int, np.ndarray]:
        """As on a GPU, where memory is handed out at multiples of 256 bytes: a view that begins
        `past` bytes into its array begins as far past such a multiple."""
        buffer = np.full(end - start + 2 * GUARD + 512, 0xFF, np.uint8)
        base = buffer.ctypes.data + GUARD
        address = base + (past - base) % 256
        ctypes.memmove(address, start, end - start)
        return address, buffer

    def address(self, array: np.ndarray) -> int:
        here = array.ctypes.data
        for start, end, (copy, _) in self.spans:
            if start <= here and here + array.nbytes <= end:
                return copy + here - start
        return here  # an empty array

    def write_back(self, written: Sequence[np.ndarray]) -> None:
        for array in written:
            ctypes.memmove(array.ctypes.data, self.address(array), array.nbytes)
