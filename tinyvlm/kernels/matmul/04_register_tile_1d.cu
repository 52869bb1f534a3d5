// Rung 4, one-dimensional register tile: a thread computes a strip of C, 8 rows of one column.
//
// A (I, K), B (K, J), C (I, J), float32, any sizes, NN NT TN and batches (layout.cuh).
// Improves on: 03_shared_tile, which reads two values of shared memory for one multiplication; here
//   a value of B stays in a register while 8 of A pass by: nine reads for eight multiplications.
// Launch: block 512, grid (ceil(J / 64), ceil(I / 64), batch).
// Architecture: any. Shared memory: 8 KB.
//
//                      tile_b (16, 64)
//                      . . . . b . . . .   row k: one value of B, kept in a register
//      tile_a (16, 64)         |
//      column k:  a . . . . .  c           the thread's strip: 8 sums in 8 registers
//                 a            c
//                 a            c           32 lanes have 32 neighbouring columns and one strip of
//                 ...          ...         rows: they read the same a, all at once
//
// tile_a lies with k as its rows, so that in every layout both tiles are fetched alike (fetch.cuh).
#include "fetch.cuh"

#define ROWS 64     // of C, for a block
#define COLUMNS 64  // of C, for a block
#define DEPTH 16    // along K, at a time
#define STRIP 8     // rows of C, for a thread
#define THREADS (ROWS * COLUMNS / STRIP)

extern "C" __global__ void __launch_bounds__(THREADS)
    matmul_register_tile_1d(const float *A, const float *B, float *C, int I, int J, int K,
                            long long step_a, long long step_b) {
    // One column more than is used: the stores of a warp, ROWS + 1 apart, fall into other banks.
    __shared__ float tile_a[DEPTH][ROWS + 1], tile_b[DEPTH][COLUMNS + 1];
    A += blockIdx.z * step_a;
    B += blockIdx.z * step_b;
    C += blockIdx.z * ((long long)I * J);
    int i0 = blockIdx.y * ROWS, j0 = blockIdx.x * COLUMNS;
    int x = threadIdx.x % COLUMNS, y = threadIdx.x / COLUMNS * STRIP;
    float sum[STRIP] = {};
    for (int k0 = 0; k0 < K; k0 += DEPTH) {
        fetch_tile<THREADS, ROWS, !TRANSPOSED_A>(tile_a, A, i0, k0, I, K);
        fetch_tile<THREADS, COLUMNS, TRANSPOSED_B>(tile_b, B, j0, k0, J, K);
        __syncthreads();
        for (int k = 0; k < DEPTH; k++) {
            float b = tile_b[k][x];
#pragma unroll
            for (int r = 0; r < STRIP; r++) sum[r] += tile_a[k][y + r] * b;
        }
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < STRIP; r++) {
        int i = i0 + y + r, j = j0 + x;
        if (i < I && j < J) C[(long long)i * J + j] = sum[r];
    }
}
