"""Every operation beside the PyTorch call it must equal, with the shapes both are tried on.

make_torch_values.py runs `theirs` and stores what comes out; test_torch_values.py runs `ours` on
the same inputs and compares. The part of a name before "/" is the operation's: a public function of
nn.functional, or Tensor.method. This file imports neither PyTorch nor tinyvlm.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Case:
    """One operation on inputs of the given shapes, in both libraries."""

    name: str
    shapes: list[tuple[int, ...]]
    ours: Callable  # (F, *tensors) -> Tensor
    theirs: Callable  # (torch, *tensors) -> torch.Tensor
    positive: bool = False  # inputs of at least 0.3, for logarithms and roots

    def rng(self) -> np.random.Generator:
        """Each case has its own random numbers, so that a new one leaves the others alone."""
        return np.random.default_rng(zlib.crc32(self.name.encode()))


def same(name: str, shapes: list[tuple[int, ...]], f: Callable, positive: bool = False) -> Case:
    """A case that reads the same in both libraries."""
    return Case(name, shapes, lambda F, *x: f(*x), lambda torch, *x: f(*x), positive)


def pointwise(name: str, theirs: Callable, positive: bool = False) -> Case:
    """F.name of one tensor, on 21 values."""
    return Case(name, [(3, 7)], lambda F, x: getattr(F, name)(x), theirs, positive)


WHICH = np.array([[True, False, False, True, True], [False, True, False, True, False]])
IDS = np.array([[4, 0, 2], [2, 2, 5]])
COLUMNS = np.array([[0, 2, 2], [1, 1, 4]])
TARGETS = np.array([3, -100, 0, 6, 3])
SHARES = np.array([[0.2, 0.3, 0.5, 0.0], [0.25, 0.25, 0.25, 0.25], [0.0, 1.0, 0.0, 0.0]])
LABELS = np.array([[0.0, 1.0, 0.3, 1.0], [1.0, 0.0, 0.0, 0.9]])
POSITIONS = np.array([[0, 1, 2], [7, 3, 1000]])
PREFIX = np.array([[0, 0, 1, 1], [0, 1, 1, 1]])  # 1: nothing before me may look at me
RANK = np.cumsum(PREFIX, axis=1)
VISIBLE = RANK[:, None, :] <= RANK[:, :, None]  # (B, T, S)
KEEP = np.random.default_rng(7).random((4, 5), dtype=np.float32) >= 0.3


def torch_attention(torch, q, k, v, visible=None, scale=None):
    """(B, T, H, K) in and out, around PyTorch's (B, H, T, K)."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    if visible is not None:
        visible = torch.from_numpy(visible)[:, None]  # (B, 1, T, S)
    y = torch.nn.functional.scaled_dot_product_attention(
        q, k, v, attn_mask=visible, scale=scale, enable_gqa=True
    )
    return y.transpose(1, 2)


