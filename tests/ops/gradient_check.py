"""How every test of this folder checks an operation: against a twin, and finite differences.

A twin is a second, slower way to the same result. It takes the input arrays and returns y and a
function from dy to the list of input gradients. `composed` makes one from a chain of simpler
operations, `pointwise` from functions of Python numbers, `rearranged` from a NumPy function that
only moves values; other twins are loops written in the test itself.
"""

from collections.abc import Callable

import numpy as np

from tinyvlm.backend import Array
from tinyvlm.tensor import Tensor, no_grad

Twin = Callable[..., tuple[Array, Callable[[Array], list[Array]]]]

# Allowed differences, as a share of the largest value of the expected array.
FLOAT64 = 1e-12
FLOAT32 = 1e-5
FINITE_DIFFERENCE = 1e-6
STEP = 1e-5  # of the central difference; its own error is about STEP^2


def normal(*shape: int, seed: int = 0) -> Array:
    """Normal random numbers in float64, of size 0.1 or more: away from the kinks at 0."""
    x = np.random.default_rng(seed).normal(size=shape)
    return np.where(x < 0, x - 0.1, x + 0.1)


def check(f: Callable[..., Tensor], twin: Twin, *inputs: Array) -> None:
    """Fail unless f of Tensors agrees with its twin on values and gradients, in float64 and
    float32, with finite differences, on every memory layout, and for each input alone."""
    y, backward = twin(*inputs)
    dy = normal(*y.shape, seed=99)
    expected = [y, *backward(dy)]
    compare(run(f, inputs, dy), expected, FLOAT64)
    compare(run(f, inputs, dy)[1:], finite_differences(f, inputs, dy), FINITE_DIFFERENCE)
    for layout in (transposed, strided):
        compare(run(f, [layout(x) for x in inputs], layout(dy)), expected, FLOAT64)
    in_float32 = [x.astype(np.float32) for x in inputs]
    compare(run(f, in_float32, dy.astype(np.float32)), expected, FLOAT32)
    compare(run(f, inputs, np.broadcast_to(1.0, y.shape))[1:], backward(np.ones(y.shape)), FLOAT64)
    for i in range(len(inputs)):
        alone = run(f, inputs, dy, wants={i})
        compare([alone[1 + i]], [expected[1 + i]], FLOAT64)
    with no_grad():
        compare([f(*[Tensor(x) for x in inputs]).data], [y], FLOAT64)


def run(
    f: Callable[..., Tensor], inputs: list[Array], dy: Array, wants: set[int] | None = None
) -> list[Array | None]:
    """[y, the gradient of each input], having checked types, side effects and shared memory."""
    tensors = [Tensor(x, wants is None or i in wants) for i, x in enumerate(inputs)]
    given = [*inputs, dy]
    before = [np.array(x) for x in given]
    y = f(*tensors)
    assert y.dtype == inputs[0].dtype, f"{inputs[0].dtype} came out as {y.dtype}"
    value = np.array(y.data)
    y.backward(dy)
    gradients = [tensor.grad for tensor in tensors]
    for array, copy in zip([*given, y.data], [*before, value], strict=True):
        assert np.array_equal(array, copy), "an array that was handed in has been changed"
    for tensor, gradient in zip(tensors, gradients, strict=True):
        assert (gradient is not None) == tensor.requires_grad
        if gradient is not None:
            assert (gradient.dtype, gradient.shape) == (tensor.dtype, tensor.shape)
    owned = [g for g in gradients if g is not None]
    for i, gradient in enumerate(owned):
        for other in [*given, y.data, *owned[:i]]:
            assert not np.may_share_memory(gradient, other), "a gradient shares another's memory"
    return [value, *gradients]


def compare(got: list[Array | None], expected: list[Array], tolerance: float) -> None:
    for i, (a, b) in enumerate(zip(got, expected, strict=True)):
        assert a.shape == b.shape, f"array {i}: shape {a.shape}, expected {b.shape}"
        error = np.abs(a - b).max(initial=0.0)
        # Where everything cancels to zero, the rounding errors of values of size 1 remain.
        largest = max(np.abs(b).max(initial=0.0), 0.1)
        assert error <= tolerance * largest, f"array {i}: got\n{a}\nexpected\n{b}\noff by {error}"


