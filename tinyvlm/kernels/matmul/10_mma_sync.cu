// Rung 10, tensor cores by mma.sync: known registers, a swizzled tile, three tiles under way.
//
// A (I, K), B (K, J) bfloat16, C (I, J) float32, any sizes, NN NT TN and batches (layout.cuh).
// Improves on: 09_wmma, whose fragments are closed boxes. With mma.m16n8k16 it is known which lane
//   holds what (ptx.cuh): C is written from registers, ldmatrix loads four 8 x 8 matrices at once
//   from a tile without padding, and cp.async brings two further tiles meanwhile.
// Launch: block 128, grid (ceil(J / 128), ceil(I / 128), batch).
// Architecture: sm_80. Shared memory: 48 KB.
//
//      the block's 128 x 128: four warps, 64 x 64 each, as 4 x 8 pieces of 16 x 8
//
//   a tile's line is cut into pieces of 16 bytes, 8 values. ldmatrix reads a column of such pieces,
//   8 lines high; where they lay below each other they would all lie in the same banks. So a piece
//   is stored in another column of its line, its own xor the line's number (32 values a line):
//
//      line 0   0 1 2 3        line 4   2 3 0 1       two lines are 128 bytes, all 32 banks;
//      line 1   0 1 2 3        line 5   2 3 0 1       the pieces of one column of 8 lines lie in
//      line 2   1 0 3 2        line 6   3 2 1 0       eight different places of these 128 bytes
//      line 3   1 0 3 2        line 7   3 2 1 0
#define TILE 128  // rows and columns of C, for a block
#define DEPTH 32  // along K, at a time
#define STAGES 3  // tiles in shared memory: one is multiplied, the others are under way
#define DOWN 4    // pieces of C, 16 x 8, of a warp
#define ACROSS 8
#define THREADS 128

#include "bfloat16_lines.cuh"
#include "ptx.cuh"

#define PIECES (TILE * DEPTH / 8)  // of 16 bytes, in a tile

// Where a piece of a line is stored.
template <int LENGTH>
__device__ __forceinline__ int slot(int line, int piece) {
    int turn = LENGTH == DEPTH ? line / 2 % 4 : line % 8;
    return line * (LENGTH / 8) + (piece ^ turn);
}

template <int LINES, int LENGTH>
__device__ __forceinline__ void copy_lines(uint4 *tile, const __nv_bfloat16 *matrix, int line0,
                                           int at0, int lines, int length, bool aligned) {
#pragma unroll
    for (int n = threadIdx.x; n < PIECES; n += THREADS) {
        int line = n / (LENGTH / 8), piece = n % (LENGTH / 8), at = at0 + 8 * piece;
        uint4 *to = tile + slot<LENGTH>(line, piece);
        const __nv_bfloat16 *from = matrix + (long long)(line0 + line) * length;
        bool inside = line0 + line < lines && at < length;
        if (aligned) {
            cp_async_16(to, inside ? from + at : matrix, inside);
        } else {
            *to = inside ? eight(from, at, length, false) : make_uint4(0, 0, 0, 0);
        }
    }
}

// Rows i.., columns k.. of A (16, 16), for a warp: registers as mma_m16n8k16 wants them.
__device__ __forceinline__ void load_a(unsigned (&a)[4], const uint4 *tile, int i, int k) {
    int lane = threadIdx.x % 32, near = lane % 8 + lane / 8 % 2 * 8, far = lane / 16;
    if (TRANSPOSED_A) {
        int line = k + lane % 8 + lane / 16 * 8;
        ldmatrix_x4_transposed(a, tile + slot<LENGTH_A>(line, i / 8 + lane / 8 % 2));
    } else {
        ldmatrix_x4(a, tile + slot<LENGTH_A>(i + near, k / 8 + far));
    }
}

