"""The fused kernels on the emulator, against the operations of ops/ and optim.py in float64."""

from functools import partial

import numpy as np
import pytest

from tinyvlm import optim
from tinyvlm.kernels import launch, launch_fused
from tinyvlm.kernels.emulator import EmulatedModule, KernelMistake
from tinyvlm.ops import activation, normalization, softmax

pytestmark = pytest.mark.usefixtures("kernel_cache")

ROWS = [(1, 1), (3, 31), (5, 33), (2, 300), (150, 40)]  # rows, length
EPS = 1e-5
# Sums here have fewer than 1,000 terms of about 1: float32 leaves 24 bits, less 3 for their size
# and 3 for the several sums one after the other.
CLOSE = {"rtol": 2.0**-18, "atol": 2.0**-18}


def arrays(shape, count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32)


def nans(*shape):
    return np.full(shape, np.nan, np.float32)


def run_backward(function, dy):
    """The Function's gradients in float64, after its forward."""
    return function.backward(dy.astype(np.float64))


def prepared(function, *inputs):
    """(function, y): the operation of ops/, run in float64, ready for backward."""
    function.needs = [True] * len(inputs)
    return function, function.forward(*(x.astype(np.float64) for x in inputs))


@pytest.mark.parametrize("n", [1, 255, 2049])
def test_gelu(n, any_mode):
    x, dy = arrays((n,), 2)
    x[: min(n, 5)] = [-1e4, -20.0, 0.0, 20.0, 1e4][: min(n, 5)]
    y, dx = nans(n), nans(n)
    function, expected = prepared(activation.GELU(), x)
    launch.run(launch_fused.gelu_forward(x, y), any_mode)
    launch.run(launch_fused.gelu_backward(x, dy, dx), any_mode)
    np.testing.assert_allclose(y, expected, **CLOSE)
    np.testing.assert_allclose(dx, run_backward(function, dy), **CLOSE)


@pytest.mark.parametrize("shape", ROWS)
def test_softmax(shape, any_mode):
    x, dy = arrays(shape, 2)
    x[0] += 200.0  # e^200 is no float32
    y, dx = nans(*shape), nans(*shape)
    function, expected = prepared(softmax.Softmax(), x)
    launch.run(launch_fused.softmax_forward(x, y), any_mode)
    launch.run(launch_fused.softmax_backward(y, dy, dx), any_mode)
    np.testing.assert_allclose(y, expected, **CLOSE)
    np.testing.assert_allclose(dx, run_backward(function, dy), **CLOSE)


@pytest.mark.parametrize("shape", ROWS)
def test_layer_norm(shape, any_mode):
    (x, dy), (gain, bias) = arrays(shape, 2), arrays(shape[1:], 2, seed=1)
    x += 3.0  # a mean that is not small
    y, dx, dgain, dbias = nans(*shape), nans(*shape), nans(shape[1]), nans(shape[1])
    mean, inverse_std = nans(2, shape[0])
    function, expected = prepared(normalization.LayerNorm(EPS), x, gain, bias)
    plan = launch_fused.layer_norm_forward(x, gain, bias, y, mean, inverse_std, EPS)
    launch.run(plan, any_mode)
    np.testing.assert_allclose(y, expected, **CLOSE)
    plan = launch_fused.layer_norm_backward(x, gain, dy, (mean, inverse_std), dx, dgain, dbias)
    launch.run(plan, any_mode)
    assert_gradients_are(run_backward(function, dy), dx, dgain, dbias)


@pytest.mark.parametrize("shape", ROWS)
def test_rms_norm(shape, any_mode):
    (x, dy), (gain,) = arrays(shape, 2), arrays(shape[1:], 1, seed=1)
    y, dx, dgain, inverse_rms = nans(*shape), nans(*shape), nans(shape[1]), nans(shape[0])
    function, expected = prepared(normalization.RMSNorm(EPS), x, gain)
    launch.run(launch_fused.rms_norm_forward(x, gain, y, inverse_rms, EPS), any_mode)
    np.testing.assert_allclose(y, expected, **CLOSE)
    launch.run(launch_fused.rms_norm_backward(x, gain, dy, inverse_rms, dx, dgain), any_mode)
    assert_gradients_are(run_backward(function, dy), dx, dgain)


