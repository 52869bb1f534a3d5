"""What an operation is: a forward and a backward on raw arrays, and nothing else (layer 2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from tinyvlm.backend import Array


class Function(ABC):
    """One use of one differentiable operation.

    `forward` keeps what `backward` will read as plain attributes, so an operation can be tested,
    printed and drawn alone. The object is also the node of the graph: `tensor.apply` sets `needs`
    (which inputs want a gradient, known before forward runs; all, when used alone) and `inputs`
    (for each, the Function that made it, or the Tensor itself when it is a leaf).

    The contract of `backward(dy)`: one array per input with that input's shape, or None where
    `needs` is False. An array may be dy itself, a view of dy, or fresh memory that nobody else
    keeps; never a saved array. (The engine adds later gradients in place into fresh ones.)
    """

    needs: tuple[bool, ...] = (True, True, True)
    inputs: tuple[Any, ...] = ()
    freed: bool = False

    @abstractmethod
    def forward(self, *arrays: Array) -> Array:
        """Compute y from the input arrays."""

    @abstractmethod
    def backward(self, dy: Array) -> Array | tuple[Array | None, ...] | None:
        """Compute the gradient of every input from dy, the gradient of y."""

    def release(self) -> None:
        """Forget everything that was saved, so that memory returns as backward goes."""
        self.__dict__.clear()
        self.freed = True

    @property
    def name(self) -> str:
        return type(self).__name__


def sum_to(dy: Array, shape: tuple[int, ...]) -> Array:
    """Undo broadcasting: sum dy over the axes that `shape` lacks or has as 1.

    A value that was copied to many places collects the gradients of all of them (lesson 02).
    """
    if dy.shape == shape:
        return dy
    lead = dy.ndim - len(shape)
    stretched = [lead + i for i, n in enumerate(shape) if n == 1 and dy.shape[lead + i] != 1]
    dy = np.sum(dy, axis=(*range(lead), *stretched), keepdims=True)
    return dy.reshape(shape)
