"""The cache of keys and values: what comes out is what went in, and a step with it is exact."""

import numpy as np
import pytest

from tinyvlm.blocks.gemma import Gemma, GemmaConfig
from tinyvlm.blocks.kv_cache import KVCache
from tinyvlm.nn.masks import Mask
from tinyvlm.tensor import Tensor, no_grad


def keys(B, T, seed=0):
    return np.random.default_rng(seed).normal(size=(B, T, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("pieces", [[7], [5, 1, 1], [1] * 7])
def test_pieces_come_back_end_to_end(pieces):
    k, v = keys(2, 7), keys(2, 7, seed=1)
    cache, end = KVCache(9), 0
    for T in pieces:
        new = slice(end, end + T)
        end += T
        all_k, all_v = cache.extend(Tensor(k[:, new]), Tensor(v[:, new]))
        np.testing.assert_array_equal(all_k.data, k[:, :end])
        np.testing.assert_array_equal(all_v.data, v[:, :end])
    assert cache.length == 7


def test_raw_arrays_come_back_raw():
    cache = KVCache(3)
    cache.extend(Tensor(keys(2, 1)), Tensor(keys(2, 1, seed=1)))
    all_k, all_v = cache.store(keys(2, 2, seed=2), keys(2, 2, seed=3))
    assert type(all_k) is type(all_v) is np.ndarray
    np.testing.assert_array_equal(all_k, np.concatenate([keys(2, 1), keys(2, 2, 2)], axis=1))
    np.testing.assert_array_equal(all_v, np.concatenate([keys(2, 1, 1), keys(2, 2, 3)], axis=1))


def test_it_refuses_what_does_not_fit():
    cache = KVCache(4)
    cache.extend(Tensor(keys(2, 3)), Tensor(keys(2, 3)))
    with pytest.raises(ValueError, match="5 tokens of 2 texts don't fit in room for 4 of 2"):
        cache.extend(Tensor(keys(2, 2)), Tensor(keys(2, 2)))
    with pytest.raises(ValueError, match="4 tokens of 1 texts"):
        cache.extend(Tensor(keys(1, 1)), Tensor(keys(1, 1)))


def test_a_refused_piece_leaves_it_as_it_was():
    """Catches a length that counts tokens that were never stored."""
    cache = KVCache(4)
    cache.extend(Tensor(keys(2, 3)), Tensor(keys(2, 3)))
    with pytest.raises(ValueError, match="don't fit"):
        cache.extend(Tensor(keys(2, 2)), Tensor(keys(2, 2)))
    all_k, _ = cache.extend(Tensor(keys(2, 1, seed=5)), Tensor(keys(2, 1)))
    np.testing.assert_array_equal(all_k.data, np.concatenate([keys(2, 3), keys(2, 1, 5)], axis=1))


def test_it_refuses_to_end_a_gradient():
    k = Tensor(keys(1, 1), requires_grad=True)
    with pytest.raises(ValueError, match="no_grad"):
        KVCache(4).extend(k, k)


@pytest.mark.parametrize("G", [1, 2, 4])
def test_step_by_step_is_the_whole_at_once(G):
    """A causal decoder, read in pieces of 3, 1, 2 and 1 tokens."""
    config = GemmaConfig(
        vocab_size=9, width=12, depth=2, heads=4, kv_heads=G, head_width=6, mlp_width=20
    )
    model = Gemma(config, np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(2, 7, 12)).astype(np.float32)
    mask, done = Mask.causal(7), 0
    with no_grad():
        expected = model(Tensor(x), mask).data
        cache = model.new_cache(7)
        for T in (3, 1, 2, 1):
            new = slice(done, done + T)
            done += T
            part = Mask(mask.q_rank[:, new], mask.k_rank[:, :done])
            y = model(Tensor(x[:, new]), part, np.arange(7)[new], cache).data
            np.testing.assert_allclose(y, expected[:, new], rtol=1e-5, atol=1e-5)
