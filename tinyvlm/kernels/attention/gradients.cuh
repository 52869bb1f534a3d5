// The middle of the backward pass: a tile's weights again, and the gradient of its scores.
//
// Both tiles are [key][query]: the block owns 64 keys and walks over the queries (tiles.cuh).
#pragma once
#include "mask.cuh"
#include "tiles.cuh"

// p holds k q^T and becomes the weights exp(k q^T scale - lse); lse (T,).
__device__ __forceinline__ void weights_again(float (&p)[SIDE][SIDE], const Mask &mask,
                                              TileKind kind, int s0, int t0, const float *lse,
                                              float scale) {
    int x = threadIdx.x % 16, y = threadIdx.x / 16;
#pragma unroll
    for (int c = 0; c < SIDE; c++) {
        int t = t0 + SIDE * x + c;
        float lse_t = t < mask.T ? lse[t] : 0.0f;
#pragma unroll
        for (int r = 0; r < SIDE; r++) {
            bool seen = mask.sees(kind, t, s0 + SIDE * y + r);
            p[r][c] = seen ? __expf(p[r][c] * scale - lse_t) : 0.0f;
        }
    }
}

// ds holds dp = v dy^T and becomes p (dp - delta); delta (T,).
__device__ __forceinline__ void score_gradients(float (&ds)[SIDE][SIDE],
                                                const float (&p)[SIDE][SIDE], int t0, int T,
                                                const float *delta) {
    int x = threadIdx.x % 16;
#pragma unroll
    for (int c = 0; c < SIDE; c++) {
        int t = t0 + SIDE * x + c;
        float delta_t = t < T ? delta[t] : 0.0f;
#pragma unroll
        for (int r = 0; r < SIDE; r++) ds[r][c] = p[r][c] * (ds[r][c] - delta_t);
    }
}
