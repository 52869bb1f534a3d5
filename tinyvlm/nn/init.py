"""Initial values of parameters, as float32 arrays drawn from an explicit generator (layer 4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from tinyvlm.tensor import Tensor

_drawing: ContextVar[bool] = ContextVar("drawing", default=True)


@contextmanager
def no_values() -> Iterator[None]:
    """Models built inside have shapes but no random values, and take no memory for them.

    For a model whose values come from a file: `Module.load_state_dict` puts them in place.
    """
    token = _drawing.set(False)
    try:
        yield
    finally:
        _drawing.reset(token)


def normal(rng: np.random.Generator, shape: tuple[int, ...], std: float) -> np.ndarray:
    """Gaussian with mean 0 and the given standard deviation."""
    if not _drawing.get():
        return np.broadcast_to(np.float32(0), shape)  # one number, seen everywhere; read-only
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(std)


def rescale(parameter: Tensor, factor: float) -> None:
    """Multiply drawn values, in place; inside no_values() there are none."""
    if _drawing.get():
        parameter.data *= factor


def small_normal(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """Gaussian with variance 1 / (3 fan_in), the variance of PyTorch's default.

    Three times less than what keeps a signal's size. On the museum this composes better: a CLIP
    started at 1 / fan_in (with smaller residual branches) named .61 of the held-out pictures, from
    here .93 (one seed each).
    """
    return normal(rng, shape, (3 * fan_in) ** -0.5)


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)
