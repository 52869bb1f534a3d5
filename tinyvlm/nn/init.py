"""Initial values of parameters, as float32 arrays drawn from an explicit generator (layer 4)."""

from __future__ import annotations

import numpy as np


def normal(rng: np.random.Generator, shape: tuple[int, ...], std: float) -> np.ndarray:
    """Gaussian with mean 0 and the given standard deviation."""
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(std)


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)
