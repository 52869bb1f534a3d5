"""Scaled dot-product attention as one operation (layer 2; Vaswani et al. 2017, 1706.03762)."""

from __future__ import annotations

from tinyvlm.backend import Array
from tinyvlm.kernels import dispatch
from tinyvlm.ops.function import Function


class Attention(Function):
    """y = softmax(q k^T * scale) v for q (B, T, H, K) and k, v (B, S, G, K); y is (B, T, H, K).

    H query heads share G key heads (H a multiple of G): G = H is multi-head attention, G = 1
    multi-query (Shazeer 2019, arXiv 1911.02150). visible (B or 1, T, S) bool says who may look
    where; a query that sees nothing gets zeros and passes no gradient.
    """

    def __init__(self, scale: float, visible: Array | None = None) -> None:
        self.scale = scale
        self.visible = visible

    def forward(self, q: Array, k: Array, v: Array) -> Array:
        self.check(q, k, v)
        y, self.saved = dispatch.attention_forward(q, k, v, self.scale, self.visible)
        return y

    def backward(self, dy: Array) -> tuple[Array, ...]:
        return dispatch.attention_backward(dy, self.saved)

    def check(self, q: Array, k: Array, v: Array) -> None:
        fits = (
            q.ndim == k.ndim == v.ndim == 4
            and k.shape == v.shape
            and (q.shape[0], q.shape[3]) == (k.shape[0], k.shape[3])
            and k.shape[2] > 0
            and q.shape[2] % k.shape[2] == 0
        )
        if not fits:
            raise ValueError(
                "expected q (B, T, H, K) and k, v (B, S, G, K) with H a multiple of G, "
                f"got q {q.shape}, k {k.shape}, v {v.shape}"
            )
        B, T, S = q.shape[0], q.shape[1], k.shape[1]
        if self.visible is not None and self.visible.shape not in ((B, T, S), (1, T, S)):
            raise ValueError(
                f"expected a mask for ({B} or 1, {T}, {S}) = (B, T, S), got {self.visible.shape}"
            )
