// Who may look at whom: key s is visible to query t iff k_rank[s] <= q_rank[t] (equal: ==).
//
// q_rank (1 or B, T) and k_rank (1 or B, S) are the two vectors of nn/masks.py. Every mask is a
// choice of ranks, INT_MAX hides a key, and a whole tile is known by the ranges of its ranks:
//
//   causal, tiles of 64       k 0..63  64..127  128..191
//             q   0..63       partial  hidden   hidden      hidden  nobody sees anything: skipped
//             q  64..127      full     partial  hidden      full    everybody sees everything
//             q 128..191      full     full     partial     partial asked pair by pair
#pragma once

#define MASK_TILE 64  // queries and keys of a tile: TILE of tiles.cuh

enum TileKind { HIDDEN, PARTIAL, FULL };

struct Range {
    int low, high;
};

// The range of `count` ranks, at least one. A whole warp calls this; every lane gets the answer.
__device__ __forceinline__ Range range_of(const int *rank, int count) {
    Range range = {rank[0], rank[0]};
    for (int n = threadIdx.x % 32; n < count; n += 32) {
        range.low = min(range.low, rank[n]);
        range.high = max(range.high, rank[n]);
    }
#pragma unroll
    for (int step = 16; step > 0; step /= 2) {
        range.low = min(range.low, __shfl_xor_sync(0xffffffffu, range.low, step));
        range.high = max(range.high, __shfl_xor_sync(0xffffffffu, range.high, step));
    }
    return range;
}

// The mask of one batch element.
struct Mask {
    const int *q_rank, *k_rank;  // (T,), (S,)
    int T, S, equal;

    __device__ __forceinline__ bool visible(int t, int s) const {
        return equal ? k_rank[s] == q_rank[t] : k_rank[s] <= q_rank[t];
    }

    __device__ __forceinline__ Range queries(int t0) const {
        return range_of(q_rank + t0, min(MASK_TILE, T - t0));
    }

    __device__ __forceinline__ Range keys(int s0) const {
        return range_of(k_rank + s0, min(MASK_TILE, S - s0));
    }

    __device__ __forceinline__ TileKind kind(Range q, Range k) const {
        if (k.low > q.high || (equal && k.high < q.low)) return HIDDEN;
        bool full = equal ? k.low == q.high && k.high == q.low : k.high <= q.low;
        return full ? FULL : PARTIAL;
    }

    // One pair of a tile of this kind. A tile may hang over the end of its array.
    __device__ __forceinline__ bool sees(TileKind kind, int t, int s) const {
        return t < T && s < S && (kind == FULL || visible(t, s));
    }
};

// masks is 1 when all batch elements share one mask, else their number.
__device__ __forceinline__ Mask mask_of(const int *q_rank, const int *k_rank, int b, int T, int S,
                                        int masks, int equal) {
    long long own = masks == 1 ? 0 : b;
    return {q_rank + own * T, k_rank + own * S, T, S, equal};
}
