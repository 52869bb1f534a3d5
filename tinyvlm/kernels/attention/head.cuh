// Where a head's values stand: q and y are (B, T, H, K), k and v (B, S, G, K), float32.
//
// K is the width of a head, fixed when a rung is compiled (-DHEAD_WIDTH=80, 1 to 256): then loops
// over it unroll and sums stay in registers. G key heads each serve H / G query heads.
#pragma once

#ifndef HEAD_WIDTH
#define HEAD_WIDTH 64
#endif

constexpr int K = HEAD_WIDTH;
static_assert(K >= 1 && K <= 256, "a head is 1 to 256 wide");

// The first of the K values of token t and head h. An offset may pass 2^31, so it is no int.
__device__ __forceinline__ long long place(int b, int t, int h, int T, int H) {
    return (((long long)b * T + t) * H + h) * K;
}

// Where row (b, h, t) of an array (B, H, T) stands, the log-sum-exp of each query among them.
__device__ __forceinline__ long long row_place(int b, int h, int t, int H, int T) {
    return ((long long)b * H + h) * T + t;
}
