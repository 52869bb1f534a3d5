"""How the kernels of attention/ are started; launch.py says what a plan is (layer 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyvlm.backend import Array, array_module
from tinyvlm.kernels.launch import Launch, ceil_div, check, ints

FORWARD = {"01": "three_kernels", "02": "online_softmax", "03": "flash"}
BACKWARD = {"04": "backward", "05": "backward_atomics"}
TILE = 64  # queries, or keys, of a block: TILE of attention/tiles.cuh
HIDDEN, PARTIAL, FULL = range(3)  # the kinds of a tile: TileKind of attention/mask.cuh


@dataclass(frozen=True)
class Heads:
    """What is attended to: q (B, T, H, K), k, v (B, S, G, K), q_rank (1 or B, T), k_rank (.., S).

    H is a multiple of G. Key s is visible to query t iff k_rank <= q_rank, or, if equal, ==; ranks
    are int32, the rest contiguous float32. Raises ValueError or TypeError for anything else.
    """

    q: Array
    k: Array
    v: Array
    q_rank: Array
    k_rank: Array
    scale: float
    equal: bool = False

    def __post_init__(self) -> None:
        if self.q.ndim != 4 or self.k.ndim != 4 or self.q_rank.ndim != 2:
            raise ValueError(
                "expected q (B, T, H, K), k (B, S, G, K) and q_rank (1 or B, T), "
                f"got {self.q.shape}, {self.k.shape} and {self.q_rank.shape}"
            )
        B, T, S, H, G, K = self.sizes
        masks = self.q_rank.shape[0]
        if masks not in (1, B) or G == 0 or H % G or not 1 <= K <= 256:
            raise ValueError(
                f"expected 1 or B = {B} masks, H a multiple of G = {G} and K from 1 to 256, "
                f"got {masks} masks, H = {H} and K = {K}"
            )
        check("q", self.q, "(B, T, H, K)", (B, T, H, K))
        check("k", self.k, "(B, S, G, K)", (B, S, G, K))
        check("v", self.v, "(B, S, G, K)", (B, S, G, K))
        check("q_rank", self.q_rank, "(1 or B, T)", (masks, T), "int32")
        check("k_rank", self.k_rank, "(1 or B, S)", (masks, S), "int32")

    @property
    def sizes(self) -> tuple[int, int, int, int, int, int]:
        """B, T, S, H, G, K."""
        B, T, H, K = self.q.shape
        return (B, T, self.k.shape[1], H, self.k.shape[2], K)

    @property
    def numbers(self) -> tuple:
        """T, S, H, G, masks, equal, scale: how the kernels' arguments end."""
        _, T, S, H, G, _ = self.sizes
        return (*ints(T, S, H, G, self.q_rank.shape[0], self.equal), np.float32(self.scale))

    def launch(self, file: str, kernel: str, grid: tuple, block: tuple, args: tuple) -> Launch:
        """A kernel of attention/, compiled for this width of a head."""
        options = (f"-DHEAD_WIDTH={self.sizes[-1]}",)
        return Launch(f"attention/{file}.cu", f"attention_{kernel}", grid, block, args, options)


def forward(rung: str, heads: Heads, y: Array, lse: Array) -> list[Launch]:
    """y (B, T, H, K) = softmax(q k^T scale) v, lse (B, H, T) its log-sum-exp, for the backward.

    A query that sees nothing has y = 0 and lse = +infinity.
    """
    B, T, _, H, _, K = heads.sizes
    check("y", y, "(B, T, H, K)", (B, T, H, K))
    check("lse", lse, "(B, H, T)", (B, H, T))
    name = FORWARD[rung]
    if rung == "01":
        return three_kernels(heads, y, lse)
    args = (heads.q, heads.k, heads.v, heads.q_rank, heads.k_rank, y, lse, *heads.numbers)
    queries = 8 if rung == "02" else TILE  # of a block
    return [heads.launch(f"{rung}_{name}", name, (ceil_div(T, queries), H, B), (256,), args)]


def three_kernels(heads: Heads, y: Array, lse: Array) -> list[Launch]:
    """Rung 01, by way of an array of all scores."""
    B, T, S, H, G, K = heads.sizes
    scores = array_module(y).empty((B, H, T, S), np.float32)
    file, block, rows = "01_three_kernels", (32, 8), B * H * T
    down = (ceil_div(T, 8), B * H)
    ranked = (heads.q, heads.k, heads.q_rank, heads.k_rank, scores, *heads.numbers)
    summed = (scores, heads.v, y, *ints(T, S, H, G))
    return [
        heads.launch(file, "scores", (ceil_div(S, 32), *down), block, ranked),
        heads.launch(
            file, "softmax", (ceil_div(rows, 8),), block, (scores, lse, np.int64(rows), np.int32(S))
        ),
        heads.launch(file, "weighted_sum", (ceil_div(K, 32), *down), block, summed),
    ]


def backward(
    rung: str, heads: Heads, y: Array, lse: Array, dy: Array, dq: Array, dk: Array, dv: Array
) -> list[Launch]:
    """Fill dq (B, T, H, K) and dk, dv (B, S, G, K), given dy and what forward returned.

    Rung 04 sums in a fixed order; 05 adds to dq with atomics, and takes a dq of zeros.
    """
    B, T, S, H, G, K = heads.sizes
    for name, x in (("y", y), ("dy", dy), ("dq", dq)):
        check(name, x, "(B, T, H, K)", (B, T, H, K))
    for name, x in (("dk", dk), ("dv", dv)):
        check(name, x, "(B, S, G, K)", (B, S, G, K))
    check("lse", lse, "(B, H, T)", (B, H, T))
    file = f"{rung}_{BACKWARD[rung]}"
    delta, rows = array_module(dy).empty((B, H, T), np.float32), B * T * H
    saved = (heads.q, heads.k, heads.v, dy, heads.q_rank, heads.k_rank, lse, delta)
    block, key_tiles, query_tiles = (256,), (ceil_div(S, TILE), G, B), (ceil_div(T, TILE), H, B)
    first = (y, dy, delta, *ints(T, H), np.int64(rows))
    plan = [heads.launch("04_backward", "delta", (ceil_div(rows, 8),), block, first)]
    if rung == "05":
        args = (*saved, dq, dk, dv, *heads.numbers)
        return [*plan, heads.launch(file, "gradients", key_tiles, block, args)]
    by_key, by_query = (*saved, dk, dv, *heads.numbers), (*saved, dq, *heads.numbers)
    return [
        *plan,
        heads.launch(file, "key_gradients", key_tiles, block, by_key),
        heads.launch(file, "query_gradients", query_tiles, block, by_query),
    ]


def tile_kinds(heads: Heads, kinds: Array) -> list[Launch]:
    """kinds (1 or B, query tiles, key tiles) int32: what flash does with each tile of 64 by 64."""
    _, T, S, _, _, _ = heads.sizes
    masks = heads.q_rank.shape[0]
    shape = (masks, ceil_div(T, TILE), ceil_div(S, TILE))
    check("kinds", kinds, "(1 or B, query tiles, key tiles)", shape, "int32")
    args = (heads.q_rank, heads.k_rank, kinds, *ints(T, S, masks, heads.equal))
    return [heads.launch("03_flash", "tile_kinds", (shape[1], 1, masks), (32,), args)]
