// Rung 8, warp tile: the 32 lanes of a warp compute a compact piece of C, 64 x 32.
//
// A (I, K), B (K, J), C (I, J), float32, any sizes, NN NT TN and batches (layout.cuh).
// Improves on: 07_double_buffer, where a warp is 2 threads high and 16 wide: at every k it reads
//   2 x 8 values of A and 16 x 8 of B, 144 in all. A warp that is 8 high and 4 wide reads 8 x 8 and
//   4 x 8, 96; and each of its reads meets at most 32 neighbouring words, one for every bank.
// Launch: block 256, grid (ceil(J / 128), ceil(I / 128), batch).
// Architecture: sm_80. Shared memory: 33 KB.
//
//      the block's 128 x 128            a warp's 64 x 32: its lanes, 4 x 4 values each, twice down
//      +----+----+----+----+            and twice across
//      | w0 | w1 | w2 | w3 |            +-------------------+-------------------+
//      |    |    |    |    |  64 rows   |  0    1    2    3 |  0    1    2    3 |
//      +----+----+----+----+            |  4    5    6    7 |  4    5    6    7 |
//      | w4 | w5 | w6 | w7 |            | ..                | ..                |  32 rows
//      |    |    |    |    |            | 28   29   30   31 | 28   29   30   31 |
//      +----+----+----+----+            +-------------------+-------------------+
//        32 columns                     |  0    1    2    3 |  0    1    2    3 |
//                                         16 columns
//
// The second launch bound asks for registers so few (128) that two blocks share a multiprocessor:
// one computes while the other waits at a barrier.
#include "copy_tile.cuh"
#include "fetch.cuh"
#include "ptx.cuh"

#define TILE 128        // rows and columns of C, for a block
#define DEPTH 16        // along K, at a time
#define SIDE 8          // rows and columns of C, for a thread
#define WARP_ROWS 64    // of C, for a warp
#define WARP_COLUMNS 32
#define THREADS 256

// Two float4 of a tile's row, half a warp's piece apart.
template <int APART>
__device__ __forceinline__ void read_eight(float (&values)[SIDE], const float *row) {
    *reinterpret_cast<float4 *>(values) = *reinterpret_cast<const float4 *>(row);
    *reinterpret_cast<float4 *>(values + 4) = *reinterpret_cast<const float4 *>(row + APART);
}

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    matmul_warp_tile(const float *A, const float *B, float *C, int I, int J, int K,
                     long long step_a, long long step_b) {
    __shared__ __align__(16) float tile_a[2][DEPTH][TILE + 4], tile_b[2][DEPTH][TILE + 4];
    A += blockIdx.z * step_a;
    B += blockIdx.z * step_b;
    C += blockIdx.z * ((long long)I * J);
    bool aligned_a = by_four(A, TRANSPOSED_A ? I : K), aligned_b = by_four(B, TRANSPOSED_B ? K : J);
    bool aligned_c = by_four(C, J);
    int i0 = blockIdx.y * TILE, j0 = blockIdx.x * TILE;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int x = warp % (TILE / WARP_COLUMNS) * WARP_COLUMNS + lane % 4 * 4;
    int y = warp / (TILE / WARP_COLUMNS) * WARP_ROWS + lane / 4 * 4;
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
            read_eight<WARP_ROWS / 2>(a, &tile_a[now][k][y]);
            read_eight<WARP_COLUMNS / 2>(b, &tile_b[now][k][x]);
#pragma unroll
            for (int r = 0; r < SIDE; r++) {
#pragma unroll
                for (int c = 0; c < SIDE; c++) sum[r][c] += a[r] * b[c];
            }
        }
    }
#pragma unroll
    for (int r = 0; r < SIDE; r++) {
        int i = i0 + y + r % 4 + r / 4 * (WARP_ROWS / 2);
        if (i >= I) continue;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int j = j0 + x + half * (WARP_COLUMNS / 2);
            put_four(C + (long long)i * J, j, J, aligned_c, &sum[r][4 * half]);
        }
    }
}
