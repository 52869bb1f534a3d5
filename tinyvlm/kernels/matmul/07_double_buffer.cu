// Rung 7, double buffer: while one pair of tiles is multiplied, the next one is on its way.
//
// A (I, K), B (K, J), C (I, J), float32, any sizes, NN NT TN and batches (layout.cuh).
// Improves on: 06_float4, where a block fetches, waits, multiplies, waits, and no unit multiplies
//   while values travel. Here shared memory has room for two pairs of tiles, and cp.async copies
//   into it past the registers, without anyone waiting until the values are needed.
// Launch: block 256, grid (ceil(J / 128), ceil(I / 128), batch).
// Architecture: sm_80. Shared memory: 33 KB.
//
//   step      0              1              2              3
//   buffer 0  copy --------> multiply       copy --------> multiply
//   buffer 1                 copy --------> multiply       copy -->
//                            ^
//                            one barrier a step: the copies of this step have arrived for all, and
//                            all have left the other buffer, so that it may be filled again
#include "copy_tile.cuh"
#include "fetch.cuh"
#include "ptx.cuh"

#define TILE 128  // rows and columns of C, for a block
#define DEPTH 16  // along K, at a time
#define SIDE 8    // rows and columns of C, for a thread
#define THREADS 256

// Two float4 of a tile's row, half a tile apart.
__device__ __forceinline__ void read_eight(float (&values)[SIDE], const float *row) {
    *reinterpret_cast<float4 *>(values) = *reinterpret_cast<const float4 *>(row);
    *reinterpret_cast<float4 *>(values + 4) = *reinterpret_cast<const float4 *>(row + TILE / 2);
}

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    matmul_double_buffer(const float *A, const float *B, float *C, int I, int J, int K,
                         long long step_a, long long step_b) {
    __shared__ __align__(16) float tile_a[2][DEPTH][TILE + 4], tile_b[2][DEPTH][TILE + 4];
    A += blockIdx.z * step_a;
    B += blockIdx.z * step_b;
    C += blockIdx.z * ((long long)I * J);
    bool aligned_a = by_four(A, TRANSPOSED_A ? I : K), aligned_b = by_four(B, TRANSPOSED_B ? K : J);
    bool aligned_c = by_four(C, J);
    int i0 = blockIdx.y * TILE, j0 = blockIdx.x * TILE;
    int x = threadIdx.x % 16 * 4, y = threadIdx.x / 16 * 4;
    float sum[SIDE][SIDE] = {};
    copy_tile<THREADS, TILE, !TRANSPOSED_A>(tile_a[0], A, i0, 0, I, K, aligned_a);
    copy_tile<THREADS, TILE, TRANSPOSED_B>(tile_b[0], B, j0, 0, J, K, aligned_b);
    cp_async_commit();
    for (int k0 = 0, now = 0; k0 < K; k0 += DEPTH, now = 1 - now) {
        int next = k0 + DEPTH;
        cp_async_wait<0>();  // what this thread copied has arrived ...
        __syncthreads();     // ... and what the others copied; and nobody reads the other buffer
        if (next < K) {
            copy_tile<THREADS, TILE, !TRANSPOSED_A>(tile_a[1 - now], A, i0, next, I, K, aligned_a);
            copy_tile<THREADS, TILE, TRANSPOSED_B>(tile_b[1 - now], B, j0, next, J, K, aligned_b);
            cp_async_commit();
        }
        for (int k = 0; k < DEPTH; k++) {
            __align__(16) float a[SIDE], b[SIDE];
            read_eight(a, &tile_a[now][k][y]);
            read_eight(b, &tile_b[now][k][x]);
#pragma unroll
            for (int r = 0; r < SIDE; r++) {
#pragma unroll
                for (int c = 0; c < SIDE; c++) sum[r][c] += a[r] * b[c];
            }
        }
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