def assert_gradients_are(expected, *got):
    """A row of one value has a standard deviation of sqrt(eps): its gradients are differences."""
    for right, array in zip(expected, got, strict=True):
        largest = max(1.0, abs(right).max())
        np.testing.assert_allclose(array, right, rtol=CLOSE["rtol"], atol=CLOSE["atol"] * largest)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(1, 1), (3, 31), (300, 5), (4, 700)])
def test_cross_entropy(shape, smoothing, any_mode):
    rows, V = shape
    logits, dlogits = 3 * arrays(shape, 1)[0], nans(*shape)
    logits[0] += 200.0
    targets = np.random.default_rng(1).integers(0, V, rows).astype(np.int32)
    targets[1::3] = -100
    lse, mean, dy = nans(rows), nans(2), np.array([0.5], np.float32)
    function = softmax.CrossEntropy(targets, -100, smoothing)
    function, expected = prepared(function, logits)
    plan = launch_fused.cross_entropy_forward(logits, targets, lse, mean, -100, smoothing)
    launch.run(plan, any_mode)
    np.testing.assert_allclose(mean, [expected, 1 / function.count], **CLOSE)
    saved = (lse, mean)
    plan = launch_fused.cross_entropy_backward(logits, targets, saved, dy, dlogits, -100, smoothing)
    launch.run(plan, any_mode)
    right = function.backward(np.float64(0.5))
    # e^(x - lse) at x about 200: the rounding of x itself is 2^-17.
    np.testing.assert_allclose(dlogits, right, rtol=2.0**-15, atol=CLOSE["atol"] / rows)


def test_cross_entropy_of_no_target_and_of_an_impossible_one(check_mode):
    logits, targets = arrays((2, 7), 1)[0], np.array([-100, -100], np.int32)
    lse, mean = nans(2), nans(2)
    launch.run(launch_fused.cross_entropy_forward(logits, targets, lse, mean), check_mode)
    np.testing.assert_array_equal(mean, [0, 1])
    targets[0] = 7
    launch.run(launch_fused.cross_entropy_forward(logits, targets, lse, mean), check_mode)
    assert np.isnan(mean[0])


@pytest.mark.parametrize(("n", "V", "D"), [(1, 1, 1), (40, 6, 33), (70, 300, 5), (9, 4, 300)])
def test_embedding_backward(n, V, D, any_mode):
    ids = np.random.default_rng(0).integers(0, V, n).astype(np.int32)
    (dy,) = arrays((n, D), 1)
    expected = np.zeros((V, D))
    np.add.at(expected, ids, dy.astype(np.float64))
    order = np.argsort(ids, kind="stable").astype(np.int32)
    for given in (None, order):
        dtable = np.zeros((V, D), np.float32)
        launch.run(launch_fused.embedding_backward(ids, dy, dtable, given), any_mode)
        np.testing.assert_allclose(dtable, expected, **CLOSE)


def test_embedding_backward_passes_over_an_id_that_is_none(check_mode):
    ids, dy = np.array([2, -1, 5, 2], np.int32), np.ones((4, 3), np.float32)
    order = np.argsort(ids, kind="stable").astype(np.int32)
    for given in (None, order):
        dtable = np.zeros((5, 3), np.float32)
        launch.run(launch_fused.embedding_backward(ids, dy, dtable, given), check_mode)
        np.testing.assert_array_equal(dtable[:, 0], [0, 0, 2, 0, 0])


