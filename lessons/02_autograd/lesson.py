# %% [markdown]
# # 02 Autograd: a number that remembers how it was made
#
# Minutes: 50 to read and try, less than 1 to run.
# Prerequisites: Python, NumPy, and the chain rule. No earlier lesson.
#
# ## Question
# A network has thousands of weights, one loss, and for each weight a slope: how much the loss moves
# when this weight moves a little. How can one walk backwards give all slopes, and are they right?

# %%
import gc
import inspect
import os
import weakref
from contextlib import suppress
from math import tanh
from pathlib import Path

import numpy as np

from tinyvlm import show
from tinyvlm.graph import topological_order, walk_back
from tinyvlm.nn import functional as F
from tinyvlm.ops.elementwise import Multiply
from tinyvlm.tensor import Tensor

FAST = os.environ.get("TINYVLM_FAST") == "1"  # a short run that checks the same things
BREAK = os.environ.get("TINYVLM_BREAK") == "1"  # plants a bug, see "Break it"; or write True
OUT = (Path(__file__).parent if "__file__" in globals() else Path()) / "out"

# %% [markdown]
# ## 1. The rule
# The loss L came out of many small operations. Let `u.grad` be dL/du, the slope of L with respect
# to some value u on the way. We start at the end with dL/dL = 1 and go back. By the chain rule:
#
# - Each operation hands to each of its inputs: the slope of its result, times its own local slope.
#   For `out = a * b` the local slopes are b (towards a) and a (towards b); for `a + b` both are 1.
# - A value that was used twice reaches L along two paths. Both change L, so both slopes **add**.
#
# One walk serves all inputs. This is reverse mode; forward mode needs one walk for each weight.
# Below is all of it, in the manner of Andrej Karpathy's micrograd: each operation leaves behind a
# small function, `slopes`, that remembers the inputs and the result (a closure).
#
# **Predict.** x is 3 and y = x * x. What is dy/dx by these two rules? And what would come out if
# the second slope to arrive replaced the first? Write both numbers down before you read on.


# %%
class Value:
    """One number, the slope of the loss with respect to it, and how it was made."""

    def __init__(self, data, inputs=()):
        self.data = data
        self.grad = 0.0
        self.inputs = inputs
        self.slopes = lambda: ()  # one slope for each input

    def __add__(self, other):
        out = Value(self.data + other.data, (self, other))
        out.slopes = lambda: (out.grad, out.grad)
        return out

    def __mul__(self, other):
        out = Value(self.data * other.data, (self, other))
        out.slopes = lambda: (out.grad * other.data, out.grad * self.data)
        return out

    def tanh(self):
        out = Value(tanh(self.data), (self,))
        out.slopes = lambda: (out.grad * (1 - out.data * out.data),)  # tanh' = 1 - tanh²
        return out

    def hand_on(self):
        for source, slope in zip(self.inputs, self.slopes(), strict=True):
            if BREAK:
                source.grad = 0.0
            source.grad += slope  # every use of a value adds its share

    def sort_into(self, order):
        """Enter into the dict `order` all that this value was made from, then the value."""
        for source in self.inputs:
            if source not in order:
                source.sort_into(order)
        order[self] = len(order)

    def backward(self):
        self.sort_into(order := {})
        self.grad = 1.0
        for value in reversed(order):
            value.hand_on()


x = Value(3.0)
(x * x).backward()
print("dy/dx =", x.grad)
assert x.grad == 6.0, f"x is used twice, each use is worth 3, and they must add: got {x.grad}"

# %% [markdown]
# ## 2. Why the order matters
# `backward` sorts the values first. Why not simply recurse: hand on, then do the same with each
# input? Here is a diamond; on paper y = a²b + ab², so dy/da = 2ab + b² = 21 for a = 2, b = 3.
#
#     a ──┐         ┌── p = h * a ──┐
#         ├─ h = ab ┤               ├── y = p + q
#     b ──┘         └── q = h * b ──┘
#
# **Predict.** What does the simple recursion find for dy/da: 21, less, or more?


# %%
def naive_backward(value):
    value.hand_on()
    for source in value.inputs:
        naive_backward(source)


a, b = Value(2.0), Value(3.0)
h = a * b
y = h * a + h * b
y.grad = 1.0  # backward() starts so too
naive_backward(y)
naive = a.grad
y.sort_into(order := {})
for value in order:
    value.grad = 0.0
