"""bfloat16 without a dtype for it: the upper half of a float32, kept as uint16 (layer 1)."""

from __future__ import annotations

import numpy as np


def to_bits(x: np.ndarray) -> np.ndarray:
    """Float32 values, rounded to nearest even as the hardware rounds them, as uint16."""
    wide = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((wide + 0x7FFF + (wide >> np.uint64(16) & np.uint64(1))) >> np.uint64(16)).astype(
        np.uint16
    )


def from_bits(bits: np.ndarray) -> np.ndarray:
    """The float32 values that the bits stand for; exact."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