// Rows k.., columns j.. of B (16, 16), for a warp: two fragments side by side.
__device__ __forceinline__ void load_b(unsigned (&b)[4], const uint4 *tile, int k, int j) {
    int lane = threadIdx.x % 32, near = lane % 8 + lane / 8 % 2 * 8, far = lane / 16;
    if (TRANSPOSED_B) {
        int line = j + lane % 8 + lane / 16 * 8;
        ldmatrix_x4(b, tile + slot<LENGTH_B>(line, k / 8 + lane / 8 % 2));
    } else {
        ldmatrix_x4_transposed(b, tile + slot<LENGTH_B>(k + near, j / 8 + far));
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    matmul_mma_sync(const __nv_bfloat16 *A, const __nv_bfloat16 *B, float *C, int I, int J, int K,
                    long long step_a, long long step_b) {
    __shared__ uint4 tile_a[STAGES][PIECES], tile_b[STAGES][PIECES];
    A += blockIdx.z * step_a;
    B += blockIdx.z * step_b;
    C += blockIdx.z * ((long long)I * J);
    int i0 = blockIdx.y * TILE, j0 = blockIdx.x * TILE;
    int length_a = TRANSPOSED_A ? I : K, length_b = TRANSPOSED_B ? K : J;
    bool aligned_a = by_eight(A, length_a), aligned_b = by_eight(B, length_b);
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int y = warp / 2 * 16 * DOWN, x = warp % 2 * 8 * ACROSS;
    auto copy = [&](int stage, int k0) {
        if (k0 < K) {
            copy_lines<LINES_A, LENGTH_A>(tile_a[stage], A, TRANSPOSED_A ? k0 : i0,
                                          TRANSPOSED_A ? i0 : k0, TRANSPOSED_A ? K : I, length_a,
                                          aligned_a);
            copy_lines<LINES_B, LENGTH_B>(tile_b[stage], B, TRANSPOSED_B ? j0 : k0,
                                          TRANSPOSED_B ? k0 : j0, TRANSPOSED_B ? J : K, length_b,
                                          aligned_b);
        }
        cp_async_commit();  // an empty group, too: the groups are counted
    };
    float sum[DOWN][ACROSS][4] = {};
    for (int stage = 0; stage < STAGES - 1; stage++) copy(stage, stage * DEPTH);
    for (int step = 0; step * DEPTH < K; step++) {
        cp_async_wait<STAGES - 2>();  // what this thread copied for this step has arrived ...
        __syncthreads();  // ... and what the others copied; and nobody reads the last tile any more
        copy((step + STAGES - 1) % STAGES, (step + STAGES - 1) * DEPTH);
        const uint4 *now_a = tile_a[step % STAGES], *now_b = tile_b[step % STAGES];
#pragma unroll
        for (int k = 0; k < DEPTH; k += 16) {
            unsigned a[DOWN][4], b[ACROSS / 2][4];
#pragma unroll
            for (int r = 0; r < DOWN; r++) load_a(a[r], now_a, y + 16 * r, k);
#pragma unroll
            for (int c = 0; c < ACROSS / 2; c++) load_b(b[c], now_b, k, x + 16 * c);
#pragma unroll
            for (int r = 0; r < DOWN; r++) {
#pragma unroll
                for (int c = 0; c < ACROSS; c++) {
                    unsigned half[2] = {b[c / 2][c % 2 * 2], b[c / 2][c % 2 * 2 + 1]};
                    mma_m16n8k16(sum[r][c], a[r], half);
                }
            }
        }
    }
#pragma unroll
    for (int r = 0; r < DOWN; r++) {
#pragma unroll
        for (int c = 0; c < ACROSS; c++) {
#pragma unroll
            for (int n = 0; n < 4; n++) {
                int i = i0 + y + 16 * r + lane / 4 + n / 2 * 8;
                int j = j0 + x + 8 * c + lane % 4 * 2 + n % 2;
                if (i < I && j < J) C[(long long)i * J + j] = sum[r][c][n];
            }
        }
    }
}
