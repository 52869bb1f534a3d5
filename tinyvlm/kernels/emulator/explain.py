"""A kernel's mistake, explained: the lines it happened on, what it means, what to try (layer 1)."""

from __future__ import annotations

from pathlib import Path

from tinyvlm.kernels.emulator.mistakes import KernelMistake
from tinyvlm.kernels.emulator.source import find_include

AROUND = 2  # lines before and after
MEANING = {
    "race": "Two threads touch the same memory, at least one writes, and nothing says which comes "
    "first: on a GPU the result changes from run to run. Within a block, put __syncthreads() "
    "between the two lines (within a warp, __syncwarp()); across blocks, use an atomic operation "
    "or let only one block write the place.",
    "barrier": "__syncthreads() waits for all threads of the block, and some never come to this "
    "one. Move it out of the if, and let threads without work skip the work instead of returning.",
    "deadlock": "A warp collective waits for every lane of its mask, and one of them never comes. "
    "Call it outside of the if, or give it the mask of the lanes that do come.",
    "warp collective": "A lane that calls __shfl_sync, __ballot_sync and the like must be in the "
    "mask, and so must the lane it reads from.",
    "out of bounds": "The address lies in no array that the kernel was given. Compare the index "
    "with the array's size first; the last block usually has threads too many.",
    "misaligned": "A load of 8 or 16 bytes (float2, float4, a row of ldmatrix) needs an address "
    "that is a multiple of its size. Is every row's length a multiple of it?",
    "uninitialised": "Shared memory is read where nobody has written in this block: on a GPU there "
    "is whatever the last block left. Often a barrier is missing between writing and reading, or "
    "part of a tile was not filled.",
    "async copy": "What cp.async copies is there only after the thread that started it has waited "
    "(cp_async_wait), and for other threads only after a barrier behind that wait.",
    "shared memory": "A block has 48 KB in __shared__ arrays of a fixed size, and 227 KB on the "
    "largest GPUs where the launch asks for it (extern __shared__, shared_mem).",
    "argument": "The launch hands over other types than the kernel takes; a GPU would read the "
    "bytes as they come.",
    "launch": "A GPU refuses this shape of grid and block.",
    "timeout": "The kernel was still running. Does its loop end for every thread? A thread that "
    "waits for another block may wait for ever: blocks run in any order.",
    "crash": "The kernel took its process down.",
}


def explain(mistake: KernelMistake, folder: Path) -> str:
    """Several lines that say more than the mistake's own message. folder is the kernel's."""
    marked: dict[str, list[int]] = {}
    for place in (mistake.place, mistake.other):
        if place and place.line not in marked.setdefault(place.file, []):
            marked[place.file].append(place.line)
    parts = [excerpt(folder, file, lines) for file, lines in marked.items()]
    parts.append(MEANING.get(mistake.kind, ""))
    return "\n\n".join(part for part in parts if part)


def excerpt(folder: Path, file: str, lines: list[int]) -> str:
    """The marked lines of a file with those around them; empty when the file isn't there."""
    path = find_include(file, folder)
    if path is None:
        return ""
    text = path.read_text(encoding="utf-8", errors="replace").splitlines()
    wanted = {n for line in lines for n in range(line - AROUND, line + AROUND + 1)}
    shown: list[str] = []
    last = None
    for n in sorted(wanted & set(range(1, len(text) + 1))):
        if last is not None and n > last + 1:
            shown.append("      ...")
        shown.append(f"{'>' if n in lines else ' '} {n:4} | {text[n - 1]}".rstrip())
        last = n
    return "\n".join(shown)
