"""Operations that move values without changing them (layer 2)."""

from __future__ import annotations

import numpy as np

from tinyvlm.backend import Array
from tinyvlm.ops.function import Function, sum_to


class Reshape(Function):
    """The same values in another shape; one axis may be -1."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return x.reshape(self.shape)

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self.x_shape)


class Transpose(Function):
    """Axes in another order: axis i of y is axis axes[i] of x."""

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = axes

    def forward(self, x: Array) -> Array:
        return x.transpose(self.axes)

    def backward(self, dy: Array) -> Array:
        return dy.transpose(tuple(int(i) for i in np.argsort(np.asarray(self.axes) % dy.ndim)))


class Expand(Function):
    """Repeat by broadcasting, without copying; the repeats' gradients are summed."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return np.broadcast_to(x, self.shape)

    def backward(self, dy: Array) -> Array:
        return sum_to(dy, self.x_shape)


class Concatenate(Function):
    """Several arrays end to end along an axis."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, *arrays: Array) -> Array:
        self.ends = np.cumsum([a.shape[self.axis] for a in arrays])[:-1].tolist()
        return np.concatenate(arrays, axis=self.axis)

    def backward(self, dy: Array) -> tuple[Array, ...]:
        return tuple(np.split(dy, self.ends, axis=self.axis))


class Stack(Function):
    """Several arrays of one shape along a new axis."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, *arrays: Array) -> Array:
        self.count = len(arrays)
        return np.stack(arrays, axis=self.axis)

    def backward(self, dy: Array) -> tuple[Array, ...]:
        dy = np.moveaxis(dy, self.axis, 0)
        return tuple(dy[i] for i in range(self.count))


class Pad(Function):
    """Add a constant border: widths ((before, after), ...), one pair per axis."""

    def __init__(self, widths: tuple[tuple[int, int], ...], value: float = 0.0) -> None:
        self.widths = widths
        self.value = value

    def forward(self, x: Array) -> Array:
        pairs = zip(self.widths, x.shape, strict=True)
        self.inner = tuple(slice(before, before + n) for (before, _), n in pairs)
        return np.pad(x, self.widths, constant_values=self.value)

    def backward(self, dy: Array) -> Array:
        return dy[self.inner]


class Flip(Function):
    """Reverse the order along axes."""

    def __init__(self, axis: int | tuple[int, ...]) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return np.flip(x, self.axis)

    def backward(self, dy: Array) -> Array:
        return np.flip(dy, self.axis)
