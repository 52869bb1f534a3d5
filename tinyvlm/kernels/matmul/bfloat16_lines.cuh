// Tiles of bfloat16 as tensor cores read them: lines of neighbours, in the order of memory.
//
//   NN  A (I, K): a line is a row i, neighbours are k    B (K, J): a line is a k, neighbours are j
//   NT  the same                                         B (J, K): a line is a j, neighbours are k
//   TN  A (K, I): a line is a k, neighbours are i        B (K, J): as in NN
//
// Nothing is transposed on the way: the instructions that load from the tile can do that.
#pragma once
#include <cuda_bf16.h>

#include "layout.cuh"

#define LINES_A (TRANSPOSED_A ? DEPTH : TILE)  // of a tile of A, and how many neighbours each has
#define LENGTH_A (TRANSPOSED_A ? TILE : DEPTH)
#define LINES_B (TRANSPOSED_B ? TILE : DEPTH)
#define LENGTH_B (TRANSPOSED_B ? DEPTH : TILE)

// May eight neighbours be read at once? Their address has to be a multiple of 16 bytes.
__device__ __forceinline__ bool by_eight(const __nv_bfloat16 *matrix, int length) {
    return length % 8 == 0 && (unsigned long long)matrix % 16 == 0;
}

// Eight neighbours of a line, the first of them at `at`; what lies behind its end is zero.
__device__ __forceinline__ uint4 eight(const __nv_bfloat16 *line, int at, int length,
                                       bool aligned) {
    if (aligned && at < length) return *reinterpret_cast<const uint4 *>(line + at);
    __align__(16) __nv_bfloat16 values[8];
#pragma unroll
    for (int n = 0; n < 8; n++)
        values[n] = at + n < length ? line[at + n] : __float2bfloat16(0.0f);
    return *reinterpret_cast<const uint4 *>(values);
}