@pytest.mark.parametrize("kernel", ["embedding_backward_sorted", "layer_norm", "softmax"])
def test_sums_are_equal_to_the_bit_whatever_the_order(kernel):
    results = []
    for order in range(3):
        mode = partial(EmulatedModule, thread_order=order)
        x, dy = arrays((150, 40), 2)
        y, out = np.zeros_like(x), np.zeros((150, 40), np.float32)
        if kernel == "softmax":
            launch.run(launch_fused.softmax_forward(x, out), mode)
        elif kernel == "layer_norm":
            saved = (np.zeros(150, np.float32), np.ones(150, np.float32))
            gain = np.ones(40, np.float32)
            plan = launch_fused.layer_norm_backward(x, gain, dy, saved, y, out[0], out[1])
            launch.run(plan, mode)
        else:
            ids = (np.arange(150) % 7).astype(np.int32)
            sort = np.argsort(ids, kind="stable").astype(np.int32)
            launch.run(launch_fused.embedding_backward(ids, dy, out, sort), mode)
        results.append(out)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("n", [1, 1030])
def test_adamw(n, any_mode):
    """Three steps, beside the optimizer of optim.py in float64."""
    p, g = arrays((n,), 2)
    m, v = np.zeros_like(p), np.zeros_like(p)
    reference = optim.AdamW([], lr=0.0, betas=(0.9, 0.999))
    right = p.astype(np.float64)
    for step in range(1, 4):
        reference.steps = step
        reference.update("p", right, g.astype(np.float64), 0.01, 0.1)
        numbers = launch_fused.adamw_numbers(0.01, (0.9, 0.999), 1e-8, 0.1, step)
        launch.run(launch_fused.adamw(p, g, m, v, numbers), any_mode)
        np.testing.assert_allclose(p, right, rtol=2.0**-20, atol=2.0**-20)
        np.testing.assert_allclose(v, reference.state["p"]["v"], rtol=2.0**-21)
        g = g * 0.5 - 0.1


def test_nothing_to_do(check_mode):
    empty = np.zeros((0, 3), np.float32)
    launch.run(launch_fused.gelu_forward(empty, empty.copy()), check_mode)
    launch.run(launch_fused.softmax_forward(empty, empty.copy()), check_mode)


BREAKS = {  # file, before, after -> the kind of mistake
    "second barrier": (
        "fused/reduce.cuh",
        "__syncthreads();  // all have read the parts before the next call writes them",
        "",
        "race",
    ),
    "bound of n": ("fused/01_gelu.cu", "if (i < n) y[i]", "y[i]", "out of bounds"),
    "first barrier of a column": (
        "fused/reduce.cuh",
        "parts[threadIdx.y][threadIdx.x] = value;\n    __syncthreads();",
        "parts[threadIdx.y][threadIdx.x] = value;",
        "uninitialised",
    ),
}


@pytest.mark.parametrize("part", BREAKS)
def test_a_broken_kernel_is_named(part, broken):
    file, before, after, kind = BREAKS[part]
    mode = broken(file, before, after)
    x, y, gain, rows = *arrays((5, 70), 2), np.ones(70, np.float32), np.ones(5, np.float32)
    plans = {
        "second barrier": lambda: launch_fused.layer_norm_forward(
            x, gain, gain.copy(), y, rows, rows.copy(), EPS
        ),
        "bound of n": lambda: launch_fused.gelu_forward(x, y),
        "first barrier of a column": lambda: launch_fused.rms_norm_backward(
            x, gain, y, rows, np.zeros_like(x), gain.copy()
        ),
    }
    with pytest.raises(KernelMistake) as caught:
        launch.run(plans[part](), mode)
    assert caught.value.kind == kind, str(caught.value)


@pytest.mark.parametrize("path", sorted((launch.FOLDER / "fused").glob("*.cu")), ids=str)
def test_each_kernel_opens_with_what_a_reader_needs(path):
    opening = path.read_text(encoding="utf-8").partition("\n\n")[0]
    for word in ("Improves on:", "Launch:", "Architecture:"):
        assert word in opening, word
