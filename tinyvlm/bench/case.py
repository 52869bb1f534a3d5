"""Case: one thing to time, the same mathematics in our engine and in PyTorch (layer 8)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import numpy as np

Arrays = Mapping[str, np.ndarray]
Step = Callable[[], float]  # does the work once; returns a number that both engines must agree on


class Case(ABC):
    """A new row of the benchmark is a subclass of this, with an entry in cases.py.

    Both engines are given the very same arrays, and what their first steps return is compared
    before anything is timed.
    """

    name: str
    gains_from_threads = True  # PyTorch's step is clearly faster on two threads than on one
    blas_threads = 1  # of NumPy's BLAS in our engine: our threads each own a part of the batch

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """The weights and the data, from a fixed seed."""

    @abstractmethod
    def ours(self, arrays: Arrays, threads: int) -> Step:
        """The work in tinyvlm on `threads` threads."""

    @abstractmethod
    def torch(self, arrays: Arrays) -> Step:
        """The work in PyTorch, which is imported inside; its threads are set by the worker."""
