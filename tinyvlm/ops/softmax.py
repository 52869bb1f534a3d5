"""Softmax, log-softmax and the cross-entropies, each as one stable operation (layer 2)."""

from __future__ import annotations

import numpy as np

from tinyvlm.backend import Array
from tinyvlm.ops.activation import sigmoid
from tinyvlm.ops.function import Function


def softmax(x: Array, axis: int = -1) -> Array:
    """e^(x - max) / sum: the maximum is subtracted so that e^x can't overflow."""
    y = x - np.max(x, axis=axis, keepdims=True)
    np.exp(y, out=y)
    y /= np.sum(y, axis=axis, keepdims=True)
    return y


def log_softmax(x: Array, axis: int = -1) -> Array:
    """x - max - ln sum e^(x - max); never the logarithm of a softmax, which may be ln 0."""
    y = x - np.max(x, axis=axis, keepdims=True)
    y -= np.log(np.sum(np.exp(y), axis=axis, keepdims=True))
    return y


class Softmax(Function):
    """y_i = e^x_i / sum_j e^x_j along an axis; dx = y (dy - sum y dy)."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        self.y = softmax(x, self.axis)
        return self.y

    def backward(self, dy: Array) -> Array:
        return self.y * (dy - np.sum(self.y * dy, axis=self.axis, keepdims=True))


class LogSoftmax(Function):
    """y = x - logsumexp(x) along an axis; dx = dy - softmax(x) sum dy."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        self.y = log_softmax(x, self.axis)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy - np.exp(self.y) * np.sum(dy, axis=self.axis, keepdims=True)


class CrossEntropy(Function):
    """Mean of -log softmax(logits)[target] over the targets that count.

    logits (..., V), integer targets (...). A target equal to ignore_index (-100) does not count; if
    none does the loss is 0. label_smoothing e mixes the target with the uniform distribution:
    (1 - e) onehot + e/V (Szegedy et al. 2015, arXiv 1512.00567). dx = (softmax - target) / count.
    """

    def __init__(
        self, targets: Array, ignore_index: int = -100, label_smoothing: float = 0.0
    ) -> None:
        self.targets = targets
        self.ignore_index = ignore_index
        self.smoothing = label_smoothing

    def forward(self, logits: Array) -> Array:
        V = logits.shape[-1]
        self.shape = logits.shape
        if self.targets.shape != logits.shape[:-1]:
            raise ValueError(
                f"expected logits (..., V) and targets (...), got logits "
                f"{logits.shape} and targets {self.targets.shape}"
            )
        targets = self.targets.reshape(-1)
        self.counted = targets != self.ignore_index
        self.safe = np.where(self.counted, targets, 0)
        if self.safe.size and (self.safe.min() < 0 or self.safe.max() >= V):
            raise ValueError(
                f"targets must be classes 0..{V - 1} or {self.ignore_index}, "
                f"got {self.safe.min()}..{self.safe.max()}"
            )
        self.log_p = log_softmax(logits.reshape(-1, V))  # (rows, V)
        rows = np.arange(len(targets))
        loss = -self.log_p[rows, self.safe] * (1 - self.smoothing)
        if self.smoothing:
            loss -= self.smoothing * np.mean(self.log_p, axis=-1)
        self.count = max(int(np.sum(self.counted)), 1)
        return np.sum(np.where(self.counted, loss, 0)) / self.count

    def backward(self, dy: Array) -> Array:
        dx = np.exp(self.log_p)
        dx -= self.smoothing / self.shape[-1]
        dx[np.arange(len(self.safe)), self.safe] -= 1 - self.smoothing
        dx *= (self.counted * (dy / self.count)).astype(dx.dtype)[:, None]
        return dx.reshape(self.shape)


class SoftCrossEntropy(Function):
    """Mean over rows of -sum_v targets_v log softmax(logits)_v.

    logits and targets (..., V), each row of targets a distribution (its sum is 1).
    dx = (softmax - targets) / rows.
    """

    def __init__(self, targets: Array) -> None:
        self.targets = targets

    def forward(self, logits: Array) -> Array:
        if self.targets.shape != logits.shape:
            raise ValueError(
                f"logits and targets must have one shape, got "
                f"{logits.shape} and {self.targets.shape}"
            )
        self.rows = max(logits[..., 0].size, 1)
        self.log_p = log_softmax(logits)
        return -np.sum(self.targets * self.log_p) / self.rows

    def backward(self, dy: Array) -> Array:
        total = np.sum(self.targets, axis=-1, keepdims=True)
        return (np.exp(self.log_p) * total - self.targets) * (dy / self.rows)


class SigmoidCrossEntropy(Function):
    """-t log sigmoid(x) - (1 - t) log(1 - sigmoid(x)), element by element, for targets t in 0..1.

    Written max(x, 0) - x t + ln(1 + e^-|x|), which can't overflow. dx = sigmoid(x) - t.
    """

    def __init__(self, targets: Array) -> None:
        self.targets = targets

    def forward(self, logits: Array) -> Array:
        if self.targets.shape != logits.shape:
            raise ValueError(
                f"logits and targets must have one shape, got "
                f"{logits.shape} and {self.targets.shape}"
            )
        self.logits = logits
        softplus = np.log1p(np.exp(-np.abs(logits)))
        return np.maximum(logits, 0) - logits * self.targets + softplus

    def backward(self, dy: Array) -> Array:
        return dy * (sigmoid(self.logits) - self.targets)
