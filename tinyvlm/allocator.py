"""Keep freed memory in the process instead of giving it back after every operation (layer 4).

A training step makes and drops the same large arrays again and again. glibc returns each to the
kernel and asks for it anew; the page faults then cost a third of the time. These switches change
the whole process, so a library must not flip them on import: the command line does, for its own
process, and a script may.
"""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
M_ARENA_MAX = -8
KEEP = 2**31 - 1  # bytes that may lie free at the top of the heap


def keep_freed_memory() -> bool:
    """True when the switches were set; False where there is no glibc (macOS, Windows, musl)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    # Large blocks come from the heap (no mmap of their own), and the heap is not trimmed. Threads
    # share it: the heaps that glibc makes for further threads are given back in spite of the above.
    switches = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: KEEP, M_ARENA_MAX: 1}
    return all(mallopt(switch, value) for switch, value in switches.items())
