"""Module: a tree of parameters with a forward (layer 4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from tinyvlm import backend
from tinyvlm.backend import Array
from tinyvlm.tensor import Tensor


class Parameter(Tensor):
    """A leaf that is trained. `requires_grad = False` freezes it."""

    __slots__ = ()

    def __init__(self, data: Array) -> None:
        super().__init__(data, requires_grad=True)


class Module:
    """Base of every layer and model: assign Parameters, Modules or lists of Modules as attributes.

    Nothing is registered: the tree is read from the attributes when it is asked for, a module's own
    parameters first, then those of its children, in the order of assignment. A parameter found
    twice (tied weights) is one entry, under its first name.
    """

    training = True

    def forward(self, *inputs: Any) -> Any:
        raise TypeError(f"{type(self).__name__} has no forward; call one of its methods")

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self.forward(*inputs, **named)

    # The tree

    def named_children(self) -> Iterator[tuple[str, Module]]:
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, list):
                items = [(f"{name}.{i}", m) for i, m in enumerate(value) if isinstance(m, Module)]
                yield from items

    def modules(self) -> Iterator[Module]:
        """This module and everything below it."""
        yield self
        for _, child in self.named_children():
            yield from child.modules()

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter), each parameter once."""
        seen: set[int] = set()
        for name, parameter in self._walk(""):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def _walk(self, prefix: str) -> Iterator[tuple[str, Parameter]]:
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield prefix + name, value
        for name, child in self.named_children():
            yield from child._walk(f"{prefix}{name}.")

    def parameters(self) -> list[Parameter]:
        return [parameter for _, parameter in self.named_parameters()]

    def parameter_count(self) -> int:
        return sum(parameter.size for parameter in self.parameters())

    def __repr__(self) -> str:
        return "\n".join(self._lines(type(self).__name__))

    def _lines(self, title: str) -> list[str]:
        lines = [f"{title}  {self.parameter_count():,} parameters"]
        for name, child in self.named_children():
            below = child._lines(f"{name}: {type(child).__name__}")
            lines += ["  " + line for line in below]
        return lines

    def clamp(self) -> None:
        """Called by `fit` after each step: a model that bounds a parameter does it here."""

    # Switches

    def train(self, mode: bool = True) -> Self:
        """Set `training` everywhere: only dropout behaves differently."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        return self.train(False)

    def freeze(self) -> Self:
        """No gradient for any parameter below: no matmul is spent on it, no optimizer moves it."""
        for parameter in self.parameters():
            parameter.requires_grad = False
        return self

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.grad = None

    def to(self, device: str) -> Self:
        """Move every parameter to 'cpu' or 'gpu', in place."""
        for parameter in self.parameters():
            parameter.data = backend.to_device(parameter.data, device)
        return self

    def set_generator(self, rng: np.random.Generator) -> None:
        """Give the layers that draw random numbers (dropout) their generator."""
        for module in self.modules():
            if hasattr(module, "rng"):
                module.rng = rng

    # Saving

    def state_dict(self) -> dict[str, np.ndarray]:
        """name -> values, on the CPU; shares memory with the parameters there."""
        return {name: parameter.numpy() for name, parameter in self.named_parameters()}

    def load_state_dict(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Copy values in. Raises ValueError that lists missing, unexpected and mis-shaped names."""
        mine = dict(self.named_parameters())
        wrong = [f"missing {name}" for name in mine if name not in arrays]
        wrong += [f"unexpected {name}" for name in arrays if name not in mine]
        wrong += [
            f"{name} is {arrays[name].shape} where {p.shape} is needed"
            for name, p in mine.items()
            if name in arrays and arrays[name].shape != p.shape
        ]
        if wrong:
            more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
            raise ValueError(f"the weights don't fit this model: {'; '.join(wrong[:5])}{more}")
        for name, parameter in mine.items():
            if not parameter.data.flags.writeable:  # built inside init.no_values()
                parameter.data = np.empty(parameter.shape, parameter.dtype)
            parameter.data[...] = backend.array_module(parameter.data).asarray(arrays[name])