y.backward()
print(f"dy/da: naive recursion {naive}, sorted {a.grad}")
assert (naive, a.grad) == (27.0, 21.0)
for name, value in zip("abhpqy", order, strict=True):
    print(f"  {name} = {value.data:2g}   slope {value.grad:2g}")

# %% [markdown]
# The recursion comes to h along p, when only p's share has arrived, and hands that on. Then it
# comes along q and hands on everything, p's share (2, times b = 3) included: 6 too many. A value
# may hand on only when all its users have. An order that guarantees this is called topological.
#
# ## 3. What closures cost
# `slopes` remembers `out`, and `out` remembers `slopes`: a circle. Python frees an object when
# nothing points to it; in a circle something always does, until the garbage collector comes round.
# And `sort_into` calls itself for each link of a chain, which Python ends at about a thousand.
# tinyvlm's `Tensor` is built in another way (section 5); its `True` says that we want its slope.
#
# **Predict.** Which stays in memory without a name? Which goes back through 20,000 additions?

# %%
gc.disable()
for x, stays, arrives in (Value(1.0), True, False), (Tensor(1.0, True), False, True):
    watch = weakref.ref(x * x)  # no name holds the product
    assert (watch() is not None) == stays
    y = x
    for _ in range(20_000):
        y = y + x
    with suppress(RecursionError):
        y.backward()
    assert (x.grad == 20_001) == arrives
    print(f"{type(x).__name__}: stays in memory {stays}, finds the way back {arrives}")
gc.enable()

# %% [markdown]
# ## 4. From numbers to arrays
# One Python object for each number is slow; we want one for each *array*. Two things are new:
#
# - In `y + b` with y (4, 2) and b (2,), each number of b is used four times, once a row. Uses add:
#   db is dy summed over the rows. The backward of broadcasting is a sum.
# - In y = x @ w with x (4, 3), w (3, 2), dy has y's shape (4, 2) and dw must have w's (3, 2):
#   `x.T @ dy` fits, and `dy @ w.T` for dx. The shapes remind you of the formula, the sum over uses
#   proves it: w[k, j] meets every row i once, with slope x[i, k].
#
# **Predict.** Write dx, dw and db for L = sum of y², y = x @ w + b, before you read on.

# %%
rng = np.random.default_rng(0)
x, w, b = rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
dy = 2 * (x @ w + b)  # (4, 2)
by_hand = dy @ w.T, x.T @ dy, dy.sum(axis=0)  # (4, 3), (3, 2), (2,)
leaves = [Tensor(array, requires_grad=True) for array in (x, w, b)]  # we want their slopes
loss = ((leaves[0] @ leaves[1] + leaves[2]) ** 2).sum()
loss.backward()
for gradient, leaf in zip(by_hand, leaves, strict=True):
    assert np.allclose(gradient, leaf.grad, rtol=0, atol=1e-12)

# %% [markdown]
# ## 5. The real thing
# Here is one operation of the library, and its walk. What differs from `Value`:
#
# - An operation is an object with `forward` and `backward` on plain arrays. It keeps what it needs
#   as attributes, but not the Tensor it made: no circle, and one can test it alone.
# - The order is a list, made with a stack instead of recursion: any depth will do.
# - Slopes on the way vanish after use. Only leaves, which no operation made, keep a `.grad`.
# - `release()` forgets what was saved: memory comes back during the walk, a second walk is refused.

# %%
print(inspect.getsource(Multiply), inspect.getsource(walk_back), sep="\n")
assert vars(loss.function) == {"freed": True}
try:
    loss.backward()
except RuntimeError as error:
    print("A second walk:", error)

# %% [markdown]
# ## 6. Is the gradient right?
# The definition of a slope is a test: (f(w + h) - f(w - h)) / 2h. On paper its error is about h².
# But a computer rounds f to a relative eps, and dividing by h makes that about eps / h.
#
# **Predict.** eps is 1e-7 in float32, 2e-16 in float64. Sketch both errors for h from 1e-11 to 0.1.


# %%
def loss_at(w):
    return (F.tanh(Tensor(x.astype(w.dtype)) @ w) ** 2).mean()


