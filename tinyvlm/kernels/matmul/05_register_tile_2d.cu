// Rung 5, two-dimensional register tile: a thread computes 4 x 4 values of C.
//
// A (I, K), B (K, J), C (I, J), float32, any sizes, NN NT TN and batches (layout.cuh).
// Improves on: 04_register_tile_1d, nine reads of shared memory for eight multiplications; here 4
//   values of A meet 4 of B: eight reads for sixteen.
// Launch: block 256, grid (ceil(J / 64), ceil(I / 64), batch).
// Architecture: any. Shared memory: 8 KB.
//
//                      tile_b (16, 64)
//      row k:          b . . . b . . . b . . . b . . .     16 columns apart
//      tile_a (16, 64)
//      column k:  a    c       c       c       c
//                 .
//                 a    c       c       c       c           the thread's 16 sums: an outer product
//                 .                                        is added to them at every k
//                 a    c       c       c       c
//                 .
//                 a    c       c       c       c
//
// A thread's columns lie 16 apart, not side by side: so the 16 threads of a row read 16 neighbours
// of tile_b, which lie in 16 banks, and write 16 neighbours of C.
#include "fetch.cuh"

#define TILE 64   // rows and columns of C, for a block
#define DEPTH 16  // along K, at a time
#define SIDE 4    // rows and columns of C, for a thread
#define APART (TILE / SIDE)
#define THREADS (APART * APART)

extern "C" __global__ void __launch_bounds__(THREADS, 4)
    matmul_register_tile_2d(const float *A, const float *B, float *C, int I, int J, int K,
                            long long step_a, long long step_b) {
    __shared__ float tile_a[DEPTH][TILE + 1], tile_b[DEPTH][TILE + 1];
    A += blockIdx.z * step_a;
    B += blockIdx.z * step_b;
    C += blockIdx.z * ((long long)I * J);
    int i0 = blockIdx.y * TILE, j0 = blockIdx.x * TILE;
    int x = threadIdx.x % APART, y = threadIdx.x / APART;
    float sum[SIDE][SIDE] = {};
    for (int k0 = 0; k0 < K; k0 += DEPTH) {
        fetch_tile<THREADS, TILE, !TRANSPOSED_A>(tile_a, A, i0, k0, I, K);
        fetch_tile<THREADS, TILE, TRANSPOSED_B>(tile_b, B, j0, k0, J, K);
        __syncthreads();
        for (int k = 0; k < DEPTH; k++) {
            float a[SIDE], b[SIDE];
#pragma unroll
            for (int n = 0; n < SIDE; n++) {
                a[n] = tile_a[k][y + n * APART];
                b[n] = tile_b[k][x + n * APART];
            }
#pragma unroll
            for (int r = 0; r < SIDE; r++) {
#pragma unroll
                for (int c = 0; c < SIDE; c++) sum[r][c] += a[r] * b[c];
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < SIDE; r++) {
#pragma unroll
        for (int c = 0; c < SIDE; c++) {
            int i = i0 + y + r * APART, j = j0 + x + c * APART;
            if (i < I && j < J) C[(long long)i * J + j] = sum[r][c];
        }
    }
}
