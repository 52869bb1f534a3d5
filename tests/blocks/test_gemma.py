"""Gemma's decoder: its norms, rotations, grouped heads, scaled table, masks, published size."""

from dataclasses import replace

import numpy as np
import pytest

from tinyvlm.blocks.gemma import (
    GEMMA_2B,
    Gemma,
    GemmaBlock,
    GemmaConfig,
    GroupedAttention,
    RMSNorm,
    count_positions,
)
from tinyvlm.blocks.projector import Projector
from tinyvlm.nn import init
from tinyvlm.nn.attention import watch_attention
from tinyvlm.nn.masks import Mask
from tinyvlm.ops.rope import Rotation
from tinyvlm.tensor import Tensor, no_grad

TINY = GemmaConfig(
    vocab_size=11, width=12, depth=2, heads=4, kv_heads=2, head_width=6, mlp_width=20
)


def make(config=TINY, dtype=np.float32, seed=0):
    model = Gemma(config, np.random.default_rng(seed))
    for name, parameter in model.named_parameters():
        parameter.data = parameter.data.astype(dtype)
        if "norm" in name:  # where training may take it
            parameter.data += np.random.default_rng(1).normal(0, 0.3, parameter.shape).astype(dtype)
    return model


def vectors(B, S, D=12, dtype=np.float32, seed=2):
    return np.random.default_rng(seed).normal(size=(B, S, D)).astype(dtype)


def test_shapes():
    model = make()
    x = Tensor(vectors(3, 5))
    assert model(x).shape == (3, 5, 12)
    assert model(x, keep=2).shape == (3, 2, 12)
    assert model.logits(model(x)).shape == (3, 5, 11)
    assert model.embed(np.zeros((3, 5), int)).shape == (3, 5, 12)
    assert model.logits(model(x)).dtype == np.float32
    assert model(Tensor(vectors(0, 5))).shape == (0, 5, 12)


def test_the_museums_decoder():
    config = GemmaConfig(vocab_size=150)
    assert (config.width, config.depth, config.heads, config.kv_heads) == (96, 3, 4, 1)
    assert (config.head_width, config.mlp_width) == (24, 256)


def test_the_published_decoder_has_its_2_506_172_416_parameters(monkeypatch):
    """With memory that is asked for but never written."""
    monkeypatch.setattr(init, "small_normal", lambda rng, shape, fan_in: np.empty(shape, "f4"))
    block = GemmaBlock(GEMMA_2B, np.random.default_rng(0))
    table_and_norm = GEMMA_2B.vocab_size * GEMMA_2B.width + GEMMA_2B.width
    assert table_and_norm + GEMMA_2B.depth * block.parameter_count() == 2_506_172_416


def test_no_biases():
    names = [name for name, _ in make().named_parameters()]
    assert not [name for name in names if "bias" in name]


def test_every_parameter_gets_a_gradient():
    model = make()
    x = model(model.embed(np.array([[1, 2, 3], [4, 5, 6]])), Mask.causal(3))
    model.logits(x).backward(np.random.default_rng(1).normal(size=(2, 3, 11)))
    for name, parameter in model.named_parameters():
        assert np.abs(parameter.grad).max() > 1e-5, name


def test_the_norm_is_one_plus_w():
    """Catches a w that is the whole gain: at the start it is 0 and must change nothing."""
    norm, x = RMSNorm(12), vectors(2, 3)
    y = norm(Tensor(x)).data
    np.testing.assert_allclose((y * y).mean(axis=-1), 1, rtol=1e-4)
    np.testing.assert_allclose(y / x, (y / x)[..., :1] + 0 * x, rtol=1e-5)
    assert (norm.weight.data == 0).all()
    norm.weight.data += np.float32(0.5)
    np.testing.assert_allclose(norm(Tensor(x)).data, 1.5 * y, rtol=1e-6)


def test_the_table_is_scaled_on_the_way_in_only():
    """Catches a missing sqrt(D), and one that is applied to the logits too."""
    model, ids = make(), np.array([[3, 0, 10]])
    table = model.token_embedding.weight.data
    np.testing.assert_allclose(model.embed(ids).data, table[ids] * 12**0.5, rtol=1e-6)
    x = vectors(1, 3)
    np.testing.assert_allclose(model.logits(Tensor(x)).data, x @ table.T, rtol=1e-5, atol=1e-6)


def test_first_values():
    """The embeddings enter with size 1; the parts that add to x are made smaller."""
    config = replace(TINY, vocab_size=4000, width=64, mlp_width=512, depth=8)
    model = Gemma(config, np.random.default_rng(0))
    assert model.embed(np.arange(4000)[None]).data.std() == pytest.approx(1, rel=0.02)
    mlp = model.blocks[3].mlp
    assert mlp.up.weight.data.std() == pytest.approx((3 * 64) ** -0.5, rel=0.02)
    assert mlp.down.weight.data.std() == pytest.approx((3 * 512 * 16) ** -0.5, rel=0.02)


def test_only_differences_of_positions_matter():
    """RoPE's property: all positions moved by 7 change nothing; positions exchanged do."""
    model, x = make(dtype=np.float64), Tensor(vectors(2, 5, dtype=np.float64))
    mask, positions = Mask.causal(5), np.arange(5)
    y = model(x, mask, positions).data
    np.testing.assert_array_equal(model(x, mask).data, y)
    np.testing.assert_allclose(model(x, mask, positions + 7).data, y, rtol=1e-11, atol=1e-11)
    each_row = np.array([positions, positions + 3])
    np.testing.assert_allclose(model(x, mask, each_row).data, y, rtol=1e-11, atol=1e-11)
    assert np.abs(model(x, mask, positions[::-1]).data - y).max() > 1e-3


