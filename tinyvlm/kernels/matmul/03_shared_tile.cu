// Rung 3, shared tile: a block fetches a tile of A and one of B once, and all its threads read
// them.
//
// A (I, K), B (K, J), C (I, J), float32, any sizes, NN NT TN and batches (layout.cuh).
// Improves on: 02_coalesced, where every value of A is fetched J times and every one of B I times;
//   here J / TILE and I / TILE times.
// Launch: block (TILE, TILE), grid (ceil(J / TILE), ceil(I / TILE), batch), TILE = 16.
// Architecture: any. Shared memory: 2 KB.
//
//                     B (K, J)    |   |
//                                 | b |  TILE rows: tile_b
//                                 |---|
//      A (I, K)       ------+---+ +---+
//        TILE columns ..... | a | | C |  the block's TILE x TILE outputs
//                     ------+---+ +---+
//
// The tiles walk along K together. Values outside the matrices enter the tiles as 0, so that the
// product needs no bounds; and no thread may return early, for all must come to the barriers.
#include "layout.cuh"

#ifndef TILE
#define TILE 16
#endif

extern "C" __global__ void matmul_shared_tile(const float *A, const float *B, float *C, int I,
                                              int J, int K, long long step_a, long long step_b) {
    __shared__ float tile_a[TILE][TILE], tile_b[TILE][TILE];
    A += blockIdx.z * step_a;
    B += blockIdx.z * step_b;
    C += blockIdx.z * ((long long)I * J);
    int x = threadIdx.x;
    int y = threadIdx.y;
    int i = blockIdx.y * TILE + y;
    int j = blockIdx.x * TILE + x;
    float sum = 0.0f;
    for (int start = 0; start < K; start += TILE) {
        bool in_a = i < I && start + x < K;
        bool in_b = start + y < K && j < J;
        tile_a[y][x] = in_a ? A[place_a(i, start + x, I, K)] : 0.0f;
        tile_b[y][x] = in_b ? B[place_b(start + y, j, K, J)] : 0.0f;
        __syncthreads();  // the tiles are whole before anyone reads them
        for (int k = 0; k < TILE; k++) {
            sum += tile_a[y][k] * tile_b[k][x];
        }
        __syncthreads();  // and everyone has read them before anyone fills them again
    }
    if (i < I && j < J) C[(long long)i * J + j] = sum;
}
