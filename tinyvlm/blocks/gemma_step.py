"""Gemma between two tokens: one new token a row, on raw arrays, without a graph (layer 5).

One token of a small decoder is so little arithmetic that what surrounds it takes as long: a Tensor
and a Function for each of a hundred operations. Decoding repeats this one step, so it is wired here
a second time, from the same kernels and the parameters of the same model. Read blocks/gemma.py
first: line by line this is its `forward` without gradients, and a test holds the two together.
"""

from __future__ import annotations

from tinyvlm.backend import Array
from tinyvlm.blocks.gemma import GeGLU, Gemma, GroupedAttention, RMSNorm
from tinyvlm.blocks.kv_cache import KVCache
from tinyvlm.kernels import dispatch
from tinyvlm.nn.attention import show_to_watchers
from tinyvlm.nn.layers import Linear
from tinyvlm.nn.masks import Mask
from tinyvlm.ops import activation, indexing, normalization
from tinyvlm.ops.rope import Rotation
from tinyvlm.tensor import Tensor


def read_token(
    model: Gemma, ids: Array, mask: Mask | None, positions: Array, cache: list[KVCache]
) -> Array:
    """ids (B,) at positions (B, 1) -> logits (B, V) of the token after them.

    What came before is in the cache, of model.new_cache, and the new token joins it; the mask's
    k_rank covers both. No gradient is recorded, whether inside no_grad() or not.
    """
    config = model.config
    table = model.token_embedding.weight.data
    x = indexing.Embedding(ids).forward(table) * config.width**0.5  # (B, D)
    rotation = Rotation.at(positions, config.head_width, config.theta, x.dtype)
    for block, stored in zip(model.blocks, cache, strict=True):
        x = x + attention(block.attention, norm(block.norm1, x), mask, rotation, stored)
        x = x + mlp(block.mlp, norm(block.norm2, x))
    return dispatch.matmul(norm(model.norm, x), table.T)  # (B, V)


def attention(
    layer: GroupedAttention, x: Array, mask: Mask | None, rotation: Rotation, cache: KVCache
) -> Array:
    """(B, D) -> (B, D): the query of one token looks at the keys of all so far."""
    H, G, K = layer.config.heads, layer.config.kv_heads, layer.config.head_width
    B = len(x)
    q = rotation.turn(linear(layer.q, x).reshape(B, 1, H, K))  # (B, 1, H, K)
    k = rotation.turn(linear(layer.k, x).reshape(B, 1, G, K))  # (B, 1, G, K)
    v = linear(layer.v, x).reshape(B, 1, G, K)  # (B, 1, G, K)
    k, v = cache.store(k, v)  # from here on all S tokens, (B, S, G, K)
    show_to_watchers(Tensor(q), Tensor(k), mask)
    visible = None if mask is None else mask.dense()
    y = dispatch.attention_forward(q, k, v, K**-0.5, visible)[0]  # (B, 1, H, K)
    return linear(layer.out, y.reshape(B, H * K))  # (B, D)


def mlp(layer: GeGLU, x: Array) -> Array:
    """(B, D) -> (B, D)."""
    gelu = activation.GELU()
    gelu.needs = (False,)  # so it leaves out its slope
    return linear(layer.down, gelu.forward(linear(layer.gate, x)) * linear(layer.up, x))


def norm(layer: RMSNorm, x: Array) -> Array:
    """(B, D) -> (B, D)."""
    return normalization.RMSNorm(layer.eps).forward(x, layer.weight.data + 1.0)


def linear(layer: Linear, x: Array) -> Array:
    """(B, I) -> (B, J); no layer of Gemma has a bias."""
    return dispatch.matmul(x, layer.weight.data)
