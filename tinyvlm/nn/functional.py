"""F: every operation as a function of Tensors, one line each (layer 4).

The operations themselves, with their backward, stand in ops/. Call them through the module,
`F.gelu(x)`, so that a reader's own version can take their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinyvlm.nn.masks import Mask
from tinyvlm.ops import (
    activation,
    convolution,
    elementwise,
    indexing,
    normalization,
    reduction,
    shape,
)
from tinyvlm.ops import (
    attention as attention_ops,
)
from tinyvlm.ops import (
    dropout as dropout_ops,
)
from tinyvlm.ops import (
    matmul as matmul_ops,
)
from tinyvlm.ops import (
    rope as rope_ops,
)
from tinyvlm.ops import (
    softmax as softmax_ops,
)
from tinyvlm.ops.reduction import Axis
from tinyvlm.tensor import Tensor, apply, as_array

# Pointwise


def exp(x: Tensor) -> Tensor:
    """e^x."""
    return apply(elementwise.Exp(), x)


def log(x: Tensor) -> Tensor:
    """The natural logarithm."""
    return apply(elementwise.Log(), x)


def sqrt(x: Tensor) -> Tensor:
    """The square root. Trap: its slope at 0 is infinite; add eps inside."""
    return apply(elementwise.Sqrt(), x)


def abs(x: Tensor) -> Tensor:
    """|x|."""
    return apply(elementwise.Abs(), x)


def sin(x: Tensor) -> Tensor:
    """sin x, x in radians."""
    return apply(elementwise.Sin(), x)


def cos(x: Tensor) -> Tensor:
    """cos x, x in radians."""
    return apply(elementwise.Cos(), x)


def maximum(a: Any, b: Any) -> Tensor:
    """The larger of a and b, element by element."""
    return apply(elementwise.Maximum(), a, b)


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """a where condition (bool) is True, else b."""
    return apply(elementwise.Where(as_array(condition)), a, b)


def tanh(x: Tensor) -> Tensor:
    """tanh x."""
    return apply(activation.Tanh(), x)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + e^-x)."""
    return apply(activation.Sigmoid(), x)