def finite_differences(f: Callable[..., Tensor], inputs: list[Array], dy: Array) -> list[Array]:
    """dx_i = sum dy (f(x + STEP e_i) - f(x - STEP e_i)) / (2 STEP), one element at a time."""
    inputs = [np.array(x) for x in inputs]

    def y() -> Array:
        with no_grad():
            return np.array(f(*[Tensor(x) for x in inputs]).data)  # a copy: y may be a view of x

    gradients = [np.zeros_like(x) for x in inputs]
    for x, dx in zip(inputs, gradients, strict=True):
        for i in np.ndindex(x.shape):
            middle = x[i]
            x[i] = middle + STEP
            above = y()
            x[i] = middle - STEP
            below = y()
            x[i] = middle
            dx[i] = np.sum(dy * (above - below)) / (2 * STEP)
    return gradients


def transposed(x: Array) -> Array:
    """The same values, laid out column by column."""
    return x.T.copy().T


def strided(x: Array) -> Array:
    """The same values, every second place of a larger array, last one first."""
    view = np.zeros([2 * n for n in x.shape], x.dtype)[(*[slice(None, None, -2)] * x.ndim, ...)]
    view[...] = x
    return view


def composed(g: Callable[..., Tensor]) -> Twin:
    """The twin that is a chain of simpler Tensor operations; the engine differentiates it."""

    def twin(*inputs: Array):
        def backward(dy: Array) -> list[Array]:
            tensors = [Tensor(x, requires_grad=True) for x in inputs]
            g(*tensors).backward(dy)
            return [np.zeros_like(t.data) if t.grad is None else t.grad for t in tensors]

        return g(*[Tensor(x) for x in inputs]).data, backward

    return twin


def pointwise(value: Callable[..., float], *slopes: Callable[..., float]) -> Twin:
    """The twin of an element-by-element operation: `value` of one Python number per input, and one
    slope per input. Where an input was broadcast, all its uses add up in one place."""

    def twin(*inputs: Array):
        shape = np.broadcast_shapes(*[x.shape for x in inputs])
        # places[i] numbers the elements of input i, broadcast as the input itself is.
        places = [np.broadcast_to(np.arange(x.size).reshape(x.shape), shape) for x in inputs]
        numbers = [x.ravel().tolist() for x in inputs]

        def operands(i: tuple[int, ...]) -> list[float]:
            return [xs[place[i]] for xs, place in zip(numbers, places, strict=True)]

        def backward(dy: Array) -> list[Array]:
            gradients = [np.zeros(x.size) for x in inputs]
            for i in np.ndindex(shape):
                for dx, place, slope in zip(gradients, places, slopes, strict=True):
                    dx[place[i]] += dy[i] * slope(*operands(i))
            return [dx.reshape(x.shape) for dx, x in zip(gradients, inputs, strict=True)]

        y = np.array([value(*operands(i)) for i in np.ndindex(shape)], dtype=np.float64)
        return y.reshape(shape), backward

    return twin


def rearranged(move: Callable[..., Array]) -> Twin:
    """The twin of an operation that only moves values: move the element numbers instead, and see
    where each went. A number of -1 marks a place that came from nowhere and holds 0."""

    def twin(*inputs: Array):
        ends = np.cumsum([x.size for x in inputs])
        numbers = [
            np.arange(e - x.size, e).reshape(x.shape) for e, x in zip(ends, inputs, strict=True)
        ]
        origin = move(*numbers)
        values = np.concatenate([x.ravel() for x in inputs] + [np.zeros(1)])

        def backward(dy: Array) -> list[Array]:
            flat = np.zeros(len(values))
            for number, d in zip(np.ravel(origin), np.ravel(dy), strict=True):
                flat[number] += d
            pieces = np.split(flat[:-1], ends[:-1])
            return [d.reshape(x.shape) for d, x in zip(pieces, inputs, strict=True)]

        return values[origin], backward

    return twin
