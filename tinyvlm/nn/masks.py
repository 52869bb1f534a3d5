"""Who may look at whom in attention, as two short vectors of ranks (layer 4).

Key s is visible to query t iff k_rank[s] <= q_rank[t]. Every mask of this project is a choice of
ranks, so a kernel reads two vectors instead of a (T, S) array, and can tell from their minimum and
maximum that a whole tile is hidden or visible. The rule is big_vision's cumulative sum (Beyer et
al. 2022, github.com/google-research/big_vision): a rank counts the "earlier tokens may not look at
me" marks up to and including a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tinyvlm.backend import Array

HIDDEN = np.iinfo(np.int32).max  # the rank of a padded key: no query reaches it


@dataclass(frozen=True)
class Mask:
    """q_rank (B or 1, T) and k_rank (B or 1, S), int32; equal=True asks k_rank == q_rank."""

    q_rank: Array
    k_rank: Array
    equal: bool = False

    def dense(self) -> Array:
        """(B or 1, T, S) bool, True where query t may look at key s: for NumPy and for drawing.

        Made once, and the same array for all blocks of a model: don't write into it.
        """
        return self._dense

    @cached_property
    def _dense(self) -> Array:
        q = self.q_rank[:, :, None]  # (B, T, 1)
        k = self.k_rank[:, None, :]  # (B, 1, S)
        return k == q if self.equal else k <= q

    @classmethod
    def causal(cls, T: int) -> Mask:
        """Token t sees itself and what came before: ranks 0, 1, 2, ..."""
        rank = np.arange(T, dtype=np.int32)[None]  # (1, T)
        return cls(rank, rank)

    @classmethod
    def full(cls, present: Array) -> Mask:
        """Everyone sees every present token: present (B, S) bool, False for padding."""
        return cls.from_marks(np.zeros_like(present, np.int32), present)

    @classmethod
    def prefix_lm(cls, suffix: Array, present: Array | None = None) -> Mask:
        """The prefix (suffix (B, T) False) sees itself whole, the suffix looks back only."""
        return cls.from_marks(np.asarray(suffix).astype(np.int32), present)

    @classmethod
    def from_marks(cls, marks: Array, present: Array | None = None) -> Mask:
        """marks (B, T) 0 or 1: 1 means "tokens before me may not look at me".

        All 1 is causal, all 0 is full, 0...0 1...1 is a prefix-LM. Padding may be on either side.
        """
        rank = np.cumsum(marks, axis=1, dtype=np.int32)  # (B, T)
        if present is None:
            return cls(rank, rank)
        return cls(np.where(present, rank, -1), np.where(present, rank, HIDDEN))
