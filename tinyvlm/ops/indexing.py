"""Reading parts of an array; backward writes (or adds) into zeros (layer 2)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyvlm.backend import Array
from tinyvlm.kernels import dispatch
from tinyvlm.ops.function import Function


class GetItem(Function):
    """y = x[index]: slices, integers, None, ..., integer arrays, one boolean mask."""

    def __init__(self, index: Any) -> None:
        self.index = index

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return x[self.index]

    def backward(self, dy: Array) -> Array:
        dx = np.zeros_like(dy, shape=self.x_shape)
        if has_integer_array(self.index):
            np.add.at(dx, self.index, dy)  # the same element may have been read twice
        else:
            dx[self.index] = dy
        return dx


def has_integer_array(index: Any) -> bool:
    """True when an index can name one element more than once."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [np.asarray(p) if isinstance(p, list | tuple) else p for p in parts]
    return any(getattr(a, "ndim", 0) > 0 and a.dtype.kind in "iu" for a in arrays)


class Gather(Function):
    """y[..., j, ...] = x[..., indices[..., j, ...], ...] along one axis (np.take_along_axis)."""

    def __init__(self, indices: Array, axis: int) -> None:
        self.indices = indices
        self.axis = axis

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        elsewhere = list(x.shape)
        elsewhere[self.axis] = self.indices.shape[self.axis] if self.indices.ndim == x.ndim else -1
        if self.indices.shape != tuple(elsewhere):
            raise ValueError(
                f"indices must have the shape of x but for axis {self.axis}, "
                f"got {self.indices.shape}"
            )
        return np.take_along_axis(x, self.indices, axis=self.axis)

    def backward(self, dy: Array) -> Array:
        dx = np.zeros_like(dy, shape=self.x_shape)
        grid = list(np.ix_(*(np.arange(n) for n in dy.shape)))
        grid[self.axis] = self.indices
        np.add.at(dx, tuple(grid), dy)
        return dx


class Embedding(Function):
    """y = table[ids]: ids (...) integer, table (V, D) -> (..., D)."""

    def __init__(self, ids: Array) -> None:
        self.ids = ids

    def forward(self, table: Array) -> Array:
        V = table.shape[0]
        if self.ids.dtype.kind not in "iu":
            raise TypeError(f"embedding: ids must be integers, got {self.ids.dtype}")
        if self.ids.size and (self.ids.min() < 0 or self.ids.max() >= V):
            raise ValueError(
                f"ids must lie in 0..{V - 1} (the table has {V} rows), "
                f"got {self.ids.min()}..{self.ids.max()}"
            )
        self.V = V
        return table[self.ids]

    def backward(self, dy: Array) -> Array:
        rows = dy.reshape(self.ids.size, dy.shape[-1])
        return dispatch.scatter_add_rows(self.ids.reshape(-1), rows, self.V)
