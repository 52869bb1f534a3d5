"""EmulatedModule: a .cu file on the CPU, launched as CuPy launches a RawKernel (layer 1)."""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinyvlm.errors import InputError
from tinyvlm.kernels.emulator import arguments, compiler, lines
from tinyvlm.kernels.emulator.interface import Counted, Launch, Region, Report, Site
from tinyvlm.kernels.emulator.mistakes import KernelMistake, Place
from tinyvlm.kernels.emulator.profile import ProfileRow, summed
from tinyvlm.kernels.emulator.source import prepare

MAX_THREADS = 1024
MAX_DYNAMIC_SHARED = 227 << 10
ONE_LAUNCH = threading.Lock()  # the runtime keeps its state in one place


class EmulatedModule:
    """A kernel file, compiled for the CPU.

    source is a Path, or the text of a .cu file. options: a compiler's -DNAME=VALUE and -IFOLDER.
    check: watch every access and report races, bounds and the like; 10 to 40 times slower.
    thread_order: 0 runs the first thread first, 1 the last one first, any more is a shuffle's seed;
    a kernel that misses a barrier gives other results in another order. seconds is the watchdog's.

    Raises InputError without g++, CompileError when g++ does not accept the file.
    """

    def __init__(
        self,
        source: str | Path,
        options: Sequence[str] = (),
        *,
        check: bool = False,
        thread_order: int = 0,
        seconds: float = 10.0,
    ) -> None:
        self.check, self.thread_order, self.seconds = check, thread_order, seconds
        if isinstance(source, Path):
            if not source.is_file():
                raise InputError(f"no kernel file {source}")
            self.name = source.name
            self.source = prepare(source.read_text(encoding="utf-8"), source.name, source.parent)
        else:
            self.name = "kernel.cu"
            self.source = prepare(source, self.name)
        self.path = compiler.kernel_library(self.source, tuple(options), check)
        self.library = ctypes.CDLL(str(self.path))
        self.library.emulator_launch.argtypes = [ctypes.POINTER(Launch), ctypes.POINTER(Report)]
        self.library.emulator_launch.restype = None

    def get_function(self, name: str) -> Kernel:
        """Raises InputError, with the names there are, for another."""
        if name not in self.source.kernels:
            known = ", ".join(self.source.kernels) or "none"
            raise InputError(f"{self.name} has no kernel {name!r}; it has: {known}")
        return Kernel(self, name)

    def place(self, site: Site) -> Place | None:
        """Where a site is: the innermost line that stands in one of the kernel's files, or None."""
        if not site.pc:
            return None
        found = lines.locate(self.path, self.source.files, [site.pc])[0]
        return Place(*found, tuple(site.thread), tuple(site.block)) if found else None

    def counted(self) -> list[Counted]:
        """What the launch that has just ended counted, copied out of the runtime."""
        rows = ctypes.POINTER(Counted)()
        count = self.library.emulator_profile(ctypes.byref(rows))
        return [Counted.from_buffer_copy(rows[i]) for i in range(count)]


