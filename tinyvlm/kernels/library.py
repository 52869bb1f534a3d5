"""The library path: matmul, attention and scatter-add out of array-library calls (layer 1).

Attention is computed as flash attention writes it (Dao et al. 2022, arXiv 2205.14135), without the
tiling: the exponentials stay unnormalised, the row sum divides the (T, K) output and not the (T, S)
weights, and backward needs only delta = rowsum(dy * y).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tinyvlm.backend import Array, array_module, device_of

CACHE_BLOCK = 1 << 15  # values; a few such arrays fit into the cache of one processor core


def cache_blocks(x: Array) -> Iterator[slice]:
    """Slices that cover a flat array, each small enough for the cache; a GPU array is one slice."""
    size = CACHE_BLOCK if device_of(x) == "cpu" else max(len(x), 1)
    for start in range(0, len(x), size):
        yield slice(start, start + size)


def matmul(a: Array, b: Array) -> Array:
    """a (..., I, K) @ b (..., K, J) -> (..., I, J), leading axes broadcast."""
    return np.matmul(a, b)


@dataclass
class AttentionSaved:
    """What attention_backward reads. G key heads each serve R = H / G query heads."""

    q: Array  # (B, G, R*T, K), already scaled
    k: Array  # (B, G, S, K)
    v: Array  # (B, G, S, K)
    weights: Array  # (B, G, R*T, S), exp(score - row maximum), not normalised
    inverse_sum: Array  # (B, G, R*T, 1), 0 for a row that sees nothing
    y: Array  # (B, T, H, K)
    scale: float


def group_queries(x: Array, G: int) -> Array:
    """(B, T, H, K) -> (B, G, R*T, K): the R query heads of a key head become more rows of it.

    So grouped-query attention is the same matrix product, and no key head is ever copied.
    """
    B, T, H, K = x.shape
    if T == 1:  # one token a row: they lie so already
        return x.reshape(B, G, H // G, K)
    x = x.reshape(B, T, G, H // G, K).transpose(0, 2, 3, 1, 4)  # (B, G, R, T, K)
    return x.reshape(B, G, (H // G) * T, K)


def ungroup_queries(x: Array, H: int) -> Array:
    """(B, G, R*T, K) -> (B, T, H, K), the inverse of group_queries, contiguous."""
    B, G, RT, K = x.shape
    R = H // G
    if RT == R:
        return x.reshape(B, 1, H, K)
    x = x.reshape(B, G, R, RT // R, K).transpose(0, 3, 1, 2, 4)  # (B, T, G, R, K)
    return np.ascontiguousarray(x).reshape(B, RT // R, H, K)


def attention_forward(
    q: Array, k: Array, v: Array, scale: float, visible: Array | None
) -> tuple[Array, AttentionSaved]:
    """y = softmax(q k^T * scale) v for every head; see kernels.dispatch.attention_forward."""
    _, T, H, _ = q.shape
    G = k.shape[2]
    q = group_queries(q * scale, G)
    k = k.transpose(0, 2, 1, 3)  # (B, G, S, K)
    v = v.transpose(0, 2, 1, 3)
    weights = np.matmul(q, contiguous_rows(k.swapaxes(-1, -2)))  # (B, G, R*T, S)
    if visible is not None:
        hide(weights, visible, T)
    may_see_nothing = visible is not None or k.shape[2] == 0
    row_max = weights.max(axis=-1, keepdims=True, initial=-np.inf)
    if may_see_nothing:
        row_max[np.isneginf(row_max)] = 0.0  # a row that sees nothing: exp(-inf - 0) = 0, not NaN
    weights -= row_max  # exp never overflows
    np.exp(weights, out=weights)
    ones = array_module(weights).ones((weights.shape[-1], 1), weights.dtype)
    inverse_sum = np.matmul(weights, ones)  # the row sums
    if may_see_nothing:
        inverse_sum[inverse_sum == 0.0] = np.inf  # ... and its output is 0 / inf = 0
    np.reciprocal(inverse_sum, out=inverse_sum)
    y = np.matmul(weights, v)
    y *= inverse_sum
    y = ungroup_queries(y, H)  # (B, T, H, K)
    return y, AttentionSaved(q, k, v, weights, inverse_sum, y, scale)


def contiguous_rows(x: Array) -> Array:
    """x, or a copy of it if the values of a row do not lie side by side.

    On some processors k^T so copied makes its product twice as fast, on others the copy is lost. In
    a KVCache it lies so already.
    """
    return x if x.strides[-1] == x.itemsize else np.ascontiguousarray(x)


def hide(scores: Array, visible: Array, T: int) -> None:
    """Set scores (B, G, R*T, S) to -inf, in place, where visible (B or 1, T, S) is False."""
    B, G, RT, S = scores.shape
    heads = scores.reshape(B, G * RT // T, T, S)
    np.copyto(heads, -np.inf, where=~visible[:, None])


def attention_backward(dy: Array, saved: AttentionSaved) -> tuple[Array, Array, Array]:
    """With p = weights * inverse_sum: dv = p^T dy, ds = p (dy v^T - delta), dq = ds k, dk = ds^T q.

    delta = rowsum(dy * y): a softmax's backward is ds = p (dp - sum_s p dp), here dp = dy v^T, and
    sum_s p dp = dy (p v)^T = dy y^T, a row's own product with its output.
    """
    H = dy.shape[2]
    G = saved.k.shape[1]
    delta = group_queries(np.vecdot(dy, saved.y)[..., None], G) * saved.inverse_sum
    dy = group_queries(dy, G) * saved.inverse_sum  # (B, G, R*T, K), the 1/sum of p moved here
    dv = np.matmul(saved.weights.swapaxes(-1, -2), dy)  # (B, G, S, K)
    ds = np.matmul(dy, np.ascontiguousarray(saved.v.swapaxes(-1, -2)))  # (B, G, R*T, S)
    ds -= delta
    ds *= saved.weights
    dq = np.matmul(ds, saved.k)
    dq *= saved.scale
    dk = np.matmul(ds.swapaxes(-1, -2), saved.q)  # q carries the scale already
    return ungroup_queries(dq, H), dk.transpose(0, 2, 1, 3), dv.transpose(0, 2, 1, 3)


def scatter_add_rows(ids: Array, rows: Array, count: int) -> Array:
    """Sum rows that share an id: sort by id, then add each run at once (np.add.at is far slower).

    The order of addition is fixed, so the result is reproducible to the bit.
    """
    out = array_module(rows).zeros((count, *rows.shape[1:]), rows.dtype)
    if len(ids) == 0:
        return out
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    starts = np.flatnonzero(np.diff(ids, prepend=ids[:1] - 1))
    out[ids[starts]] = np.add.reduceat(rows[order], starts, axis=0)
    return out
