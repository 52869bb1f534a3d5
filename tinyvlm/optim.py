"""Optimizers, the learning-rate schedule, gradient clipping (layer 4).

An optimizer holds named parameters in groups. A frozen parameter is in no group: a zero gradient
would still let weight decay move it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tinyvlm.backend import Array
from tinyvlm.nn.module import Module, Parameter


@dataclass
class ParameterGroup:
    """Parameters that share a weight decay and a factor on the learning rate."""

    parameters: dict[str, Parameter]
    weight_decay: float = 0.0
    lr_scale: float = 1.0


def decay_groups(
    model: Module, weight_decay: float, lr_scale: Mapping[str, float] | None = None
) -> list[ParameterGroup]:
    """Two groups: matrices decay; gains, biases, positions and temperatures do not.

    Decay pulls towards zero, which is a prior for the weights of a product; a gain or a temperature
    has no reason to be near zero. lr_scale {"vision.": 0.3} gives the parameters whose names begin
    so two groups of their own, which learn at 0.3 of the rate.
    Raises ValueError when no parameter's name begins so.
    """
    scales = {**(lr_scale or {}), "": 1.0}  # every name begins with ""
    groups = {
        start: (ParameterGroup({}, weight_decay, x), ParameterGroup({}, 0.0, x))
        for start, x in scales.items()
    }
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            start = next(start for start in scales if name.startswith(start))
            is_matrix = parameter.ndim in (2, 4) and "position" not in name  # 4: a convolution's
            groups[start][0 if is_matrix else 1].parameters[name] = parameter
    for start, pair in groups.items():
        if start and not any(group.parameters for group in pair):
            raise ValueError(f"lr_scale: no parameter that learns has a name beginning {start!r}")
    return [group for pair in groups.values() for group in pair]


class Optimizer(ABC):
    """What SGD and AdamW share: groups, the step count, and state that can be saved."""

    def __init__(self, groups: Iterable[ParameterGroup], lr: float) -> None:
        self.groups = list(groups)
        self.lr = lr
        self.steps = 0
        self.state: dict[str, dict[str, Array]] = {}
        names = [name for group in self.groups for name in group.parameters]
        if len(set(names)) != len(names):
            raise ValueError("a parameter stands in two groups of the optimizer")

    @abstractmethod
    def update(self, name: str, p: Array, g: Array, lr: float, weight_decay: float) -> None:
        """Change the values p in place, given the gradient g."""

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        self.steps += 1
        for group in self.groups:
            for name, parameter in group.parameters.items():
                if parameter.grad is not None:
                    lr = self.lr * group.lr_scale
                    self.update(name, parameter.data, parameter.grad, lr, group.weight_decay)

    def zero_grad(self) -> None:
        for group in self.groups:
            for parameter in group.parameters.values():
                parameter.grad = None

    def slot(self, name: str, kind: str, like: Array) -> Array:
        """The saved array `kind` of a parameter, zeros at first."""
        slots = self.state.setdefault(name, {})
        if kind not in slots:
            slots[kind] = np.zeros_like(like)
        return slots[kind]

    def state_dict(self) -> dict[str, Array]:
        return {f"{kind}.{name}": a for name, s in self.state.items() for kind, a in s.items()}

    def load_state_dict(self, arrays: dict[str, Array], steps: int) -> None:
        self.steps = steps
        self.state = {}
        for key, array in arrays.items():
            kind, _, name = key.partition(".")
            self.state.setdefault(name, {})[kind] = np.array(array)


class SGD(Optimizer):
    """v = momentum v + g; p = p - lr v. Weight decay is added to the gradient."""

    def __init__(self, groups: Iterable[ParameterGroup], lr: float, momentum: float = 0.0) -> None:
        super().__init__(groups, lr)
        self.momentum = momentum

    def update(self, name: str, p: Array, g: Array, lr: float, weight_decay: float) -> None:
        if weight_decay:
            g = g + weight_decay * p
        if self.momentum:
            v = self.slot(name, "velocity", p)
            v *= self.momentum
            v += g
            g = v
        p -= lr * g


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2017, arXiv 1711.05101).

    m = b1 m + (1-b1) g, v = b2 v + (1-b2) g^2, p = p (1 - lr decay) - lr m^ / (sqrt v^ + eps)
    with m^ = m / (1 - b1^t), v^ = v / (1 - b2^t). Decoupled: the decay does not pass through m, v.
    """

    def __init__(
        self,
        groups: Iterable[ParameterGroup],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(groups, lr)
        self.betas = betas
        self.eps = eps

    def update(self, name: str, p: Array, g: Array, lr: float, weight_decay: float) -> None:
        b1, b2 = self.betas
        m, v = self.slot(name, "m", p), self.slot(name, "v", p)
        scratch = np.empty_like(g)
        np.multiply(g, 1 - b1, out=scratch)
        m *= b1
        m += scratch
        np.multiply(g, g, out=scratch)
        scratch *= 1 - b2
        v *= b2
        v += scratch
        np.sqrt(v, out=scratch)
        scratch *= (1 - b2**self.steps) ** -0.5
        scratch += self.eps
        np.divide(m, scratch, out=scratch)
        scratch *= lr / (1 - b1**self.steps)
        if weight_decay:
            p *= 1 - lr * weight_decay
        p -= scratch


class Muon(AdamW):
    """Momentum with all its directions made equally long, for the matrices of transformer blocks.

    Jordan et al. 2024, kellerjordan.github.io/posts/muon; the factor .2 sqrt(...) of Liu et al.
    2025, arXiv 2502.16982, makes an update as large as AdamW's, so that one rate serves both:

        m = b m + (1-b) g      u = b m + (1-b) g = U S V^T (singular values)
        p = p (1 - lr decay) - lr .2 sqrt(max(rows, columns)) U V^T

    A gradient of a matrix has few large singular values and many small ones: AdamW's step is
    nearly all in the large directions. A matrix is moved so if its name has "blocks"; embeddings,
    gains, biases and what stands before and after the blocks move as AdamW moves them.
    """

    momentum = 0.95

    def update(self, name: str, p: Array, g: Array, lr: float, weight_decay: float) -> None:
        if p.ndim != 2 or "blocks" not in name.split("."):
            return super().update(name, p, g, lr, weight_decay)
        m = self.slot(name, "momentum", p)
        m *= self.momentum
        m += (1 - self.momentum) * g
        u = orthogonalize(self.momentum * m + (1 - self.momentum) * g)
        if weight_decay:
            p *= 1 - lr * weight_decay
        p -= (lr * 0.2 * max(p.shape) ** 0.5) * u


def orthogonalize(u: Array) -> Array:
    """u (rows, columns) = U S V^T -> about U V^T, by products alone: singular values .7 to 1.2.

    Five steps of the Newton-Schulz iteration s -> 3.4445 s - 4.7750 s^3 + 2.0315 s^5, which takes
    every s in 0..1 near 1; the coefficients are those of Jordan et al., chosen to be steep at 0.
    """
    wide = u if u.shape[0] <= u.shape[1] else u.T  # u u^T is then the smaller product
    x = wide / max(float(np.sqrt(np.vdot(wide, wide))), 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return x if wide is u else x.T


def clip_grad_norm(parameters: Iterable[Parameter], max_norm: float) -> float:
    """Scale all gradients together so that their joint length is at most max_norm.

    Returns the length before. A length that is not finite is returned and nothing is scaled.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    if math.isfinite(norm) and norm > max_norm:
        for g in gradients:
            g *= max_norm / norm
    return norm


def warmup_cosine(step: int, steps: int, lr: float, warmup: int = 50, floor: float = 0.02) -> float:
    """The rate at `step` (from 0) of `steps`: linear up to lr, then half a cosine to floor * lr."""
    if step < warmup:
        return lr * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return lr * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))