class Kernel:
    """One kernel of a module, to be called as a CuPy RawKernel is."""

    def __init__(self, module: EmulatedModule, name: str) -> None:
        self.module, self.name = module, name
        self.entry = getattr(module.library, f"emulator_entry_{name}")
        signature = getattr(module.library, f"emulator_signature_{name}")
        signature.restype = ctypes.c_char_p
        text = signature().decode()
        self.parameters = [arguments.Parameter.parse(t) for t in text.split(",") if t]

    def __call__(
        self, grid: Sequence[int], block: Sequence[int], args: Sequence, shared_mem: int = 0
    ) -> None:
        """Run on NumPy arrays, in place. Raises KernelMistake; the arrays are then unchanged in
        check mode, and half written without it."""
        self.run(grid, block, args, shared_mem)

    def profile(
        self, grid: Sequence[int], block: Sequence[int], args: Sequence, shared_mem: int = 0
    ) -> list[ProfileRow]:
        """Run as a call does, and tell what each line asked of memory. Needs check=True."""
        if not self.module.check:
            raise ValueError("a profile watches every access: EmulatedModule(..., check=True)")
        counted = self.run(grid, block, args, shared_mem, counting=True)
        module = self.module
        places = lines.locate(module.path, module.source.files, [one.pc for one in counted])
        names = module.source.parameters[self.name]
        if len(names) != len(self.parameters):  # a macro wrote them
            names = [f"argument {i}" for i in range(1, len(self.parameters) + 1)]
        return summed(counted, places, names)

    def run(
        self,
        grid: Sequence[int],
        block: Sequence[int],
        args: Sequence,
        shared_mem: int,
        counting: bool = False,
    ) -> list[Counted]:
        grid, block = self.checked_shape(grid, block, shared_mem)
        self.check_arguments(args)
        arrays = [a for a in args if isinstance(a, np.ndarray)]
        copies = arguments.GuardedCopies(arrays) if self.module.check else None
        keep: list[ctypes.c_void_p | ctypes.Array[ctypes.c_char]] = []
        pointers: list[int] = []
        regions: list[Region] = []
        for i, value in enumerate(args, start=1):
            if isinstance(value, np.ndarray):
                address = copies.address(value) if copies else value.ctypes.data
                regions.append(Region(address, value.nbytes, i, granule(value)))
                keep.append(ctypes.c_void_p(address))
            else:
                raw = np.asarray(value).tobytes()
                keep.append(ctypes.create_string_buffer(raw, len(raw)))
            pointers.append(ctypes.addressof(keep[-1]))
        counted = self.launch(grid, block, shared_mem, pointers, merged(regions), counting)
        if copies:
            pairs = zip(args, self.parameters, strict=True)
            copies.write_back([a for a, p in pairs if p.way == "array"])
        return counted

    def checked_shape(
        self, grid: Sequence[int], block: Sequence[int], shared_mem: int
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Both as triples. Raises KernelMistake for what a GPU would refuse to launch."""
        grid, block = (tuple(int(n) for n in (*size, 1, 1, 1)[:3]) for size in (grid, block))
        wrong = None
        if min(*grid, *block) < 1:
            wrong = f"grid {grid} and block {block} must be at least 1 everywhere"
        elif math.prod(block) > MAX_THREADS or block[2] > 64:
            wrong = f"block {block}: at most 1,024 threads, and 64 along z"
        elif grid[0] >= 1 << 31 or max(grid[1:]) > 65535:
            wrong = f"grid {grid}: at most 65,535 blocks along y and z"
        elif not 0 <= shared_mem <= MAX_DYNAMIC_SHARED:
            wrong = f"shared_mem {shared_mem}: at most {MAX_DYNAMIC_SHARED} bytes"
        if wrong:
            raise KernelMistake("launch", f"{self.name}: {wrong}", self.definition())
        return grid, block

    def definition(self, site: Site | None = None) -> Place:
        """The line where the kernel begins."""
        site = site or Site()
        line = self.module.source.kernels[self.name]
        return Place(self.module.name, line, tuple(site.thread), tuple(site.block))

    def check_arguments(self, args: Sequence) -> None:
        try:
            arguments.check(args, self.parameters, self.name)
        except KernelMistake as mistake:
            raise KernelMistake(mistake.kind, mistake.detail, self.definition()) from None

    def launch(
        self,
        grid: tuple,
        block: tuple,
        shared_mem: int,
        pointers: list[int],
        regions: list[Region],
        counting: bool,
    ) -> list[Counted]:
        module, report = self.module, Report()
        asked = Launch(
            ctypes.cast(self.entry, ctypes.c_void_p).value,
            (ctypes.c_void_p * len(pointers))(*pointers),
            grid,
            block,
            shared_mem,
            module.check,
            counting,
            module.thread_order,
            module.seconds,
            len(regions),
            (Region * len(regions))(*regions),
        )
        with ONE_LAUNCH:
            module.library.emulator_launch(ctypes.byref(asked), ctypes.byref(report))
            counted = module.counted() if counting else []
        if report.kind:
            other = module.place(report.other) if report.has_other else None
            # A timeout may have come inside the runtime; then the last access tells the line.
            place = module.place(report.here) or module.place(report.other)
            place = place or self.definition(report.here)
            raise KernelMistake(report.kind.decode(), report.detail.decode(), place, other)
        return counted


def granule(array: np.ndarray) -> int:
    """Bytes that share one history in the race detector: an element, at most 4 of them."""
    return max(g for g in (1, 2, 4) if array.itemsize % g == 0)


def merged(regions: list[Region]) -> list[Region]:
    """One region per memory: an array given twice has one history."""
    kept: dict[int, Region] = {}
    for region in regions:
        old = kept.get(region.start)
        if old is None or old.bytes < region.bytes:
            kept[region.start] = region
    return list(kept.values())
