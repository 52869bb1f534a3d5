// Rung 9, tensor cores by wmma: a warp multiplies 16 x 16 by 16 x 16 bfloat16 in one instruction.
//
// A (I, K), B (K, J) bfloat16, C (I, J) float32, any sizes, NN NT TN and batches (layout.cuh).
// Improves on: 08_warp_tile, where a lane multiplies numbers one by one. nvcuda::wmma gives a whole
//   warp 4,096 multiplications at once, of numbers with 8 bits precision, summed in float32. Which
//   lane holds which element of a fragment is its own business.
// Launch: block 256, grid (ceil(J / 128), ceil(I / 128), batch).
// Architecture: sm_80. Shared memory: 28.5 KB.
//
//      the block's 128 x 128            a warp's 64 x 32: 4 x 2 fragments
//      +----+----+----+----+            +--------+--------+
//      | w0 | w1 | w2 | w3 |            | 16x16  | 16x16  |     at every 16 of k, 4 fragments of A
//      |    |    |    |    |  64 rows   +--------+--------+     and 2 of B are loaded from tiles
//      +----+----+----+----+            | ..     | ..     |     for 8 multiplications
//      | w4 | w5 | w6 | w7 |            +--------+--------+
//      |    |    |    |    |            | ..     | ..     |
//      +----+----+----+----+            +--------+--------+
//        32 columns                     | ..     | ..     |
//                                       +--------+--------+
//
// A fragment is stored whole, so it goes through shared memory to C, where bounds are checked.
#include <mma.h>

#define TILE 128  // rows and columns of C, for a block
#define DEPTH 32  // along K, at a time
#define DOWN 4    // fragments of a warp
#define ACROSS 2
#define THREADS 256

#include "bfloat16_lines.cuh"

using namespace nvcuda;
#if TRANSPOSED_A
typedef wmma::col_major LayoutA;
#else
typedef wmma::row_major LayoutA;
#endif
#if TRANSPOSED_B
typedef wmma::col_major LayoutB;
#else
typedef wmma::row_major LayoutB;
#endif

template <int LINES, int PITCH>
__device__ __forceinline__ void fetch_lines(__nv_bfloat16 (&tile)[LINES][PITCH],
                                            const __nv_bfloat16 *matrix, int line0, int at0,
                                            int lines, int length, bool aligned) {
    constexpr int EIGHTS = (PITCH - 8) / 8;  // of a line
#pragma unroll
    for (int n = threadIdx.x; n < LINES * EIGHTS; n += THREADS) {
        int line = n / EIGHTS, at = n % EIGHTS * 8;
        uint4 v = make_uint4(0, 0, 0, 0);
        if (line0 + line < lines)
            v = eight(matrix + (long long)(line0 + line) * length, at0 + at, length, aligned);
        *reinterpret_cast<uint4 *>(&tile[line][at]) = v;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    matmul_wmma(const __nv_bfloat16 *A, const __nv_bfloat16 *B, float *C, int I, int J, int K,
                long long step_a, long long step_b) {
    // Eight columns more than are used: lines begin in different banks. wmma wants 32 bytes.
    __shared__ __align__(32) __nv_bfloat16 tile_a[LINES_A][LENGTH_A + 8];
    __shared__ __align__(32) __nv_bfloat16 tile_b[LINES_B][LENGTH_B + 8];
    __shared__ __align__(32) float scratch[THREADS / 32][16][20];
    A += blockIdx.z * step_a;
    B += blockIdx.z * step_b;
    C += blockIdx.z * ((long long)I * J);
    int i0 = blockIdx.y * TILE, j0 = blockIdx.x * TILE;
    int length_a = TRANSPOSED_A ? I : K, length_b = TRANSPOSED_B ? K : J;
    bool aligned_a = by_eight(A, length_a), aligned_b = by_eight(B, length_b);
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int y = warp / 4 * 16 * DOWN, x = warp % 4 * 16 * ACROSS;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum[DOWN][ACROSS];
    for (int r = 0; r < DOWN; r++)
        for (int c = 0; c < ACROSS; c++) wmma::fill_fragment(sum[r][c], 0.0f);
    for (int k0 = 0; k0 < K; k0 += DEPTH) {
        fetch_lines(tile_a, A, TRANSPOSED_A ? k0 : i0, TRANSPOSED_A ? i0 : k0,
                    TRANSPOSED_A ? K : I, length_a, aligned_a);
        fetch_lines(tile_b, B, TRANSPOSED_B ? j0 : k0, TRANSPOSED_B ? k0 : j0,
                    TRANSPOSED_B ? J : K, length_b, aligned_b);
        __syncthreads();
#pragma unroll
        for (int k = 0; k < DEPTH; k += 16) {
            wmma::fragment<wmma::matrix_a, 16, 16, 16, __nv_bfloat16, LayoutA> a[DOWN];
            wmma::fragment<wmma::matrix_b, 16, 16, 16, __nv_bfloat16, LayoutB> b[ACROSS];
#pragma unroll
            for (int r = 0; r < DOWN; r++) {
                int i = y + 16 * r;
                wmma::load_matrix_sync(a[r], TRANSPOSED_A ? &tile_a[k][i] : &tile_a[i][k],
                                       LENGTH_A + 8);
            }
#pragma unroll
            for (int c = 0; c < ACROSS; c++) {
                int j = x + 16 * c;
                wmma::load_matrix_sync(b[c], TRANSPOSED_B ? &tile_b[j][k] : &tile_b[k][j],
                                       LENGTH_B + 8);
            }
#pragma unroll
            for (int r = 0; r < DOWN; r++) {
#pragma unroll
                for (int c = 0; c < ACROSS; c++)
                    wmma::mma_sync(sum[r][c], a[r], b[c], sum[r][c]);
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < DOWN; r++) {
#pragma unroll
        for (int c = 0; c < ACROSS; c++) {
            wmma::store_matrix_sync(&scratch[warp][0][0], sum[r][c], 20, wmma::mem_row_major);
            __syncwarp();
            for (int n = lane; n < 256; n += 32) {
                int i = i0 + y + 16 * r + n / 16, j = j0 + x + 16 * c + n % 16;
                if (i < I && j < J) C[(long long)i * J + j] = scratch[warp][n / 16][n % 16];
            }
            __syncwarp();  // all have read it before the next fragment is stored there
        }
    }
}