def torch_rope(torch, x, positions, theta):
    """A pair (x_i, x_{i+K/2}) as a complex number, times e^(i angle)."""
    K = x.shape[-1]
    frequency = theta ** (-torch.arange(0, K, 2, dtype=x.dtype) / K)
    angle = torch.from_numpy(positions)[..., None, None] * frequency
    pair = torch.complex(x[..., : K // 2], x[..., K // 2 :])
    pair = pair * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([pair.real, pair.imag], dim=-1)


TENSOR_CASES = [
    same("Tensor.__add__", [(3, 5), (3, 5)], lambda a, b: a + b),
    same("Tensor.__add__/broadcast", [(2, 1, 5), (3, 1)], lambda a, b: a + b),
    same("Tensor.__radd__", [(3,)], lambda a: 2.5 + a),
    same("Tensor.__sub__", [(3, 1), (1, 5)], lambda a, b: a - b),
    same("Tensor.__rsub__", [(3,)], lambda a: 2.5 - a),
    same("Tensor.__mul__", [(2, 3, 5), (5,)], lambda a, b: a * b),
    same("Tensor.__rmul__", [(3,)], lambda a: 2.5 * a),
    same("Tensor.__truediv__", [(3, 5), (3, 1)], lambda a, b: a / b, positive=True),
    same("Tensor.__rtruediv__", [(3,)], lambda a: 2.5 / a, positive=True),
    same("Tensor.__neg__", [(3,)], lambda a: -a),
    same("Tensor.__pow__/2", [(3, 5)], lambda a: a**2),
    same("Tensor.__pow__/3", [(3, 5)], lambda a: a**3),
    same("Tensor.__pow__/5", [(3, 5)], lambda a: a**5),
    same("Tensor.__pow__/-1", [(3, 5)], lambda a: a**-1, positive=True),
    same("Tensor.__pow__/0.5", [(3, 5)], lambda a: a**0.5, positive=True),
    same("Tensor.__matmul__", [(3, 5), (5, 2)], lambda a, b: a @ b),
    same("Tensor.__matmul__/broadcast", [(2, 1, 3, 5), (4, 5, 2)], lambda a, b: a @ b),
    Case(
        "Tensor.__rmatmul__",
        [(5, 2)],
        lambda F, a: np.eye(3, 5, dtype=a.dtype) @ a,
        lambda torch, a: torch.eye(3, 5, dtype=a.dtype) @ a,
    ),
    same("Tensor.sum", [(2, 3, 5)], lambda x: x.sum()),
    same("Tensor.sum/axes", [(2, 3, 5)], lambda x: x.sum(axis=(0, -1))),
    same("Tensor.mean", [(2, 3, 5)], lambda x: x.mean()),
    same("Tensor.mean/keepdims", [(2, 3, 5)], lambda x: x.mean(axis=1, keepdims=True)),
    Case("Tensor.max", [(2, 3, 5)], lambda F, x: x.max(axis=1), lambda torch, x: x.amax(1)),
    Case(
        "Tensor.max/ties",  # relu makes several zeros the largest of a row
        [(6, 3)],
        lambda F, x: F.relu(x - 1.0).max(axis=(0, 1)),
        lambda torch, x: torch.relu(x - 1.0).amax((0, 1)),
    ),
    Case("Tensor.min", [(2, 3, 5)], lambda F, x: x.min(axis=-1), lambda torch, x: x.amin(-1)),
    Case(
        "Tensor.var",
        [(2, 3, 5)],
        lambda F, x: x.var(axis=(0, 2)),
        lambda torch, x: x.var(dim=(0, 2), unbiased=False),
    ),
    same("Tensor.exp", [(3,)], lambda x: x.exp()),
    same("Tensor.log", [(3,)], lambda x: x.log(), positive=True),
    same("Tensor.sqrt", [(3,)], lambda x: x.sqrt(), positive=True),
    same("Tensor.reshape", [(2, 3, 5)], lambda x: x.reshape(5, -1)),
    Case(
        "Tensor.transpose",
        [(2, 3, 5)],
        lambda F, x: x.transpose(2, 0, 1),
        lambda torch, x: x.permute(2, 0, 1),
    ),
    same("Tensor.__getitem__/slices", [(4, 3, 5)], lambda x: x[1:, None, ..., ::2]),
    same("Tensor.__getitem__/integer", [(4, 3, 5)], lambda x: x[-1, :, 2]),
    same("Tensor.__getitem__/repeated", [(4, 3)], lambda x: x[[0, 2, 2], [1, 1, 1]]),
    same("Tensor.__getitem__/boolean", [(2, 5, 3)], lambda x: x[WHICH]),
]

POINTWISE_CASES = [
    pointwise("exp", lambda torch, x: torch.exp(x)),
    pointwise("log", lambda torch, x: torch.log(x), positive=True),
    pointwise("sqrt", lambda torch, x: torch.sqrt(x), positive=True),
    pointwise("abs", lambda torch, x: torch.abs(x)),
    pointwise("sin", lambda torch, x: torch.sin(x)),
    pointwise("cos", lambda torch, x: torch.cos(x)),
    pointwise("tanh", lambda torch, x: torch.tanh(x)),
    pointwise("sigmoid", lambda torch, x: torch.sigmoid(x)),
    pointwise("relu", lambda torch, x: torch.relu(x)),
    pointwise("gelu_tanh", lambda torch, x: torch.nn.functional.gelu(x, approximate="tanh")),
    pointwise("gelu_erf", lambda torch, x: torch.nn.functional.gelu(x)),
    pointwise("quick_gelu", lambda torch, x: x * torch.sigmoid(1.702 * x)),
    pointwise("silu", lambda torch, x: torch.nn.functional.silu(x)),
    # PyTorch's default replaces softplus(x > 20) by x; a threshold of 800 keeps the formula.
    pointwise("softplus", lambda torch, x: torch.nn.functional.softplus(x, threshold=800)),
    Case(
        "maximum",
        [(3, 5), (5,)],
        lambda F, a, b: F.maximum(a, b),
        lambda torch, a, b: torch.maximum(a, b),
    ),
    Case(
        "where",
        [(2, 1), (5,)],
        lambda F, a, b: F.where(WHICH, a, b),
        lambda torch, a, b: torch.where(torch.from_numpy(WHICH), a, b),
    ),
]

SHAPE_CASES = [
    Case(
        "concatenate",
        [(2, 3), (2, 1), (2, 4)],
        lambda F, *x: F.concatenate(x, axis=1),
        lambda torch, *x: torch.cat(x, dim=1),
    ),
    Case(
        "stack",
        [(2, 3), (2, 3)],
        lambda F, *x: F.stack(x, axis=-1),
        lambda torch, *x: torch.stack(x, dim=-1),
    ),
    Case(
        "split",
        [(2, 6)],
        lambda F, x: F.split(x, [1, 5], axis=-1)[1],
        lambda torch, x: torch.split(x, [1, 5], dim=-1)[1],
    ),
    Case(
        "expand",
        [(3, 1)],
        lambda F, x: F.expand(x, (2, 3, 4)),
        lambda torch, x: x.expand(2, 3, 4),
    ),
    Case(
        "pad",
        [(2, 3)],
        lambda F, x: F.pad(x, [(1, 0), (0, 2)], value=0.5),
        lambda torch, x: torch.nn.functional.pad(x, (0, 2, 1, 0), value=0.5),
    ),
    Case(
        "flip",
        [(2, 3, 4)],
        lambda F, x: F.flip(x, (0, -1)),
        lambda torch, x: torch.flip(x, (0, -1)),
    ),
    Case(
        "gather",
        [(2, 5)],
        lambda F, x: F.gather(x, COLUMNS, axis=1),
        lambda torch, x: torch.gather(x, 1, torch.from_numpy(COLUMNS)),
    ),
    Case(
        "embedding",
        [(6, 5)],
        lambda F, table: F.embedding(IDS, table),
        lambda torch, table: torch.nn.functional.embedding(torch.from_numpy(IDS), table),
    ),
]

SOFTMAX_CASES = [
    Case(
        "logsumexp",
        [(2, 3, 5)],
        lambda F, x: F.logsumexp(x, axis=(0, 2)),
        lambda torch, x: torch.logsumexp(x, dim=(0, 2)),
    ),
    Case(
        "softmax",
        [(2, 3, 5)],
        lambda F, x: F.softmax(x, axis=1),
        lambda torch, x: torch.softmax(x, dim=1),
    ),
    Case(
        "log_softmax",
        [(3, 5)],
        lambda F, x: F.log_softmax(x),
        lambda torch, x: torch.log_softmax(x, dim=-1),
    ),
    Case(
        "cross_entropy",
        [(5, 7)],
        lambda F, x: F.cross_entropy(x, TARGETS),
        lambda torch, x: torch.nn.functional.cross_entropy(x, torch.from_numpy(TARGETS)),
    ),
    Case(
        "cross_entropy/smoothing",
        [(5, 7)],
        lambda F, x: F.cross_entropy(x, TARGETS, label_smoothing=0.1),
        lambda torch, x: torch.nn.functional.cross_entropy(
            x, torch.from_numpy(TARGETS), label_smoothing=0.1
        ),
    ),
    Case(
        "soft_cross_entropy",
        [(3, 4)],
        lambda F, x: F.soft_cross_entropy(x, SHARES.astype(x.dtype)),
        lambda torch, x: torch.nn.functional.cross_entropy(x, torch.from_numpy(SHARES)),
    ),
    Case(
        "sigmoid_cross_entropy",
        [(2, 4)],
        lambda F, x: F.sigmoid_cross_entropy(x, LABELS.astype(x.dtype)),
        lambda torch, x: torch.nn.functional.binary_cross_entropy_with_logits(
            x, torch.from_numpy(LABELS), reduction="none"
        ),
    ),
]

LAYER_CASES = [
    Case(
        "linear",
        [(2, 3, 5), (5, 4), (4,)],
        lambda F, x, w, b: F.linear(x, w, b),
        lambda torch, x, w, b: torch.nn.functional.linear(x, w.T, b),
    ),
    Case(
        "layer_norm",
        [(2, 3, 7), (7,), (7,)],
        lambda F, x, gain, bias: F.layer_norm(x, gain, bias, eps=1e-3),
        lambda torch, x, gain, bias: torch.nn.functional.layer_norm(x, (7,), gain, bias, eps=1e-3),
    ),
    Case(
        "rms_norm",
        [(2, 3, 7), (7,)],
        lambda F, x, gain: F.rms_norm(x, gain, eps=1e-3),
        lambda torch, x, gain: torch.nn.functional.rms_norm(x, (7,), gain, eps=1e-3),
    ),
    Case(
        "group_norm",
        [(2, 6, 3, 2), (6,), (6,)],
        lambda F, x, gain, bias: F.group_norm(x, gain, bias, groups=3, eps=1e-3),
        lambda torch, x, gain, bias: torch.nn.functional.group_norm(x, 3, gain, bias, eps=1e-3),
    ),
    Case(
        "l2_normalize",
        [(3, 5)],
        lambda F, x: F.l2_normalize(x),
        lambda torch, x: torch.nn.functional.normalize(x, dim=-1),
    ),
    Case(
        "dropout",
        [(4, 5)],
        lambda F, x: F.dropout(x, 0.3, np.random.default_rng(7)),
        lambda torch, x: torch.where(torch.from_numpy(KEEP), x / 0.7, 0.0),
    ),
    Case(
        "rope",
        [(2, 3, 2, 6)],
        lambda F, x: F.rope(x, POSITIONS, theta=100.0),
        lambda torch, x: torch_rope(torch, x, POSITIONS, theta=100.0),
    ),
    Case(
        "rotate",
        [(2, 3, 2, 6)],
        lambda F, x: F.rotate(x, F.rope_ops.Rotation.at(POSITIONS, 6, 50.0, x.dtype)),
        lambda torch, x: torch_rope(torch, x, POSITIONS, theta=50.0),
    ),
    Case(
        "attention",
        [(2, 4, 3, 5)] * 3,
        lambda F, q, k, v: F.attention(q, k, v),
        lambda torch, q, k, v: torch_attention(torch, q, k, v),
    ),
    Case(
        "attention/grouped",  # 4 query heads on 2 key heads, 3 queries on 7 keys
        [(2, 3, 4, 5), (2, 7, 2, 5), (2, 7, 2, 5)],
        lambda F, q, k, v: F.attention(q, k, v, scale=0.3),
        lambda torch, q, k, v: torch_attention(torch, q, k, v, scale=0.3),
    ),
    Case(
        "attention/prefix",
        [(2, 4, 2, 3), (2, 4, 1, 3), (2, 4, 1, 3)],
        lambda F, q, k, v: F.attention(q, k, v, F.Mask.prefix_lm(PREFIX)),
        lambda torch, q, k, v: torch_attention(torch, q, k, v, visible=VISIBLE),
    ),
    Case(
        "conv2d",
        [(2, 3, 5, 6), (4, 3, 3, 3), (4,)],
        lambda F, x, w, b: F.conv2d(x, w, b, stride=2, padding=1),
        lambda torch, x, w, b: torch.nn.functional.conv2d(x, w, b, stride=2, padding=1),
    ),
    Case(
        "max_pool2d",
        [(2, 3, 5, 6)],
        lambda F, x: F.max_pool2d(x, 3, stride=2),
        lambda torch, x: torch.nn.functional.max_pool2d(x, 3, stride=2),
    ),
    Case(
        "mean_pool2d",
        [(2, 3, 5, 6)],
        lambda F, x: F.mean_pool2d(x, 2),
        lambda torch, x: torch.nn.functional.avg_pool2d(x, 2),
    ),
]

CASES = TENSOR_CASES + POINTWISE_CASES + SHAPE_CASES + SOFTMAX_CASES + LAYER_CASES
