"""The decoding case: a text that varies, that rounding can't change, the same from both engines."""

import importlib.util

import numpy as np
import pytest
import safetensors.numpy
import threadpoolctl

from tinyvlm import checkpoint, generate
from tinyvlm.bench.generate import CONFIG, NEVER, TOKENS, Generate, summary
from tinyvlm.blocks.gemma import Gemma
from tinyvlm.parallel import blas_threads
from tinyvlm.tensor import Tensor

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)


def text_of(case, **options):
    """What our engine writes from the case's arrays."""
    arrays = case.arrays()
    model = Gemma(CONFIG, np.random.default_rng(1))
    model.load_state_dict(checkpoint.select(arrays, "model"))
    prefix = Tensor(arrays["prefix"])
    present = np.ones(prefix.shape[:2], bool)
    return generate.generate(model, prefix, present, eos_id=NEVER, max_tokens=TOKENS, **options)


@blas_threads(1)
@pytest.mark.parametrize("B", [1, 16])
def test_the_text_varies_and_rounding_does_not_decide_it(B, monkeypatch):
    """Catches weights that repeat one token for ever, and two logits that nearly tie."""
    gaps = []

    def choose(logits, *_):
        best = np.sort(logits, axis=1)[:, -2:]
        gaps.append(best[:, 1] - best[:, 0])
        return logits.argmax(axis=1)

    monkeypatch.setattr(generate, "choose", choose)
    said = text_of(Generate(B))
    assert said.ids.shape == (B, TOKENS)
    assert np.min(gaps) > 5e-4  # logits are about 3, so rounding moves them by some 1e-5
    assert np.mean([len(np.unique(row)) for row in said.ids]) > 20
    assert len({tuple(row) for row in said.ids}) == B


@blas_threads(1)
def test_our_step_is_the_text_that_generate_writes():
    """With the cache, as the command line writes it, and it is what it is without."""
    case = Generate(2)
    step = case.ours(case.arrays(), threads=1)
    plain = text_of(case, use_cache=False)
    assert step() == step() == pytest.approx(summary(plain.ids, plain.scores), rel=1e-5)


@blas_threads(1)
@pytest.mark.parametrize(("B", "expected"), [(1, 1), (2, 2)])
def test_blas_shares_the_products_of_several_rows(B, expected):
    case = Generate(B)
    case.ours(case.arrays(), threads=2)
    found = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
    assert not found or expected in found


def test_one_token_or_score_makes_another_number():
    """Beyond the 1e-4 within which `bench` calls two results the same."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 512, (16, 32))
    scores = rng.random((16, 32)).astype(np.float32)
    value = summary(ids, scores)
    assert summary(ids.astype(np.int32), scores) == value
    for _ in range(20):
        row, t = rng.integers(16), rng.integers(32)
        other = ids.copy()
        other[row, t] = (other[row, t] + rng.integers(1, 512)) % 512
        assert summary(other, scores) != pytest.approx(value, rel=1e-4)
    assert summary(ids, scores * np.float32(1.001)) != pytest.approx(value, rel=1e-4)


def test_arrays_are_the_same_each_time():
    first, second = Generate(2).arrays(), Generate(2).arrays()
    assert safetensors.numpy.save(first) == safetensors.numpy.save(second)
    assert first["prefix"].shape == (2, 65, 128)


@needs_torch
@blas_threads(1)
@pytest.mark.parametrize("B", [1, 3])
def test_the_torch_twin_writes_the_same(B):
    case = Generate(B)
    arrays = case.arrays()
    rng = np.random.default_rng(0)
    for name, array in arrays.items():  # norms that are zero would hide a forgotten 1 + w
        if name.startswith("model.blocks") and array.ndim == 1:
            array += rng.normal(0, 0.3, array.shape).astype(np.float32)
    ours, theirs = case.ours(arrays, threads=1), case.torch(arrays)
    assert [theirs() for _ in range(2)] == pytest.approx([ours() for _ in range(2)], rel=1e-5)
