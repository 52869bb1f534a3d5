"""Tensor: an array that remembers how it was made (layer 3).

`apply` is the one door to the operations in ops/: it unwraps arrays, runs forward, and links the
result to its inputs. `Tensor.backward` walks these links back, by graph.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from tinyvlm import backend
from tinyvlm.backend import Array
from tinyvlm.graph import LeafGradients, walk_back
from tinyvlm.ops import elementwise, indexing, matmul, reduction, shape
from tinyvlm.ops.function import Function
from tinyvlm.ops.reduction import Axis

_recording: ContextVar[bool] = ContextVar("recording", default=True)


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside `with no_grad():` (or a function decorated with `@no_grad()`) no graph is recorded.

    The switch is a ContextVar: threads and async tasks each have their own.
    """
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


class Tensor:
    """An array with a gradient: `data`, `grad`, `requires_grad`, and the `function` that made it.

    data: anything NumPy takes. Python numbers and lists of floats become float32; a float64 array
    stays float64 (for gradient checks), integers and booleans stay what they are.
    Gradients of gradients are not supported: backward works on raw arrays and records nothing.
    """

    __slots__ = ("__weakref__", "data", "function", "grad", "requires_grad")
    __array_ufunc__ = None  # array + Tensor asks the Tensor, instead of looping over it

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        if type(data) is not np.ndarray:
            data = to_array(data)
        if data.dtype.kind not in "fiub":
            raise TypeError(f"a tensor holds numbers or booleans, got {data.dtype}")
        if requires_grad and data.dtype.kind != "f":
            raise TypeError(f"only floating-point tensors have gradients, got {data.dtype}")
        self.data: Array = data
        self.grad: Array | None = None
        self.requires_grad = requires_grad
        self.function: Function | None = None

    # What it looks like

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def node(self) -> Function | Tensor:
        """Where its gradient goes: the function that made it, or the tensor itself if it's a leaf.

        The graph links these and not tensors, so a value that no function saved is freed at once.
        """
        return self if self.function is None else self.function

    @property
    def device(self) -> str:
        return backend.device_of(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        made_by = f", made by {self.function.name}" if self.function else ""
        wants = ", requires_grad" if self.requires_grad and not self.function else ""
        return f"Tensor({self.data}, shape={self.shape}, {self.dtype}{wants}{made_by})"

    def item(self) -> float:
        """The single value as a Python number. Raises ValueError when there are more."""
        return self.data.item()

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array (copied from the GPU, shared on the CPU)."""
        return backend.to_device(self.data, "cpu")

    def detach(self) -> Tensor:
        """The same values, cut off from the graph."""
        return Tensor(self.data)

    def to(self, device: str) -> Tensor:
        """The values on 'cpu' or 'gpu', cut off from the graph: move leaves, before computing."""
        return Tensor(backend.to_device(self.data, device), self.requires_grad)

    # Arithmetic. A plain number or array on either side becomes a constant of our dtype.

    def __add__(self, other: Any) -> Tensor:
        return apply(elementwise.Add(), self, other)

    def __radd__(self, other: Any) -> Tensor:
        return apply(elementwise.Add(), other, self)

    def __sub__(self, other: Any) -> Tensor:
        return apply(elementwise.Subtract(), self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return apply(elementwise.Subtract(), other, self)

    def __mul__(self, other: Any) -> Tensor:
        return apply(elementwise.Multiply(), self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return apply(elementwise.Multiply(), other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return apply(elementwise.Divide(), self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return apply(elementwise.Divide(), other, self)

    def __pow__(self, exponent: float) -> Tensor:
        return apply(elementwise.Power(exponent), self)

    def __neg__(self) -> Tensor:
        return apply(elementwise.Negate(), self)

    def __matmul__(self, other: Any) -> Tensor:
        return apply(matmul.MatMul(), self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return apply(matmul.MatMul(), other, self)

    # Comparison gives booleans, which have no gradient.

    def __lt__(self, other: Any) -> Tensor:
        return Tensor(self.data < raw(other))

    def __le__(self, other: Any) -> Tensor:
        return Tensor(self.data <= raw(other))

    def __gt__(self, other: Any) -> Tensor:
        return Tensor(self.data > raw(other))

    def __ge__(self, other: Any) -> Tensor:
        return Tensor(self.data >= raw(other))

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return Tensor(self.data == raw(other))

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return Tensor(self.data != raw(other))

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return bool(self.data)

    # Reductions and shape

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return apply(reduction.Sum(axis, keepdims), self)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return apply(reduction.Mean(axis, keepdims), self)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return apply(reduction.Max(axis, keepdims), self)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return apply(reduction.Min(axis, keepdims), self)

    def var(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Variance over n (not n - 1)."""
        return apply(reduction.Var(axis, keepdims), self)

    def exp(self) -> Tensor:
        return apply(elementwise.Exp(), self)

    def log(self) -> Tensor:
        return apply(elementwise.Log(), self)

    def sqrt(self) -> Tensor:
        return apply(elementwise.Sqrt(), self)

    def reshape(self, *new_shape: Any) -> Tensor:
        return apply(shape.Reshape(flat_arguments(new_shape)), self)

    def transpose(self, *axes: Any) -> Tensor:
        """Axes in the given order; without arguments, reversed (as in NumPy)."""
        order = flat_arguments(axes) or tuple(reversed(range(self.ndim)))
        return apply(shape.Transpose(order), self)

    @property
    def T(self) -> Tensor:
        return self.transpose()

    def __getitem__(self, index: Any) -> Tensor:
        if isinstance(index, tuple):
            index = tuple(raw(i) for i in index)
        return apply(indexing.GetItem(raw(index)), self)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    # Gradients

    def backward(self, dy: Array | None = None, into: LeafGradients | None = None) -> None:
        """Add the gradient of this tensor to every leaf it was computed from.

        dy: the gradient of this tensor, of its shape; None means 1 and needs a scalar.
        into: where leaves accumulate, {id(leaf): (leaf, gradient)}; None means their `.grad`.
        The graph is freed as it is walked, so it can be walked once. A second walk raises
        RuntimeError: add the losses and call backward on the sum.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward: no gradient is recorded here. Some input needs requires_grad=True, and "
                "the computation must run outside no_grad()"
            )
        walk_back(self.node, self._seed(dy), into)

    def _seed(self, dy: Array | None) -> Array:
        if dy is None:
            if self.size != 1:
                raise ValueError(
                    f"backward: a tensor of shape {self.shape} is no scalar loss; reduce it with "
                    ".mean() or .sum(), or pass dy, the gradient of each of its values"
                )
            return np.ones_like(self.data)
        dy = as_array(dy)
        if dy.shape != self.shape:
            raise ValueError(f"backward: dy must have shape {self.shape}, got {dy.shape}")
        return dy if dy.dtype == self.dtype else dy.astype(self.dtype)


def apply(function: Function, *inputs: Any) -> Tensor:
    """Run one operation on Tensors (or numbers, or arrays) and record it.

    Raises TypeError when floating-point types are mixed, and ValueError when devices are.
    """
    tensors = as_tensors(inputs)
    if _recording.get():
        function.needs = tuple([t.requires_grad for t in tensors])
    else:
        function.needs = (False,) * len(tensors)
    try:
        y = function.forward(*[t.data for t in tensors])
    except ValueError as error:
        shapes = ", ".join(str(t.shape) for t in tensors)
        raise ValueError(f"{function.name} of {shapes}: {error}") from error
    out = Tensor(y)
    if not all_alike(tensors, out):
        check_types(function, tensors, out)
    if True in function.needs:
        function.inputs = tuple([t.node for t in tensors])
        out.function = function
        out.requires_grad = True
    return out


def as_tensors(inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """Wrap plain numbers and arrays as constants with the dtype and device of the first Tensor."""
    for x in inputs:
        if not isinstance(x, Tensor):
            like = next((x for x in inputs if isinstance(x, Tensor)), None)
            return tuple([x if isinstance(x, Tensor) else constant(x, like) for x in inputs])
    return inputs


def constant(x: Any, like: Tensor | None) -> Tensor:
    """x as a Tensor; a plain number beside a float Tensor takes its dtype and device."""
    if like is None or hasattr(x, "dtype") or like.data.dtype.kind != "f":
        return Tensor(x)
    return Tensor(backend.array_module(like.data).asarray(x, like.data.dtype))


def all_alike(inputs: tuple[Tensor, ...], out: Tensor) -> bool:
    """True for NumPy arrays of one dtype, the common case, in which check_types finds nothing.

    A decoder that reads one token computes so little that half a microsecond here is felt.
    """
    dtype = out.data.dtype
    for t in inputs:  # noqa: SIM110  # as all(...) it would take four times as long
        if t.data.dtype is not dtype or type(t.data) is not np.ndarray:
            return False
    return True


def check_types(function: Function, inputs: tuple[Tensor, ...], out: Tensor) -> None:
    """A float type never changes silently. Trap: float32_array / np.sqrt(64) is float64."""
    floats = {t.data.dtype for t in inputs if t.data.dtype.kind == "f"}
    if len(floats) > 1 or (floats and out.data.dtype.kind == "f" and out.data.dtype not in floats):
        came = ", ".join(f"{t.dtype} {t.shape}" for t in inputs)
        raise TypeError(
            f"{function.name}: inputs ({came}) give {out.dtype}; convert the arrays to one "
            "floating-point type before, for example x.astype(np.float32)"
        )
    if len(inputs) > 1 and len({t.device for t in inputs}) > 1:
        came = ", ".join(f"{t.shape} on {t.device}" for t in inputs)
        raise ValueError(f"{function.name}: inputs are on different devices ({came}); use .to()")


def to_array(data: Any) -> Array:
    """What a Tensor holds of anything else than a NumPy array; a GPU array stays what it is."""
    if isinstance(data, Tensor):
        raise TypeError("data is a Tensor already; use it, or its .detach()")
    if not hasattr(data, "dtype"):
        data = np.asarray(data)
        return data.astype(np.float32) if data.dtype == np.float64 else data
    if isinstance(data, np.generic):
        return np.asarray(data)
    backend.device_of(data)  # raises for anything that is no array
    return data


def raw(x: Any) -> Any:
    """The array inside a Tensor; anything else as it is."""
    return x.data if isinstance(x, Tensor) else x


def as_array(x: Any) -> Array:
    """The array inside a Tensor, an array as it is, anything else as a NumPy array."""
    x = raw(x)
    return x if hasattr(x, "dtype") else np.asarray(x)


def flat_arguments(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    """reshape(2, 3) and reshape((2, 3)) mean the same."""
    if len(arguments) == 1 and not isinstance(arguments[0], (int, np.integer)):
        arguments = arguments[0]
    return tuple(map(int, arguments))
