"""The transformer: its lines written out, and causality through many blocks."""

import numpy as np
import pytest

from tinyvlm.nn import functional as F
from tinyvlm.nn.masks import Mask
from tinyvlm.nn.transformer import MLP, Transformer, TransformerBlock
from tinyvlm.tensor import Tensor


def rng(seed=0):
    return np.random.default_rng(seed)


def normal(*shape, seed=0):
    return rng(seed).normal(size=shape)


def random_float64(module):
    for i, parameter in enumerate(module.parameters()):
        parameter.data = normal(*parameter.shape, seed=20 + i)
    return module


@pytest.mark.parametrize("activation", ["gelu_tanh", "gelu_erf", "quick_gelu"])
def test_mlp(activation):
    """Catches an activation that is not the one asked for, or stands in the wrong place."""
    mlp, x = random_float64(MLP(4, 7, rng(), activation)), normal(2, 3, 4)
    hidden = getattr(F, activation)(Tensor(x @ mlp.up.weight.data + mlp.up.bias.data)).data
    expected = hidden @ mlp.down.weight.data + mlp.down.bias.data
    np.testing.assert_allclose(mlp(Tensor(x)).data, expected, rtol=1e-12)


def layer_norm(norm, x):
    xhat = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + norm.eps)
    return xhat * norm.gain.data + norm.bias.data


@pytest.mark.parametrize("mask", [None, Mask.causal(5)], ids=["full", "causal"])
def test_block_written_out(mask):
    """Catches post-norm, a residual taken after the norm, and norms that change places."""
    block, x = random_float64(TransformerBlock(6, 2, 8, rng(), eps=0.1)), normal(2, 5, 6)
    assert block.norm1.eps == block.norm2.eps == 0.1
    middle = x + block.attention(Tensor(layer_norm(block.norm1, x)), mask=mask).data
    expected = middle + block.mlp(Tensor(layer_norm(block.norm2, middle))).data
    np.testing.assert_allclose(block(Tensor(x), mask).data, expected, rtol=1e-12)


def test_a_transformer_is_its_blocks_in_order():
    stack = random_float64(Transformer(3, 6, 2, 8, rng(), "quick_gelu", eps=0.1))
    assert [block.mlp.activation for block in stack.blocks] == ["quick_gelu"] * 3
    assert [block.norm1.eps for block in stack.blocks] == [0.1] * 3
    x = Tensor(normal(2, 5, 6))
    expected = stack.blocks[2](stack.blocks[1](stack.blocks[0](x)))
    np.testing.assert_array_equal(stack(x).data, expected.data)


def test_no_blocks_are_the_identity():
    x = Tensor(normal(2, 5, 6))
    assert Transformer(0, 6, 2, 8, rng())(x) is x


def test_blocks_start_different():
    one, two = Transformer(2, 6, 2, 8, rng()).blocks
    assert (one.attention.q.weight.data != two.attention.q.weight.data).all()
    assert (one.attention.q.weight.data != one.attention.k.weight.data).all()


@pytest.mark.parametrize("t", range(5))
def test_causal_through_three_blocks(t):
    """Catches a mask that reaches only the first block: token t moves what follows, no more."""
    stack, x = Transformer(3, 6, 2, 8, rng()), normal(1, 5, 6).astype(np.float32)
    before = stack(Tensor(x), Mask.causal(5)).data
    x[:, t] += normal(6, seed=1)
    after = stack(Tensor(x), Mask.causal(5)).data
    np.testing.assert_array_equal(after[:, :t], before[:, :t])
    assert (np.abs(after - before)[0, t:].max(axis=-1) > 1e-6).all()


def test_without_positions_order_does_not_matter():
    """Self-attention without a mask: permuted tokens give permuted outputs."""
    stack, x = random_float64(Transformer(2, 6, 2, 8, rng())), normal(2, 5, 6)
    order = rng(3).permutation(5)
    permuted = stack(Tensor(x[:, order])).data
    np.testing.assert_allclose(permuted, stack(Tensor(x)).data[:, order], rtol=1e-9, atol=1e-9)


def test_every_parameter_of_a_transformer_gets_a_gradient():
    stack = random_float64(Transformer(2, 6, 2, 8, rng()))
    (stack(Tensor(normal(2, 5, 6)), Mask.causal(5)) ** 2).mean().backward()
    for name, parameter in stack.named_parameters():
        if name.endswith("attention.k.bias"):  # the softmax does not see it
            assert np.abs(parameter.grad).max() < 1e-12
        else:
            assert np.abs(parameter.grad).max() > 1e-4, name


def test_an_unknown_activation_is_refused_at_once():
    with pytest.raises(ValueError, match="no activation 'swish'"):
        MLP(8, 16, np.random.default_rng(0), "swish")
