"""Convolution and pooling over pictures (B, C, Y, X) (layer 2).

Each of the k*k offsets of a window picks a strided picture of its own: `windows` copies these
slices side by side ("im2col"), `add_windows` adds them back. Everything else is a matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinyvlm.backend import Array, array_module
from tinyvlm.kernels import dispatch
from tinyvlm.ops.function import Function


def output_size(n: int, kernel: int, stride: int) -> int:
    return (n - kernel) // stride + 1


def offsets(
    kernel: int, stride: int, rows: int, columns: int
) -> Iterator[tuple[int, int, slice, slice]]:
    """For each place (i, j) of the window: which rows and columns of the picture it visits."""
    for i in range(kernel):
        for j in range(kernel):
            yield (
                i,
                j,
                slice(i, i + stride * (rows - 1) + 1, stride),
                slice(j, j + stride * (columns - 1) + 1, stride),
            )


def windows(x: Array, kernel: int, stride: int) -> Array:
    """x (B, C, Y, X) -> (B, C, kernel, kernel, Y', X'), every window's content."""
    if x.ndim != 4:
        raise ValueError(f"expected pictures (B, C, Y, X), got {x.shape}")
    B, C, Y, X = x.shape
    rows, columns = output_size(Y, kernel, stride), output_size(X, kernel, stride)
    if rows < 1 or columns < 1:
        raise ValueError(f"a {kernel}x{kernel} window does not fit into a picture of {Y}x{X}")
    out = array_module(x).empty((B, C, kernel, kernel, rows, columns), x.dtype)
    for i, j, y_slice, x_slice in offsets(kernel, stride, rows, columns):
        out[:, :, i, j] = x[:, :, y_slice, x_slice]
    return out


def add_windows(dwindows: Array, shape: tuple[int, ...], stride: int) -> Array:
    """The backward of windows: (B, C, kernel, kernel, Y', X') -> (B, C, Y, X), overlaps added."""
    kernel, rows, columns = dwindows.shape[3:]
    dx = array_module(dwindows).zeros(shape, dwindows.dtype)
    for i, j, y_slice, x_slice in offsets(kernel, stride, rows, columns):
        dx[:, :, y_slice, x_slice] += dwindows[:, :, i, j]
    return dx


def pad_picture(x: Array, padding: int) -> Array:
    if not padding:
        return x
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


class Conv2d(Function):
    """y[b,o,i,j] = sum_cuv x[b,c,s*i+u,s*j+v] w[o,c,u,v] (+ b[o]): a cross-correlation.

    x (B, C, Y, X), w (O, C, k, k), b (O,) -> (B, O, Y', X'), Y' = (Y + 2 padding - k)//stride + 1.
    """

    def __init__(self, stride: int = 1, padding: int = 0) -> None:
        self.stride = stride
        self.padding = padding

    def forward(self, x: Array, w: Array, b: Array | None = None) -> Array:
        if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[1] or w.shape[2] != w.shape[3]:
            raise ValueError(
                f"expected x (B, C, Y, X) and w (O, C, k, k), got {x.shape} and {w.shape}"
            )
        O, C, k, _ = self.w_shape = w.shape
        if b is not None and b.shape != (O,):
            raise ValueError(f"expected b (O,) = ({O},), got {b.shape}")
        x = pad_picture(x, self.padding)
        self.padded_shape = x.shape
        patches = windows(x, k, self.stride)  # (B, C, k, k, Y', X')
        B, _, _, _, rows, columns = patches.shape
        self.patches = patches.reshape(B, C * k * k, rows * columns)
        self.w = w.reshape(O, C * k * k)
        y = dispatch.matmul(self.w, self.patches)  # (B, O, Y'*X')
        if b is not None:
            y += b[:, None]
        return y.reshape(B, O, rows, columns)

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        B, O, rows, columns = dy.shape
        _, C, k, _ = self.w_shape
        dy = dy.reshape(B, O, rows * columns)
        dx = dw = db = None
        if self.needs[0]:
            dpatches = dispatch.matmul(self.w.T, dy).reshape(B, C, k, k, rows, columns)
            dx = add_windows(dpatches, self.padded_shape, self.stride)
            if p := self.padding:
                dx = dx[:, :, p:-p, p:-p]
        if self.needs[1]:
            dw = np.sum(dispatch.matmul(dy, self.patches.swapaxes(1, 2)), axis=0)
            dw = dw.reshape(self.w_shape)
        if self.needs[2:] == (True,):
            db = np.sum(dy, axis=(0, 2))
        return (dx, dw, db)[: len(self.needs)]


class MaxPool2d(Function):
    """The largest value of each kernel x kernel window; the first of a tie gets the gradient."""

    def __init__(self, kernel: int, stride: int) -> None:
        self.kernel = kernel
        self.stride = stride

    def forward(self, x: Array) -> Array:
        k = self.kernel
        patches = windows(x, k, self.stride)  # (B, C, k, k, Y', X')
        B, C, _, _, rows, columns = patches.shape
        patches = patches.reshape(B, C, k * k, rows, columns)
        self.x_shape = x.shape
        self.winner = np.argmax(patches, axis=2)[:, :, None]  # (B, C, 1, Y', X')
        return np.take_along_axis(patches, self.winner, axis=2)[:, :, 0]  # (B, C, Y', X')

    def backward(self, dy: Array) -> Array:
        k = self.kernel
        place = np.arange(k * k).reshape(1, 1, k * k, 1, 1)
        dpatches = (self.winner == place) * dy[:, :, None]  # (B, C, k*k, Y', X')
        B, C, _, rows, columns = dpatches.shape
        return add_windows(dpatches.reshape(B, C, k, k, rows, columns), self.x_shape, self.stride)


class MeanPool2d(Function):
    """The mean of each kernel x kernel window."""

    def __init__(self, kernel: int, stride: int) -> None:
        self.kernel = kernel
        self.stride = stride

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return np.mean(windows(x, self.kernel, self.stride), axis=(2, 3))

    def backward(self, dy: Array) -> Array:
        k = self.kernel
        share = (dy * (1.0 / (k * k)))[:, :, None, None]
        dpatches = np.broadcast_to(share, (*dy.shape[:2], k, k, *dy.shape[2:]))
        return add_windows(dpatches, self.x_shape, self.stride)
