"""How the kernels of fused/ are started; launch.py says what a plan is (layer 1)."""

from __future__ import annotations

import numpy as np

from tinyvlm.backend import Array, array_module
from tinyvlm.kernels.launch import Launch, ceil_div, check, ints

EACH = 4  # values of a thread, in the kernels that go through flat arrays
PARTS = 64  # at most so many sums of a column stand side by side before they are added up


def flat(file: str, kernel: str, n: int, *args: Array) -> Launch:
    """A kernel over n values of flat arrays: each of 256 threads has four."""
    grid = (ceil_div(n, 256 * EACH),)
    return Launch(f"fused/{file}.cu", kernel, grid, (256,), (*args, np.int64(n)))


def by_row(file: str, kernel: str, rows: int, length: int, args: tuple) -> Launch:
    """A kernel that gives every row a block, of as many warps as the row has use for."""
    block = (min(256, 32 * max(1, ceil_div(length, 32))),)
    return Launch(f"fused/{file}.cu", kernel, (rows,), block, args)


def same_shape(x: Array, **others: Array) -> None:
    """x and the others are contiguous float32 arrays of one shape."""
    for name, other in {"x": x, **others}.items():
        check(name, other, "(...)", x.shape)


def rows_of(x: Array) -> tuple[int, int]:
    """(rows, D) of x (..., D)."""
    return (x.size // x.shape[-1], x.shape[-1]) if x.size else (0, x.shape[-1])


# ---- GELU, softmax ------------------------------------------------------------------------------
def gelu_forward(x: Array, y: Array) -> list[Launch]:
    """y = GELU(x), x and y (...)."""
    same_shape(x, y=y)
    return [flat("01_gelu", "gelu_forward", x.size, x, y)]


def gelu_backward(x: Array, dy: Array, dx: Array) -> list[Launch]:
    same_shape(x, dy=dy, dx=dx)
    return [flat("01_gelu", "gelu_backward", x.size, x, dy, dx)]


def softmax_forward(x: Array, y: Array) -> list[Launch]:
    """y = softmax(x) along the last axis, x and y (..., D)."""
    same_shape(x, y=y)
    rows, D = rows_of(x)
    return [by_row("02_softmax", "softmax_forward", rows, D, (x, y, *ints(D)))]


def softmax_backward(y: Array, dy: Array, dx: Array) -> list[Launch]:
    same_shape(y, dy=dy, dx=dx)
    rows, D = rows_of(y)
    return [by_row("02_softmax", "softmax_backward", rows, D, (y, dy, dx, *ints(D)))]


# ---- normalisations -----------------------------------------------------------------------------
def layer_norm_forward(
    x: Array, gain: Array, bias: Array, y: Array, mean: Array, inverse_std: Array, eps: float
) -> list[Launch]:
    """x, y (..., D), gain, bias (D,); mean, inverse_std (rows,) are for the backward."""
    rows, D = rows_of(x)
    same_shape(x, y=y)
    same_shape(gain, bias=bias)
    check("gain", gain, "(D,)", (D,))
    same_shape(mean, inverse_std=inverse_std)
    check("mean", mean, "(rows,)", (rows,))
    args = (x, gain, bias, y, mean, inverse_std, *ints(D), np.float32(eps))
    return [by_row("03_layer_norm", "layer_norm_forward", rows, D, args)]


def layer_norm_backward(
    x: Array,
    gain: Array,
    dy: Array,
    saved: tuple[Array, Array],
    dx: Array,
    dgain: Array,
    dbias: Array,
) -> list[Launch]:
    """saved = mean, inverse_std of the forward."""
    rows, D = rows_of(x)
    same_shape(x, dy=dy, dx=dx)
    same_shape(gain, dgain=dgain, dbias=dbias)
    parts = array_module(x).empty((2, parts_of(rows), D), np.float32)
    file, count = "03_layer_norm", parts.shape[1]
    return [
        by_row(file, "layer_norm_backward", rows, D, (x, gain, dy, *saved, dx, *ints(D))),
        column_parts(file, "layer_norm_parameters", parts, (x, dy, *saved), rows),
        columns(file, "layer_norm_sum_parts", D, (parts, dgain, dbias, *ints(count, D))),
    ]


def rms_norm_forward(
    x: Array, gain: Array, y: Array, inverse_rms: Array, eps: float
) -> list[Launch]:
    """x, y (..., D), gain (D,); inverse_rms (rows,) is for the backward."""
    rows, D = rows_of(x)
    same_shape(x, y=y)
    check("gain", gain, "(D,)", (D,))
    check("inverse_rms", inverse_rms, "(rows,)", (rows,))
    args = (x, gain, y, inverse_rms, *ints(D), np.float32(eps))
    return [by_row("04_rms_norm", "rms_norm_forward", rows, D, args)]


def rms_norm_backward(
    x: Array, gain: Array, dy: Array, inverse_rms: Array, dx: Array, dgain: Array
) -> list[Launch]:
    rows, D = rows_of(x)
    same_shape(x, dy=dy, dx=dx)
    same_shape(gain, dgain=dgain)
    parts = array_module(x).empty((1, parts_of(rows), D), np.float32)
    file, count = "04_rms_norm", parts.shape[1]
    return [
        by_row(file, "rms_norm_backward", rows, D, (x, gain, dy, inverse_rms, dx, *ints(D))),
        column_parts(file, "rms_norm_gain", parts, (x, dy, inverse_rms), rows),
        columns(file, "rms_norm_sum_parts", D, (parts, dgain, *ints(count, D))),
    ]


def parts_of(rows: int) -> int:
    """How many blocks share the rows of a column; each thread has eight rows, or more."""
    return max(1, min(PARTS, ceil_div(rows, 64)))


def column_parts(file: str, kernel: str, parts: Array, args: tuple, rows: int) -> Launch:
    """Sums down 32 columns a block; parts (sums, count, D) takes one for each block of a column."""
    _, count, D = parts.shape
    grid = (ceil_div(D, 32), count)
    return Launch(f"fused/{file}.cu", kernel, grid, (32, 8), (*args, parts, *ints(rows, D)))


def columns(file: str, kernel: str, D: int, args: tuple) -> Launch:
    """One thread a column."""
    return Launch(f"fused/{file}.cu", kernel, (ceil_div(D, 256),), (256,), args)


# ---- cross-entropy, embedding, AdamW ------------------------------------------------------------
def cross_entropy_forward(
    logits: Array,
    targets: Array,
    lse: Array,
    mean: Array,
    ignore_index: int = -100,
    smoothing: float = 0.0,
) -> list[Launch]:
    """logits (rows, V), targets (rows,) int32 -> lse (rows,) and mean (2,) = loss, 1 / count."""
    rows, V = logits.shape
    check("logits", logits, "(rows, V)", (rows, V))
    check("targets", targets, "(rows,)", (rows,), "int32")
    check("lse", lse, "(rows,)", (rows,))
    check("mean", mean, "(2,)", (2,))
    losses, file = array_module(logits).empty(rows, np.float32), "05_cross_entropy"
    each = (logits, targets, losses, lse, *ints(V, ignore_index), np.float32(smoothing))
    whole = (losses, targets, mean, *ints(rows, ignore_index))
    return [
        by_row(file, "cross_entropy_rows", rows, V, each),
        Launch(f"fused/{file}.cu", "cross_entropy_mean", (1,), (256,), whole),
    ]


def cross_entropy_backward(
    logits: Array,
    targets: Array,
    saved: tuple[Array, Array],
    dy: Array,
    dlogits: Array,
    ignore_index: int = -100,
    smoothing: float = 0.0,
) -> list[Launch]:
    """saved = lse, mean of the forward; dy (1,) the gradient of the mean loss."""
    rows, V = logits.shape
    same_shape(logits, dlogits=dlogits)
    check("dy", dy, "(1,)", (1,))
    numbers = (*ints(V, ignore_index), np.float32(smoothing))
    args = (logits, targets, *saved, dy, dlogits, *numbers)
    return [by_row("05_cross_entropy", "cross_entropy_backward", rows, V, args)]


def embedding_backward(
    ids: Array, dy: Array, dtable: Array, order: Array | None = None
) -> list[Launch]:
    """dtable (V, D), zeros before, gets at row i the sum of the rows of dy (n, D) whose ids are i.

    ids (n,) int32. order (n,) int32, the stable argsort of ids, makes the sums reproducible.
    """
    (n, D), V = dy.shape, dtable.shape[0]
    check("ids", ids, "(n,)", (n,), "int32")
    check("dy", dy, "(n, D)", (n, D))
    check("dtable", dtable, "(V, D)", (V, D))
    file = "06_embedding"
    if order is None:
        args = (ids, dy, dtable, *ints(V, D))
        return [by_row(file, "embedding_backward_atomic", n, D, args)]
    check("order", order, "(n,)", (n,), "int32")
    args = (ids, order, dy, dtable, *ints(n, V, D))
    return [by_row(file, "embedding_backward_sorted", n, D, args)]


def adamw_numbers(
    lr: float, betas: tuple[float, float], eps: float, weight_decay: float, step: int
) -> np.ndarray:
    """What adamw needs of step number `step` (from 1), (8,) float32."""
    b1, b2 = betas
    keep, rate, root = 1 - lr * weight_decay, lr / (1 - b1**step), (1 - b2**step) ** -0.5
    return np.array([b1, 1 - b1, b2, 1 - b2, eps, keep, rate, root], np.float32)


def adamw(p: Array, g: Array, m: Array, v: Array, numbers: Array) -> list[Launch]:
    """One step of AdamW, p, m and v (...) in place; numbers as adamw_numbers has them."""
    same_shape(p, g=g, m=m, v=v)
    check("numbers", numbers, "(8,)", (8,))
    return [flat("07_adamw", "adamw", p.size, p, g, m, v, numbers)]
