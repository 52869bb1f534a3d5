"""CLIP's text tower: it looks back only, and is read at the first end-of-text token."""

from dataclasses import replace

import numpy as np
import pytest

from tinyvlm.blocks.text import TextConfig, TextTransformer

EOS = 9
TINY = TextConfig(
    vocab_size=10, eos_id=EOS, length=7, width=16, depth=2, heads=2, mlp_width=24, eps=1e-5
)


def make(config=TINY):
    return TextTransformer(config, np.random.default_rng(0))


IDS = np.array([[1, 5, 3, EOS, 0, 0], [2, EOS, 4, 4, EOS, 0], [8, 7, 6, 5, 4, EOS]])
ENDS = [3, 1, 5]


def test_shapes():
    model = make()
    assert model.tokens(IDS).shape == (3, 6, 16)
    assert model(IDS).shape == (3, 16)
    assert model(IDS[:, :4][:1]).shape == (1, 16)
    assert model(IDS[:0]).shape == (0, 16)
    assert model(IDS).dtype == np.float32


def test_it_reads_the_first_end():
    """Catches the last one, the last position, or argmax of the ids (one id is above eos here)."""
    model = make(replace(TINY, vocab_size=12))
    ids = IDS.copy()
    ids[0, 1] = EOS + 1
    tokens = model.tokens(ids).data
    np.testing.assert_array_equal(model(ids).data, tokens[range(3), ENDS])


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("t", range(6))
def test_another_token(row, t):
    """Catches a mask that leaks: a token before the end moves the output, one after it never."""
    model, other = make(), IDS.copy()
    other[row, t] = 0 if IDS[row, t] == 1 else 1
    if t == ENDS[row]:
        return  # then another token is read
    before, after = model(IDS).data, model(other).data
    if t < ENDS[row]:
        assert np.abs(after[row] - before[row]).max() > 1e-6
    else:
        np.testing.assert_array_equal(after[row], before[row])
    others = np.arange(3) != row
    np.testing.assert_array_equal(after[others], before[others])


def test_padding_may_be_longer_or_shorter():
    """Catches a text whose vector depends on the longest one of its batch."""
    model = make()
    short, long = model(IDS[:1, :4]).data, model(np.pad(IDS[:1], ((0, 0), (0, 1)))).data
    np.testing.assert_allclose(short, long, rtol=1e-5, atol=1e-6)


def test_order_counts():
    """Catches a bag of words: "a left of b" is not "b left of a"."""
    model = make()
    ids = np.array([[1, 5, 3, EOS], [3, 5, 1, EOS]])
    one, other = model(ids).data
    assert np.abs(one - other).max() > 1e-3


def test_as_many_tokens_as_fit_and_no_more():
    model = make()
    ids = np.full((2, 8), 3)
    ids[:, -2:] = EOS
    assert model(ids[:, :7]).shape == (2, 16)
    with pytest.raises(ValueError, match=r"with 1 to 7 tokens, got \(2, 8\)"):
        model(ids)


def test_every_parameter_gets_a_gradient():
    """And only tokens that are read have one: the row of an unseen word stays at zero."""
    model = make()
    model(IDS).backward(np.random.default_rng(1).normal(size=(3, 16)))
    for name, parameter in model.named_parameters():
        if not name.endswith("attention.k.bias"):  # the softmax does not see it
            assert np.abs(parameter.grad).max() > 1e-5, name
    seen = np.abs(model.token_embedding.weight.grad).max(axis=1) > 0
    assert set(np.flatnonzero(seen)) == {1, 5, 3, EOS, 2, 8, 7, 6, 4}
    assert (model.position.grad[6] == 0).all()
    assert (np.abs(model.position.grad[:6]).max(axis=1) > 0).all()


def test_first_values():
    """token embeddings .02, positions .01: the sizes CLIP's paper starts from."""
    model = make(replace(TINY, vocab_size=3000, length=3000))
    assert model.token_embedding.weight.data.std() == pytest.approx(0.02, rel=0.02)
    assert model.position.data.std() == pytest.approx(0.01, rel=0.02)


def test_eps_and_activation_are_handed_on():
    model = make(replace(TINY, eps=0.125, activation="quick_gelu"))
    norms = [m.eps for m in model.modules() if type(m).__name__ == "LayerNorm"]
    assert norms == [0.125] * (2 * TINY.depth + 1)
    mlps = [m.activation for m in model.modules() if type(m).__name__ == "MLP"]
    assert mlps == ["quick_gelu"] * TINY.depth


@pytest.mark.parametrize("shape", [(2, 0), (3,)])
def test_ids_that_are_no_rows_of_tokens(shape):
    config = TextConfig(vocab_size=9, eos_id=2, width=16, depth=1, mlp_width=16)
    tower = TextTransformer(config, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"expected ids \(B, T\)"):
        tower.tokens(np.zeros(shape, int))


def test_a_text_without_an_end_is_refused():
    config = TextConfig(vocab_size=9, eos_id=2, width=16, depth=1, mlp_width=16)
    tower = TextTransformer(config, np.random.default_rng(0))
    with pytest.raises(ValueError, match="needs an end-of-text 2"):
        tower(np.array([[3, 2], [3, 4]]))
