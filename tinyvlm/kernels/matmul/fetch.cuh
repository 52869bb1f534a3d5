// A block's threads fetch a tile of a matrix together: value by value, or four at once.
//
// tile[k][x] takes the DEPTH values along K of WIDTH neighbouring rows of A, or columns of B; x
// counts either. ALONG_K: the values of one x are neighbours in memory, (X, K); else those of one
// k are, (K, X). Neighbouring threads take neighbouring places. Outside the matrix there are zeros,
// which add nothing to a product.
#pragma once
#include "layout.cuh"

template <int THREADS, int WIDTH, bool ALONG_K, int DEPTH, int PITCH>
__device__ __forceinline__ void fetch_tile(float (&tile)[DEPTH][PITCH], const float *matrix, int x0,
                                           int k0, int X, int K) {
#pragma unroll
    for (int n = threadIdx.x; n < DEPTH * WIDTH; n += THREADS) {
        int k = ALONG_K ? n % DEPTH : n / WIDTH;
        int x = ALONG_K ? n / DEPTH : n % WIDTH;
        bool inside = x0 + x < X && k0 + k < K;
        long long place =
            ALONG_K ? (long long)(x0 + x) * K + k0 + k : (long long)(k0 + k) * X + x0 + x;
        tile[k][x] = inside ? matrix[place] : 0.0f;
    }
}

// May four neighbours be read as one float4? Their address has to be a multiple of 16 bytes.
__device__ __forceinline__ bool by_four(const float *matrix, int row_length) {
    return row_length % 4 == 0 && (unsigned long long)matrix % 16 == 0;
}

// Four neighbours of a row, the first of them at `at`; what lies behind its end is zero.
__device__ __forceinline__ float4 four(const float *row, int at, int row_length, bool aligned) {
    if (aligned && at < row_length) return *reinterpret_cast<const float4 *>(row + at);
    float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (at < row_length) v.x = row[at];
    if (at + 1 < row_length) v.y = row[at + 1];
    if (at + 2 < row_length) v.z = row[at + 2];
    if (at + 3 < row_length) v.w = row[at + 3];
    return v;
}

// The way back: four neighbours of a row of C, as far as the row goes.
__device__ __forceinline__ void put_four(float *row, int at, int row_length, bool aligned,
                                         const float *values) {
    if (aligned && at < row_length) {
        *reinterpret_cast<float4 *>(row + at) = *reinterpret_cast<const float4 *>(values);
        return;
    }
#pragma unroll
    for (int n = 0; n < 4; n++)
        if (at + n < row_length) row[at + n] = values[n];
}

// fetch_tile with one load for four values. PITCH is a multiple of 4.
template <int THREADS, int WIDTH, bool ALONG_K, int DEPTH, int PITCH>
__device__ __forceinline__ void fetch_tile_by_four(float (&tile)[DEPTH][PITCH], const float *matrix,
                                                   int x0, int k0, int X, int K, bool aligned) {
#pragma unroll
    for (int n = threadIdx.x; n < DEPTH * WIDTH / 4; n += THREADS) {
        float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        if (ALONG_K) {  // four k of one x: they stand in four rows of the tile
            int k = n % (DEPTH / 4) * 4, x = n / (DEPTH / 4);
            if (x0 + x < X) v = four(matrix + (long long)(x0 + x) * K, k0 + k, K, aligned);
            tile[k][x] = v.x;
            tile[k + 1][x] = v.y;
            tile[k + 2][x] = v.z;
            tile[k + 3][x] = v.w;
        } else {  // four x of one k: four neighbours of the tile, too
            int k = n / (WIDTH / 4), x = n % (WIDTH / 4) * 4;
            if (k0 + k < K) v = four(matrix + (long long)(k0 + k) * X, x0 + x, X, aligned);
            *reinterpret_cast<float4 *>(&tile[k][x]) = v;
        }
    }
}