def relu(x: Tensor) -> Tensor:
    """max(x, 0)."""
    return apply(activation.ReLU(), x)


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU by its tanh approximation (SigLIP, Gemma, GPT-2)."""
    return apply(activation.GELU(), x)


def gelu_erf(x: Tensor) -> Tensor:
    """GELU with the exact normal distribution (ViT, LAION's CLIP)."""
    return apply(activation.GELUErf(), x)


def quick_gelu(x: Tensor) -> Tensor:
    """x sigmoid(1.702 x) (OpenAI's CLIP)."""
    return apply(activation.QuickGELU(), x)


def silu(x: Tensor) -> Tensor:
    """x sigmoid(x)."""
    return apply(activation.SiLU(), x)


def softplus(x: Tensor) -> Tensor:
    """ln(1 + e^x)."""
    return apply(activation.Softplus(), x)


# Shapes and indices


def concatenate(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """End to end along an axis that exists."""
    return apply(shape.Concatenate(axis), *tensors)


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Side by side along a new axis."""
    return apply(shape.Stack(axis), *tensors)


def split(x: Tensor, sizes: Sequence[int], axis: int = 0) -> list[Tensor]:
    """Pieces of the given sizes, which must add up to the axis."""
    if sum(sizes) != x.shape[axis]:
        raise ValueError(f"split: sizes {list(sizes)} don't add up to {x.shape[axis]}")
    before = (slice(None),) * (axis % x.ndim)
    ends = np.cumsum(sizes).tolist()
    return [x[(*before, slice(e - n, e))] for n, e in zip(sizes, ends, strict=True)]


def expand(x: Tensor, new_shape: tuple[int, ...]) -> Tensor:
    """Repeat by broadcasting, without copying."""
    return apply(shape.Expand(new_shape), x)


def pad(x: Tensor, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Add a border of `value`: (before, after) for each axis."""
    return apply(shape.Pad(tuple(widths), value), x)


def flip(x: Tensor, axis: int | tuple[int, ...]) -> Tensor:
    """Reverse along axes."""
    return apply(shape.Flip(axis), x)


def gather(x: Tensor, indices: Any, axis: int) -> Tensor:
    """np.take_along_axis: indices has x's number of axes."""
    return apply(indexing.Gather(as_array(indices), axis), x)


def embedding(ids: Any, table: Tensor) -> Tensor:
    """ids (...) integer, table (V, D) -> (..., D)."""
    return apply(indexing.Embedding(as_array(ids)), table)


# Reductions beyond Tensor's own


def logsumexp(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """ln sum e^x without overflow."""
    return apply(reduction.LogSumExp(axis, keepdims), x)


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """e^x / sum e^x."""
    return apply(softmax_ops.Softmax(axis), x)


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """ln softmax(x), stably."""
    return apply(softmax_ops.LogSoftmax(axis), x)


# Losses


def cross_entropy(
    logits: Tensor, targets: Any, ignore_index: int = -100, label_smoothing: float = 0.0
) -> Tensor:
    """logits (..., V), integer targets (...) -> mean over the targets that count."""
    return apply(softmax_ops.CrossEntropy(as_array(targets), ignore_index, label_smoothing), logits)


def soft_cross_entropy(logits: Tensor, targets: Any) -> Tensor:
    """logits, targets (..., V), each row of targets a distribution -> mean over rows."""
    return apply(softmax_ops.SoftCrossEntropy(as_array(targets)), logits)


def sigmoid_cross_entropy(logits: Tensor, targets: Any) -> Tensor:
    """Element by element, targets in 0..1, the shape of logits."""
    return apply(softmax_ops.SigmoidCrossEntropy(as_array(targets)), logits)


# Layers


def linear(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """x (..., I) @ w (I, J) + b (J,) -> (..., J)."""
    return apply(matmul_ops.Linear(), x, w) if b is None else apply(matmul_ops.Linear(), x, w, b)


def layer_norm(x: Tensor, gain: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """x (..., D), gain and bias (D,)."""
    return apply(normalization.LayerNorm(eps), x, gain, bias)


def rms_norm(x: Tensor, gain: Tensor, eps: float = 1e-6) -> Tensor:
    """x (..., D), gain (D,)."""
    return apply(normalization.RMSNorm(eps), x, gain)


def group_norm(x: Tensor, gain: Tensor, bias: Tensor, groups: int, eps: float = 1e-5) -> Tensor:
    """x (B, C, Y, X), gain and bias (C,)."""
    return apply(normalization.GroupNorm(groups, eps), x, gain, bias)


def l2_normalize(x: Tensor, eps: float = 1e-12) -> Tensor:
    """Rows of length 1 along the last axis."""
    return apply(normalization.L2Normalize(eps), x)


def attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Mask | None = None, scale: float | None = None
) -> Tensor:
    """q (B, T, H, K), k and v (B, S, G, K) -> (B, T, H, K); scale None means 1/sqrt(K)."""
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    visible = None if mask is None else mask.dense()
    return apply(attention_ops.Attention(scale, visible), q, k, v)


def rope(x: Tensor, positions: Any, theta: float = 10000.0) -> Tensor:
    """Rotary positions, half-split form: x (B, T, H, K), positions (T,) or (B, T)."""
    return rotate(x, rope_ops.Rotation.at(as_array(positions), x.shape[-1], theta, x.dtype))


def rotate(x: Tensor, rotation: rope_ops.Rotation) -> Tensor:
    """The same by turns that are computed already."""
    return apply(rope_ops.RoPE(rotation), x)


def dropout(x: Tensor, p: float, rng: np.random.Generator) -> Tensor:
    """Zero each value with probability p and scale the rest by 1 / (1 - p)."""
    if not 0 <= p < 1:
        raise ValueError(f"dropout: p must be in [0, 1), got {p}")
    keep = rng.random(x.shape, dtype=np.float32) >= p
    return apply(dropout_ops.Dropout(keep, p), x)


def conv2d(
    x: Tensor, w: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    """x (B, C, Y, X), w (O, C, k, k), b (O,) -> (B, O, Y', X')."""
    function = convolution.Conv2d(stride, padding)
    return apply(function, x, w) if b is None else apply(function, x, w, b)


def max_pool2d(x: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    """x (B, C, Y, X): the largest value of each window; stride None means kernel."""
    return apply(convolution.MaxPool2d(kernel, stride or kernel), x)


def mean_pool2d(x: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    """x (B, C, Y, X): the mean of each window; stride None means kernel."""
    return apply(convolution.MeanPool2d(kernel, stride or kernel), x)
