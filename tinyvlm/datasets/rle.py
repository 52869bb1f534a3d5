"""Masks as run lengths, in both forms of the COCO data set, written by hand (layer 4).

A mask is read column by column, as in Fortran; its counts are the lengths of the runs of equal
pixels, of zeros first (so the first count may be 0). A compressed string holds the same numbers:
from the fourth on, each is stored as its difference to the one two before; every number is cut
into groups of 5 bits, lowest first, the last with the sign in its bit 4; a group is one character,
chr(48 + group), plus 32 if another follows.
"""

from collections.abc import Sequence

import numpy as np

from tinyvlm.errors import InputError
from tinyvlm.images import MAX_PIXELS

FIRST = 48  # the character of group 0
MORE = 32  # another group of this number follows
SIGN = 16  # in the last group
LONGEST = 10  # groups of one number: 50 bits


def encode(mask: np.ndarray) -> list[int]:
    """The counts of a (Y, X) mask of zeros and others."""
    if mask.ndim != 2:
        raise ValueError(f"encode: mask must be (Y, X), got {mask.shape}")
    pixels = (mask != 0).T.ravel()  # (X*Y,)
    if not len(pixels):
        return []
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    counts = np.diff(changes, prepend=0, append=len(pixels)).tolist()
    return [0, *counts] if pixels[0] else counts


def decode(counts: Sequence[int] | np.ndarray, height: int, width: int) -> np.ndarray:
    """The (Y, X) bool mask of counts; raises InputError unless they fill it exactly."""
    runs = check_counts(counts, height, width)
    ones = np.arange(len(runs)) % 2 == 1
    return np.ascontiguousarray(np.repeat(ones, runs).reshape(width, height).T)  # (Y, X)


def check_counts(counts: Sequence[int] | np.ndarray, height: int, width: int) -> np.ndarray:
    """Counts as an int64 array; raises InputError unless they are the runs of such a mask."""
    if height * width > MAX_PIXELS:
        raise InputError(f"a mask of {height} x {width} has more than {MAX_PIXELS:,} pixels")
    try:
        runs = np.asarray(counts)
    except ValueError as error:  # lists of different lengths
        raise InputError("counts must be integers, 0 or more") from error
    if runs.ndim != 1 or (len(runs) and runs.dtype.kind not in "iu") or (runs < 0).any():
        raise InputError("counts must be integers, 0 or more")
    if (runs > MAX_PIXELS).any() or int(runs.sum()) != height * width:
        raise InputError(f"counts do not sum to {height} x {width} = {height * width} pixels")
    return runs.astype(np.int64)


def to_string(counts: Sequence[int]) -> str:
    """Counts as a compressed string."""
    text = []
    for i, count in enumerate(counts):
        value = int(count) - (int(counts[i - 2]) if i > 2 else 0)
        while True:
            group = value & (MORE - 1)
            value >>= 5
            finished = value == (-1 if group & SIGN else 0)
            text.append(chr(FIRST + group + (0 if finished else MORE)))
            if finished:
                break
    return "".join(text)


def from_string(text: str) -> np.ndarray:
    """The counts (int64) of a compressed string; raises InputError if it is none."""
    groups = np.frombuffer(text.encode("utf-8", "replace"), np.uint8).astype(np.int64) - FIRST
    if ((groups < 0) | (groups >= 2 * MORE)).any() or (len(groups) and groups[-1] & MORE):
        raise InputError(f"counts {text!r:.40} are no compressed run lengths")
    last = np.flatnonzero(groups < MORE)  # where each number ends
    first = np.concatenate([[0], last[:-1] + 1])[: len(last)]
    lengths = last - first + 1
    if (lengths > LONGEST).any():
        raise InputError(f"counts {text!r:.40} are no compressed run lengths")
    place = np.arange(len(groups)) - np.repeat(first, lengths)
    bits = (groups & (MORE - 1)) << (5 * place)
    values = np.add.reduceat(bits, first) if len(first) else bits
    values -= np.where(groups[last] & SIGN, np.int64(1) << (5 * lengths), 0)
    for start in (1, 2):  # every second number is the sum of the differences up to it
        values[start::2] = np.cumsum(values[start::2])
    return values
