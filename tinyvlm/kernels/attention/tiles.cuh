// Two products of tiles, out of which flash attention and its gradients are made.
//
// A block owns 64 rows (queries, or keys when their gradients are computed) and walks over tiles of
// 64 rows of the other side. Thread (x, y) of 16 x 16 holds, in registers:
//
//   multiply_rows       product (64, 64): own rows 4y..4y+3, walked rows 4x..4x+3
//                         own (64, K) times walked (64, K)^T, both fetched 16 columns at a time
//   add_weighted_rows   sum (64, K): own rows 4y..4y+3, columns x, x + 16, x + 32, ...
//                         weights (64, 64) in shared memory, times walked (64, K), 16 rows a time
//
// So shared memory holds pieces of 16 only, and suffices for every K up to 256. Rows beyond the
// array's end are zero.
#pragma once
#include "head.cuh"

#define TILE 64
#define DEPTH 16
#define SIDE 4
#define PITCH (TILE + 4)  // float4 stay aligned, and rows begin in different banks
#define COLUMNS ((K + 15) / 16)
#define THREADS 256
// Blocks that share a multiprocessor: more of them means fewer registers for each thread.
#define RESIDENT (K <= 64 ? 2 : 1)

// The rows of one head: row n begins at first + n * step, and there are `count`.
struct Rows {
    const float *first;
    long long step;
    int count;
};

__device__ __forceinline__ Rows rows_of_head(const float *array, int b, int h, int length,
                                             int heads) {
    return {array + place(b, 0, h, length, heads), (long long)heads * K, length};
}

// piece[n][row] = column column0 + n of row row0 + row.
__device__ __forceinline__ void fetch_columns(float (&piece)[DEPTH][PITCH], Rows rows, int row0,
                                              int column0) {
#pragma unroll
    for (int n = threadIdx.x; n < DEPTH * TILE; n += THREADS) {
        int row = row0 + n / DEPTH, column = column0 + n % DEPTH;
        bool inside = row < rows.count && column < K;
        piece[n % DEPTH][n / DEPTH] = inside ? rows.first[row * rows.step + column] : 0.0f;
    }
}

// product[r][c] = own row 4y + r times walked row 4x + c.
__device__ __forceinline__ void multiply_rows(float (&product)[SIDE][SIDE], Rows own, int own0,
                                              Rows walked, int walked0) {
    __shared__ __align__(16) float left[DEPTH][PITCH], right[DEPTH][PITCH];
    int x = threadIdx.x % 16, y = threadIdx.x / 16;
#pragma unroll
    for (int r = 0; r < SIDE; r++) {
#pragma unroll
        for (int c = 0; c < SIDE; c++) product[r][c] = 0.0f;
    }
    for (int column0 = 0; column0 < K; column0 += DEPTH) {
        fetch_columns(left, own, own0, column0);
        fetch_columns(right, walked, walked0, column0);
        __syncthreads();
#pragma unroll
        for (int n = 0; n < DEPTH; n++) {
            float4 a4 = *reinterpret_cast<const float4 *>(&left[n][4 * y]);
            float4 b4 = *reinterpret_cast<const float4 *>(&right[n][4 * x]);
            float a[SIDE] = {a4.x, a4.y, a4.z, a4.w}, b[SIDE] = {b4.x, b4.y, b4.z, b4.w};
#pragma unroll
            for (int r = 0; r < SIDE; r++) {
#pragma unroll
                for (int c = 0; c < SIDE; c++) product[r][c] += a[r] * b[c];
            }
        }
        __syncthreads();
    }
}

// weights[walked row][own row], the side that is summed over first, as add_weighted_rows reads it.
__device__ __forceinline__ void store_weights(float (&weights)[TILE][PITCH],
                                              const float (&product)[SIDE][SIDE]) {
    int x = threadIdx.x % 16, y = threadIdx.x / 16;
#pragma unroll
    for (int c = 0; c < SIDE; c++) {
        *reinterpret_cast<float4 *>(&weights[4 * x + c][4 * y]) =
            make_float4(product[0][c], product[1][c], product[2][c], product[3][c]);
    }
}

// sum[r][c] += sum over n of weights[n][4y + r] times column x + 16c of row row0 + n.
// The weights may have been stored just before, and may be stored anew right after.
__device__ __forceinline__ void add_weighted_rows(float (&sum)[SIDE][COLUMNS],
                                                  const float (&weights)[TILE][PITCH], Rows rows,
                                                  int row0) {
    __shared__ float piece[DEPTH][16 * COLUMNS];
    int x = threadIdx.x % 16, y = threadIdx.x / 16;
    int count = min(TILE, rows.count - row0);
    for (int n0 = 0; n0 < count; n0 += DEPTH) {
#pragma unroll 2
        for (int n = threadIdx.x; n < DEPTH * 16 * COLUMNS; n += THREADS) {
            int row = n / (16 * COLUMNS), column = n % (16 * COLUMNS);
            bool inside = n0 + row < count && column < K;
            const float *from = rows.first + (row0 + n0 + row) * rows.step;
            piece[row][column] = inside ? from[column] : 0.0f;
        }
        __syncthreads();
#pragma unroll 8
        for (int n = 0; n < DEPTH; n++) {
            float4 w4 = *reinterpret_cast<const float4 *>(&weights[n0 + n][4 * y]);
            float w[SIDE] = {w4.x, w4.y, w4.z, w4.w};
#pragma unroll
            for (int c = 0; c < COLUMNS; c++) {
                float value = piece[n][x + 16 * c];
#pragma unroll
                for (int r = 0; r < SIDE; r++) sum[r][c] += w[r] * value;
            }
        }
        __syncthreads();
    }
}

// sum (64, K) of a block, times factor, becomes rows row0.. of a head.
__device__ __forceinline__ void write_rows(float *first, long long step, int row0, int count,
                                           const float (&sum)[SIDE][COLUMNS], float factor) {
    int x = threadIdx.x % 16, y = threadIdx.x / 16;
#pragma unroll
    for (int r = 0; r < SIDE; r++) {
        int row = row0 + SIDE * y + r;
        if (row >= count) continue;
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) {
            int column = x + 16 * c;
            if (column < K) first[row * step + column] = sum[r][c] * factor;
        }
    }
}
