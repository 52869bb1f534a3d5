// Rung 6, float4: four neighbouring values move in one instruction, and a thread computes 8 x 8.
//
// A (I, K), B (K, J), C (I, J), float32, any sizes, NN NT TN and batches (layout.cuh).
// Improves on: 05_register_tile_2d, where every value is a load of its own, from global memory and
//   from shared memory; here one instruction moves 16 bytes, which also leaves registers and
//   instructions for 8 x 8 sums: four reads of shared memory for 64 multiplications.
// Launch: block 256, grid (ceil(J / 128), ceil(I / 128), batch).
// Architecture: any. Shared memory: 16.5 KB.
//
//                      tile_b (16, 128)
//      row k:          [b b b b] . . . . [b b b b] . . . .     two float4, 64 columns apart
//      tile_a (16, 128)
//      column k:  [a    c c c c           c c c c
//                  a    c c c c           c c c c
//                  a    c c c c           c c c c              the thread's sums: 4 quarters
//                  a]   c c c c           c c c c              of 4 x 4
//                  .
//                 [a    c c c c           c c c c
//                  ...
//
// The address of 16 bytes is a multiple of 16: where a row's length is no multiple of 4 floats, or
// an array starts elsewhere, the values are fetched one by one (by_four and four in fetch.cuh).
#include "fetch.cuh"

#define TILE 128  // rows and columns of C, for a block
#define DEPTH 16  // along K, at a time
#define SIDE 8    // rows and columns of C, for a thread
#define THREADS 256

// Two float4 of a tile's row, half a tile apart.
__device__ __forceinline__ void read_eight(float (&values)[SIDE], const float *row) {
    *reinterpret_cast<float4 *>(values) = *reinterpret_cast<const float4 *>(row);
    *reinterpret_cast<float4 *>(values + 4) = *reinterpret_cast<const float4 *>(row + TILE / 2);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    matmul_float4(const float *A, const float *B, float *C, int I, int J, int K, long long step_a,
                  long long step_b) {
    // Four columns more than are used: fewer stores meet in one bank, and rows stay aligned.
    __shared__ __align__(16) float tile_a[DEPTH][TILE + 4], tile_b[DEPTH][TILE + 4];
    A += blockIdx.z * step_a;
    B += blockIdx.z * step_b;
    C += blockIdx.z * ((long long)I * J);
    bool aligned_a = by_four(A, TRANSPOSED_A ? I : K), aligned_b = by_four(B, TRANSPOSED_B ? K : J);
    bool aligned_c = by_four(C, J);
    int i0 = blockIdx.y * TILE, j0 = blockIdx.x * TILE;
    int x = threadIdx.x % 16 * 4, y = threadIdx.x / 16 * 4;
    float sum[SIDE][SIDE] = {};
    for (int k0 = 0; k0 < K; k0 += DEPTH) {
        fetch_tile_by_four<THREADS, TILE, !TRANSPOSED_A>(tile_a, A, i0, k0, I, K, aligned_a);
        fetch_tile_by_four<THREADS, TILE, TRANSPOSED_B>(tile_b, B, j0, k0, J, K, aligned_b);
        __syncthreads();
        for (int k = 0; k < DEPTH; k++) {
            __align__(16) float a[SIDE], b[SIDE];
            read_eight(a, &tile_a[k][y]);
            read_eight(b, &tile_b[k][x]);
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
        int i = i0 + y + r % 4 + r / 4 * (TILE / 2);
        if (i >= I) continue;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int j = j0 + x + half * (TILE / 2);
            put_four(C + (long long)i * J, j, J, aligned_c, &sum[r][4 * half]);
        }
    }
}
