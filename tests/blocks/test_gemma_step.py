"""One token a row on raw arrays: the same logits as Gemma itself, whatever the model and mask."""

from dataclasses import replace

import numpy as np
import pytest

from tinyvlm.blocks.gemma import Gemma, GemmaConfig
from tinyvlm.blocks.gemma_step import read_token
from tinyvlm.nn.attention import watch_attention
from tinyvlm.nn.masks import HIDDEN, Mask
from tinyvlm.tensor import Tensor, no_grad

TINY = GemmaConfig(
    vocab_size=11, width=12, depth=2, heads=4, kv_heads=2, head_width=6, mlp_width=20
)


def make(config=TINY, dtype=np.float64):
    """Norms where training may take them: weights of 0 would hide a forgotten 1 + w."""
    model = Gemma(config, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(dtype)
        if parameter.ndim == 1:
            parameter.data += rng.normal(0, 0.3, parameter.shape).astype(dtype)
    return model


def with_prefix(model, B, S, capacity, dtype=np.float64):
    """A cache that has read S vectors a row."""
    x = np.random.default_rng(2).normal(size=(B, S, model.config.width)).astype(dtype)
    cache = model.new_cache(capacity)
    model(Tensor(x), cache=cache)
    return cache


def by_model(model, ids, mask, positions, cache):
    x = model(model.embed(ids[:, None]), mask, positions, cache)
    return model.logits(x).data[:, 0]


@no_grad()
@pytest.mark.parametrize(
    "config",
    [
        TINY,
        replace(TINY, kv_heads=1),
        replace(TINY, kv_heads=4, depth=3),
        replace(TINY, heads=1, kv_heads=1, head_width=10),
        replace(TINY, theta=50.0, eps=0.3),
    ],
)
@pytest.mark.parametrize("masked", [False, True])
def test_it_is_what_the_model_says(config, masked):
    """Three tokens in turn, some rows padded: to 1e-12, in float64."""
    model = make(config)
    mine, its = with_prefix(model, 3, 4, 7), with_prefix(model, 3, 4, 7)
    present = np.array([[1, 1, 1, 1], [0, 0, 1, 1], [1, 0, 0, 0]], bool)
    rank = np.pad(np.where(present, 0, HIDDEN), ((0, 0), (0, 3))).astype(np.int32)
    ids = np.random.default_rng(3).integers(0, 11, (3, 3))
    for t in range(3):
        mask = Mask(np.zeros((3, 1), np.int32), rank[:, : 5 + t]) if masked else None
        positions = present.sum(axis=1)[:, None] + t
        logits = read_token(model, ids[:, t], mask, positions, mine)
        expected = by_model(model, ids[:, t], mask, positions, its)
        assert logits.shape == (3, 11)
        np.testing.assert_allclose(logits, expected, rtol=1e-12, atol=1e-12)
    for a, b in zip(mine, its, strict=True):  # the tokens have joined the cache
        assert a.length == b.length == 7
        np.testing.assert_allclose(a.k, b.k, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(a.v, b.v, rtol=1e-12, atol=1e-12)


@no_grad()
def test_float32_stays_float32():
    """Catches a NumPy constant that makes everything float64, and half of the speed."""
    model = make(dtype=np.float32)
    cache = with_prefix(model, 2, 3, 4, np.float32)
    logits = read_token(model, np.array([1, 2]), None, np.full((2, 1), 3), cache)
    assert logits.dtype == np.float32
    assert cache[0].k.dtype == cache[0].v.dtype == np.float32


def test_no_parameter_is_changed():
    model = make()
    before = {name: array.copy() for name, array in model.state_dict().items()}
    with no_grad():
        cache = with_prefix(model, 1, 3, 4)
    read_token(model, np.array([5]), None, np.array([[3]]), cache)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@no_grad()
def test_attention_can_be_watched():
    model = make(dtype=np.float32)
    mine, its = (with_prefix(model, 2, 4, 5, np.float32) for _ in range(2))
    mask = Mask(np.zeros((2, 1), np.int32), np.array([[0, HIDDEN, 0, 0, 0]], np.int32))
    ids, positions = np.array([1, 2]), np.array([[4], [3]])
    with watch_attention() as maps:
        read_token(model, ids, mask, positions, mine)
        by_model(model, ids, mask, positions, its)
    assert [weights.shape for weights in maps] == [(2, 4, 1, 5)] * 4
    for a, b in zip(maps[:2], maps[2:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@no_grad()
@pytest.mark.parametrize("ids", [[0, 11], [-1, 0]])
def test_ids_that_are_no_token(ids):
    model = make()
    with pytest.raises(ValueError, match=r"ids must lie in 0\.\.10"):
        read_token(model, np.array(ids), None, np.full((2, 1), 3), with_prefix(model, 2, 3, 4))


@no_grad()
def test_a_full_cache_and_one_of_another_depth_are_refused():
    model = make()
    cache = with_prefix(model, 2, 3, 3)
    with pytest.raises(ValueError, match="don't fit"):
        read_token(model, np.array([1, 2]), None, np.full((2, 1), 3), cache)
    with pytest.raises(ValueError, match="shorter"):
        read_token(
            model, np.array([1, 2]), None, np.full((2, 1), 3), with_prefix(model, 2, 3, 4)[:1]
        )
