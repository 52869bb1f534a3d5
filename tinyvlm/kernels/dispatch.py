"""The one place that chooses who computes a matmul or an attention (layer 1).

Today every array takes the library path: BLAS for products, NumPy for the rest (the same calls run
on CuPy arrays). Hand-written kernels are chosen here, so that nothing above has to know.
"""

from __future__ import annotations

from tinyvlm.backend import Array
from tinyvlm.kernels import library


def matmul(a: Array, b: Array) -> Array:
    """a (..., I, K) @ b (..., K, J) -> (..., I, J), leading axes broadcast."""
    return library.matmul(a, b)


def attention_forward(
    q: Array, k: Array, v: Array, scale: float, visible: Array | None
) -> tuple[Array, library.AttentionSaved]:
    """Attention of q (B, T, H, K) on k, v (B, S, G, K) -> y (B, T, H, K), and what backward needs.

    visible (B or 1, T, S) bool is True where a query may look; None means everywhere.
    """
    return library.attention_forward(q, k, v, scale, visible)


def attention_backward(dy: Array, saved: library.AttentionSaved) -> tuple[Array, Array, Array]:
    """dy (B, T, H, K) -> dq (B, T, H, K), dk, dv (B, S, G, K)."""
    return library.attention_backward(dy, saved)


def scatter_add_rows(ids: Array, rows: Array, count: int) -> Array:
    """ids (n,), rows (n, D) -> (count, D) where row i is the sum of the rows whose id is i."""
    return library.scatter_add_rows(ids, rows, count)