def check_error(dtype, h):
    """Mean error of the central difference with step h, as a share of the largest slope."""
    numeric = np.zeros_like(w)
    for i in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[i] = h
        above, below = (loss_at(Tensor((w + s).astype(dtype))).item() for s in (step, -step))
        numeric[i] = (above - below) / (2 * h)
    return np.abs(numeric - leaf.grad).mean() / np.abs(leaf.grad).max()


leaf = Tensor(w, requires_grad=True)
loss_at(leaf).backward()
exponents = np.arange(-11, 0)
error = {t: [check_error(t, 10.0**e) for e in exponents] for t in ("float64", "float32")}
for e, wide, narrow in zip(exponents, error["float64"], error["float32"], strict=True):
    print(f"h = 1e{e:03d}   float64 {wide:.0e}   float32 {narrow:.0e}")
svg = show.curve(exponents, {t: np.log10(e) for t, e in error.items()}, "Error over h (log10)")
OUT.mkdir(exist_ok=True)
(OUT / "u_curve.svg").write_text(svg, encoding="utf-8")
if "get_ipython" in globals():  # in a notebook
    from IPython.display import SVG, display

    display(SVG(svg))
assert min(error["float64"]) < 1e-9 and min(error["float32"]) > 1e-6
assert exponents[np.argmin(error["float64"])] in (-6, -5, -4)
assert exponents[np.argmin(error["float32"])] in (-3, -2)

# %% [markdown]
# Two U-curves, lowest near the cube root of eps. In float32 no step comes below 1e-6, so smaller
# mistakes hide in the rounding; float64 comes below 1e-9. We check in float64 and train in float32.
#
# ## 7. A small training run, twice
# Six hidden units learn a sine from twelve points, once with `Value` and once with tinyvlm.
#
# **Predict.** To how many digits do the two losses agree, step by step?

# %%
xs = np.linspace(-2, 2, 12)
ys = np.sin(2 * xs)
start = rng.normal(size=(3, 6))  # in rows: weight into, bias of and weight out of each unit


def loss_of_values(parameters):
    total = Value(0.0)
    for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
        error = Value(-y)
        for w, b, v in zip(parameters[:6], parameters[6:12], parameters[12:], strict=True):
            error = error + v * (w * Value(x) + b).tanh()
        total = total + error * error * Value(1 / len(xs))
    return total


def loss_of_tensors(w, b, v):
    hidden = F.tanh(Tensor(xs[:, None]) * w + b)  # (12, 6)
    return (((hidden * v).sum(axis=1) - ys) ** 2).mean()


values = [Value(number) for number in start.ravel().tolist()]
tensors = [Tensor(row.copy(), requires_grad=True) for row in start]
history = []
for _ in range(40 if FAST else 400):
    pair = loss_of_values(values), loss_of_tensors(*tensors)
    history.append([float(loss.data) for loss in pair])
    pair[0].sort_into(order := {})
    assert len(order) > 30 * len(topological_order(pair[1].node))  # arrays: fewer Python objects
    for loss in pair:
        loss.backward()
    for parameter in [*values, *tensors]:
        parameter.data -= 0.1 * parameter.grad
        parameter.grad *= 0  # else the next step would add to this one's slopes
ours, theirs = np.array(history).T
print(f"loss {ours[0]:.3f} -> {ours[-1]:.3f}; apart by at most {abs(ours - theirs).max():.0e}")
assert np.allclose(ours, theirs, rtol=1e-9, atol=0) and ours[-1] < (0.5 if FAST else 0.1) * ours[0]

# %% [markdown]
# ## Exercise
# Give `Value` an `exp`, and a `__pow__` for a fixed exponent. Build the sigmoid from them,
# (1 + e^-x)^-1, and check its slope at x = 0.5. **Hint.** The slope of e^x is e^x: `out.data`.
#
# ## Break it
# Set `BREAK`, or run with TINYVLM_BREAK=1: `hand_on` forgets what came before. A chain without
# shared values stays right, but x * x gets the slope 3, and the first assertion stops you.
#
# ## What to read next
# Baydin et al. 2018, "Automatic differentiation in machine learning: a survey" (arXiv 1502.05767).
# Then `tinyvlm/graph.py`, `tinyvlm/tensor.py` and `tinyvlm/ops/elementwise.py`. Next: lesson 07.
