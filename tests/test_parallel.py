"""Shards of a batch in threads: the same values and gradients as in one piece, every time."""

import threading
import time

import numpy as np
import pytest
import threadpoolctl

from tinyvlm import parallel
from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.models.clip import CLIP, CLIPConfig, clip_loss
from tinyvlm.nn import functional as F
from tinyvlm.nn.layers import Linear
from tinyvlm.ops.function import Function
from tinyvlm.parallel import blas_threads, in_shards
from tinyvlm.tensor import Tensor, apply, no_grad

B = 7  # no multiple of 2 or 3: the shards are of unequal length

# Differences allowed to the gradients of one piece, as a share of the array's largest value: sums
# over the batch are added in another order. Measured 8e-7 (3 shards) and 3e-15 with OpenBLAS; twice
# that for another BLAS.
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}


def small_clip(dtype="float32"):
    vision = ViTConfig(width=16, depth=1, heads=2, mlp_width=32)
    text = TextConfig(vocab_size=20, eos_id=2, length=6, width=16, depth=1, heads=2, mlp_width=32)
    model = CLIP(CLIPConfig(vision, text, embed_width=8), np.random.default_rng(0))
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(dtype)
    return model


def batch(dtype="float32"):
    rng = np.random.default_rng(1)
    ids = rng.integers(3, 20, (B, 6))
    ids[:, -1] = 2
    return rng.normal(size=(B, 3, 32, 32)).astype(dtype), ids


def step(model, threads, dtype="float32", shuffle_times=False):
    """Unit vectors of both towers, the loss, and all gradients, with both towers in shards."""
    images, ids = batch(dtype)
    naps = np.random.default_rng().random(100)

    def late(f, i):
        def g(x):
            if shuffle_times:
                time.sleep(0.02 * naps[(i + len(x)) % 100])
            return f(x)

        return g

    x = in_shards(late(lambda p: model.encode_image(Tensor(p)), 0), images, threads)
    y = in_shards(late(model.encode_text, 1), ids, threads)
    loss = clip_loss(model.logits(x, y))
    model.zero_grad()
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return x.data, y.data, loss.item(), gradients


# The same numbers


@pytest.mark.parametrize(
    ("threads", "dtype"),
    [
        (2, "float32"),
        (3, "float32"),
        (2, "float64"),
        (3, "float64"),
        (7, "float64"),
        (50, "float64"),
    ],
)
def test_values_and_gradients_are_those_of_one_piece(threads, dtype):
    """Catches shards joined or split in the wrong order, a shard that is left out, a gradient that
    is handed on twice (to the leaves and through the node)."""
    model = small_clip(dtype)
    x, y, loss, expected = step(model, 1, dtype)
    x2, y2, loss2, gradients = step(model, threads, dtype)
    tolerance = TOLERANCE[dtype]
    assert (x2.dtype, x2.shape) == (dtype, (B, 8))
    assert np.abs(x2 - x).max() <= tolerance
    assert np.abs(y2 - y).max() <= tolerance
    assert loss2 == pytest.approx(loss, rel=tolerance)
    largest = max(np.abs(g).max() for g in expected.values())
    for name, gradient in gradients.items():
        assert gradient.dtype == dtype
        # A constant added to every key changes no softmax: the gradient of a key's bias is zero
        # and what is left of it is rounding, measured against the other gradients.
        size = largest if name.endswith("k.bias") else np.abs(expected[name]).max()
        assert np.abs(gradient - expected[name]).max() <= tolerance * size, name


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_result_is_the_same_to_the_bit(threads):
    """Catches sums in the order in which the threads happen to end."""
    model = small_clip()
    with blas_threads(1):
        first = step(model, threads)
        for _ in range(4):
            again = step(model, threads, shuffle_times=True)
            assert first[0].tobytes() == again[0].tobytes()
            assert first[2] == again[2]
            for name, gradient in first[3].items():
                assert gradient.tobytes() == again[3][name].tobytes(), name


def test_one_thread_is_the_function_itself():
    x = np.ones((4, 2), np.float32)
    out = Tensor(x)
    assert in_shards(lambda part: out if part is x else None, x, 1) is out
    assert in_shards(lambda part: out if len(part) == 0 else None, x[:0], 3) is out


def test_every_row_comes_back_in_its_place():
    rows = np.arange(11.0)
    out = in_shards(lambda part: Tensor(part[:, None] * 2), rows, 4)
    np.testing.assert_array_equal(out.data[:, 0], rows * 2)


def test_gradients_are_added_to_those_that_are_there():
    """Catches a second use of a layer (or a second micro-batch) that replaces the first one's."""
    layer = Linear(2, 3, np.random.default_rng(0))
    x = np.ones((4, 2), np.float32)
    for uses in (1, 2):
        in_shards(lambda part: layer(Tensor(part)), x, 2).sum().backward()
        np.testing.assert_array_equal(layer.bias.grad, np.full(3, 4.0 * uses))


