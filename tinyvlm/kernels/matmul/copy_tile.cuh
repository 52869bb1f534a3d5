// fetch_tile of fetch.cuh, but it only starts the copies: cp.async moves them past the registers.
//
// cp.async copies 16 neighbouring bytes or 4. Where the neighbours of memory stand in four rows of
// the tile (ALONG_K), or are not aligned to 16 bytes, values are copied one by one.
#pragma once
#include "ptx.cuh"

template <int THREADS, int WIDTH, bool ALONG_K, int DEPTH, int PITCH>
__device__ __forceinline__ void copy_tile(float (&tile)[DEPTH][PITCH], const float *matrix, int x0,
                                          int k0, int X, int K, bool aligned) {
    int width = ALONG_K || !aligned ? 1 : 4;
    for (int n = threadIdx.x; n < DEPTH * WIDTH / width; n += THREADS) {
        int k = ALONG_K ? n % DEPTH : n / (WIDTH / width);
        int x = ALONG_K ? n / DEPTH : n % (WIDTH / width) * width;
        bool inside = x0 + x < X && k0 + k < K;
        long long place =
            ALONG_K ? (long long)(x0 + x) * K + k0 + k : (long long)(k0 + k) * X + x0 + x;
        const float *from = inside ? matrix + place : matrix;
        if (width == 4) {
            cp_async_16(&tile[k][x], from, inside);
        } else {
            cp_async_4(&tile[k][x], from, inside);
        }
    }
}