@pytest.mark.parametrize("G", [1, 2])
def test_grouped_heads_are_heads_that_share_keys_and_values(G):
    """Multi-head attention whose K and V are tied inside a group gives the same, for any group."""
    grouped = make(replace(TINY, kv_heads=G), np.float64)
    full = make(replace(TINY, kv_heads=4), np.float64)
    arrays = grouped.state_dict()
    for name, array in arrays.items():
        if name.endswith(("attention.k.weight", "attention.v.weight")):
            heads = array.reshape(12, G, 6)
            arrays[name] = np.repeat(heads, 4 // G, axis=1).reshape(12, 24)
    full.load_state_dict(arrays)
    x, mask = Tensor(vectors(2, 5, dtype=np.float64)), Mask.causal(5)
    np.testing.assert_allclose(full(x, mask).data, grouped(x, mask).data, rtol=1e-12, atol=1e-12)
    assert grouped.parameter_count() < full.parameter_count()


def test_the_last_positions_alone_are_the_same():
    """keep leaves out work, not information: the kept positions still see all others."""
    model, x = make(dtype=np.float64), Tensor(vectors(2, 6, dtype=np.float64))
    suffix, present = np.arange(6) >= np.array([[3], [4]]), np.arange(6) < np.array([[6], [5]])
    mask, positions = Mask.prefix_lm(suffix, present), np.arange(12).reshape(2, 6)
    y = model(x, mask, positions).data
    for keep in (1, 4, 6):
        kept = model(x, mask, positions, keep=keep).data
        np.testing.assert_allclose(kept, y[:, -keep:], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("left", "right"), [(0, 0), (0, 2), (2, 0)])
def test_who_feels_whom(left, right):
    """Every token is changed in turn: exactly the outputs that may feel it move, through all
    blocks. A suffix token moves nothing before it, a prefix token moves everything."""
    S = left + 3 + 4 + right
    place = np.arange(S) - left
    present, is_suffix = (place >= 0) & (place < 7), place >= 3
    mask = Mask.prefix_lm(is_suffix[None], present[None])
    model = make(dtype=np.float64)
    x = np.repeat(vectors(1, S, dtype=np.float64), S + 1, axis=0)
    x[range(S), range(S)] += vectors(1, S, seed=3)[0]
    y = model(Tensor(x), mask).data
    # Two rows of one product may differ in the last bit; 1e-12 is far above that.
    moved = np.abs(y[:S] - y[S]).max(axis=2).T > 1e-12  # [t, s]: changing s moves t
    expected = present[:, None] & present & ((place < 3) | (place <= place[:, None]))
    np.testing.assert_array_equal(moved, expected | np.eye(S, dtype=bool))


def test_positions_count_present_tokens():
    present = np.array([[1, 1, 0], [1, 1, 1]], bool)
    np.testing.assert_array_equal(count_positions(present), [0, 1, 2])
    np.testing.assert_array_equal(count_positions(present[:, ::-1]), [[0, 0, 1], [0, 1, 2]])
    with_gap = np.array([[1, 0, 1, 1], [1, 1, 1, 1]], bool)
    np.testing.assert_array_equal(count_positions(with_gap), [[0, 0, 1, 2], [0, 1, 2, 3]])


def test_attention_can_be_watched():
    model, mask = make(), Mask.causal(5)
    x = Tensor(vectors(2, 5))
    with watch_attention() as maps:
        model(x, mask, keep=2)
    assert [weights.shape for weights in maps] == [(2, 4, 5, 5), (2, 4, 2, 5)]
    for weights in maps:
        np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-6)
        T = weights.shape[2]
        assert (weights[:, :, ~mask.dense()[0, -T:]] == 0).all()
    # Head 3 reads the second pair of key heads: with other keys there, only heads 2 and 3 change.
    attention = GroupedAttention(TINY, np.random.default_rng(0))
    rotation = Rotation.at(np.arange(5), 6, 10000.0, x.dtype)
    with watch_attention() as maps:
        attention(x, mask, rotation)
        attention.k.weight.data[:, 6:] *= np.float32(2)
        attention(x, mask, rotation)
    np.testing.assert_array_equal(maps[0][:, :2], maps[1][:, :2])
    assert np.abs(maps[0][:, 2:] - maps[1][:, 2:]).max() > 1e-3


@pytest.mark.parametrize("wrong", [{"kv_heads": 3}, {"head_width": 5}, {"kv_heads": 0}])
def test_heads_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="must be a multiple of kv_heads G"):
        replace(TINY, **wrong)


def test_a_cache_of_another_depth_is_refused():
    model = make()
    with no_grad(), pytest.raises(ValueError, match="shorter"):
        model(Tensor(vectors(1, 2)), cache=model.new_cache(5)[:1])


def test_the_projector_is_one_linear_layer():
    projector = Projector(4, 6, np.random.default_rng(0))
    x = vectors(2, 3, D=4)
    expected = x @ projector.linear.weight.data + projector.linear.bias.data
    np.testing.assert_allclose(projector(Tensor(x)).data, expected, rtol=1e-6, atol=1e-7)
    assert projector.parameter_count() == 4 * 6 + 6