# Threads


def test_each_shard_has_its_thread():
    seen = []
    meet = threading.Barrier(3, timeout=10)

    def f(part):
        meet.wait()  # never passed by three shards in fewer than three threads
        seen.append(threading.current_thread())
        return Tensor(part)

    in_shards(f, np.ones((6, 1), np.float32), 3)
    assert len(set(seen)) == 3
    assert threading.current_thread() in seen


def test_backward_walks_in_threads_too():
    meet = threading.Barrier(2, timeout=10)

    class Meet(Function):
        def forward(self, x):
            return x * 1

        def backward(self, dy):
            meet.wait()
            return dy * 1

    weight = Tensor(np.ones(3, np.float32), requires_grad=True)
    out = in_shards(lambda part: apply(Meet(), Tensor(part) * weight), np.ones((4, 3), "f"), 2)
    out.sum().backward()
    np.testing.assert_array_equal(weight.grad, [4, 4, 4])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_no_grad_reaches_the_threads(threads):
    """Catches threads with a fresh context: then inference would keep every graph."""
    layer = Linear(2, 3, np.random.default_rng(0))
    parts = []

    def f(part):
        parts.append(layer(Tensor(part)))
        return parts[-1]

    with no_grad():
        out = in_shards(f, np.ones((6, 2), np.float32), threads)
    assert len(parts) == threads
    assert not out.requires_grad
    assert out.function is None
    assert all(part.function is None and not part.requires_grad for part in parts)
    assert in_shards(f, np.ones((6, 2), np.float32), threads).requires_grad


def test_a_frozen_tower_is_not_walked():
    layer = Linear(2, 3, np.random.default_rng(0)).freeze()
    out = in_shards(lambda part: layer(Tensor(part)), np.ones((6, 2), np.float32), 3)
    assert not out.requires_grad
    assert out.function is None


@pytest.mark.parametrize("bad", [0, 2, 5])
def test_an_exception_in_a_shard_comes_out(bad):
    """Catches an error in another thread that is lost, and a batch with a hole."""

    def f(part):
        if bad in part:
            raise ZeroDivisionError(f"row {bad}")
        return Tensor(part)

    with pytest.raises(ZeroDivisionError, match=f"row {bad}"):
        in_shards(f, np.arange(6.0), 3)
    np.testing.assert_array_equal(in_shards(Tensor, np.arange(6.0), 3).data, np.arange(6.0))


@pytest.mark.parametrize("bad", [0.0, 2.0, 5.0])
def test_an_exception_on_the_way_back_comes_out(bad):
    class Fail(Function):
        def forward(self, x):
            self.x = x
            return x * 1

        def backward(self, dy):
            if bad in self.x:
                raise ZeroDivisionError
            return dy * 1

    weight = Tensor(np.ones((), np.float64), requires_grad=True)
    out = in_shards(lambda part: apply(Fail(), Tensor(part) * weight), np.arange(6.0), 3)
    with pytest.raises(ZeroDivisionError):
        out.sum().backward()


def test_a_second_walk_is_refused():
    layer = Linear(2, 3, np.random.default_rng(0))
    loss = in_shards(lambda part: layer(Tensor(part)), np.ones((4, 2), np.float32), 2).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="walked before"):
        loss.backward()


def test_the_joined_tensor_is_one_of_many():
    """The loss sees the whole batch: here the largest value of all rows."""
    weight = Tensor(np.ones((), np.float64), requires_grad=True)
    out = in_shards(lambda part: Tensor(part) * weight, np.arange(6.0), 3)
    (F.logsumexp(out, axis=0)).backward()
    rows = np.arange(6.0)
    expected = np.sum(rows * np.exp(rows)) / np.sum(np.exp(rows))
    assert weight.grad == pytest.approx(expected, rel=1e-14)


# BLAS


def counts():
    return [p["num_threads"] for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]


def test_blas_threads_are_restored():
    """Catches a library that leaves the caller's BLAS slower, also after an error."""
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = counts()
        with blas_threads(1):
            assert set(counts()) <= {1}
            with blas_threads(2):
                assert counts() == before
            assert set(counts()) <= {1}
        assert counts() == before
        with pytest.raises(ZeroDivisionError), blas_threads(1):
            raise ZeroDivisionError
        assert counts() == before


def test_default_threads_are_those_this_process_may_use(monkeypatch):
    assert parallel.default_threads() >= 1
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert parallel.default_threads() == 3
    monkeypatch.delattr(parallel.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: None)
    assert parallel.default_threads() == 1
