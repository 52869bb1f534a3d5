"""Convolution and pooling: against loops over every window, for odd sizes, strides and padding."""

from functools import partial

import numpy as np
import pytest
from gradient_check import check, normal

from tinyvlm.nn import functional as F
from tinyvlm.tensor import Tensor

# x, w, stride, padding
CONVOLUTIONS = [
    ((2, 3, 5, 6), (4, 3, 3, 3), 1, 0),
    ((2, 3, 5, 6), (4, 3, 3, 3), 2, 1),
    ((1, 2, 7, 5), (3, 2, 2, 2), 2, 0),  # the last row and column meet no window
    ((1, 1, 1, 1), (1, 1, 1, 1), 1, 0),
    ((2, 3, 4, 4), (2, 3, 4, 4), 4, 0),  # one window: a patch embedding
    ((1, 2, 3, 3), (2, 2, 1, 1), 3, 2),
    ((0, 2, 3, 3), (2, 2, 2, 2), 1, 1),
]

# x, kernel, stride
POOLS = [((2, 3, 5, 6), 2, 2), ((1, 2, 5, 5), 3, 2), ((1, 1, 1, 1), 1, 1), ((2, 1, 4, 3), 2, 1)]


def places(shape, kernel, stride):
    """Every window of a picture: (i, j) of the result, and the slices it sees."""
    for i in range((shape[2] - kernel) // stride + 1):
        for j in range((shape[3] - kernel) // stride + 1):
            y, x = i * stride, j * stride
            yield i, j, (slice(None), slice(None), slice(y, y + kernel), slice(x, x + kernel))


def result_of(x, channels, kernel, stride):
    size = ((n - kernel) // stride + 1 for n in x.shape[2:])
    return np.zeros((x.shape[0], channels, *size))


def window_by_window(stride, padding):
    """y[b, o, i, j] = sum of w[o] times window (i, j) of x[b], plus b[o]."""

    def twin(x, w, b=None):
        border = [(0, 0), (0, 0), (padding, padding), (padding, padding)]
        padded = np.pad(x, border)
        k = w.shape[2]
        y = result_of(padded, w.shape[0], k, stride)
        for i, j, window in places(padded.shape, k, stride):
            y[:, :, i, j] = np.einsum("bcuv,ocuv->bo", padded[window], w)

        def backward(dy):
            dx, dw = np.zeros_like(padded), np.zeros_like(w)
            for i, j, window in places(padded.shape, k, stride):
                dx[window] += np.einsum("bo,ocuv->bcuv", dy[:, :, i, j], w)
                dw += np.einsum("bo,bcuv->ocuv", dy[:, :, i, j], padded[window])
            Y, X = x.shape[2:]
            dx = dx[:, :, padding : padding + Y, padding : padding + X]
            return [dx, dw] if b is None else [dx, dw, np.einsum("boij->o", dy)]

        return (y if b is None else y + b[:, None, None]), backward

    return twin


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("x", "w", "stride", "padding"), CONVOLUTIONS)
def test_conv2d(x, w, stride, padding, bias):
    """Catches rows and columns swapped, a flipped kernel, and overlaps that aren't added up."""
    inputs = [normal(*x), normal(*w, seed=1)] + [normal(w[0], seed=2)] * bias
    f = partial(F.conv2d, stride=stride, padding=padding)
    check(f, window_by_window(stride, padding), *inputs)


def pool(kernel, stride, share):
    """share(window (B, C, k, k)) says how much of each of its values the result is made of."""

    def twin(x):
        y = result_of(x, x.shape[1], kernel, stride)
        for i, j, window in places(x.shape, kernel, stride):
            y[:, :, i, j] = (x[window] * share(x[window])).sum(axis=(2, 3))

        def backward(dy):
            dx = np.zeros_like(x)
            for i, j, window in places(x.shape, kernel, stride):
                dx[window] += dy[:, :, i, j, None, None] * share(x[window])
            return [dx]

        return y, backward

    return twin


@pytest.mark.parametrize(("shape", "kernel", "stride"), POOLS)
def test_max_pool2d(shape, kernel, stride):
    """Catches a gradient that goes to the wrong place of the window."""
    twin = pool(kernel, stride, lambda x: x == x.max(axis=(2, 3), keepdims=True))
    check(lambda x: F.max_pool2d(x, kernel, stride), twin, normal(*shape))


@pytest.mark.parametrize(("shape", "kernel", "stride"), POOLS)
def test_mean_pool2d(shape, kernel, stride):
    """Catches a missing 1 / kernel^2."""
    twin = pool(kernel, stride, lambda x: np.full(x.shape, 1 / kernel**2))
    check(lambda x: F.mean_pool2d(x, kernel, stride), twin, normal(*shape))


@pytest.mark.parametrize("pooling", [F.max_pool2d, F.mean_pool2d])
def test_windows_stand_side_by_side_unless_told(pooling):
    x = Tensor(normal(1, 1, 6, 6))
    np.testing.assert_array_equal(pooling(x, 3).data, pooling(x, 3, stride=3).data)


def test_the_first_of_a_tie_gets_the_gradient():
    x = Tensor(np.ones((1, 1, 2, 2)), requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    np.testing.assert_array_equal(x.grad[0, 0], [[1, 0], [0, 0]])


@pytest.mark.parametrize(("x", "w"), [((2, 3, 5), (4, 3, 2, 2)), ((1, 2, 5, 5), (4, 3, 2, 2))])
def test_shapes_that_do_not_fit(x, w):
    with pytest.raises(
        ValueError, match=r"Conv2d of .*: expected x \(B, C, Y, X\) and w \(O, C, k, k\)"
    ):
        F.conv2d(Tensor(np.ones(x)), Tensor(np.ones(w)))


def test_a_window_larger_than_the_picture():
    with pytest.raises(ValueError, match="a 3x3 window does not fit into a picture of 2x5"):
        F.max_pool2d(Tensor(np.ones((1, 1, 2, 5))), 3)
