// Rung 3, flash: a block has 64 queries and walks over tiles of 64 keys, all sums in registers.
//
// q, y (B, T, H, K), k, v (B, S, G, K), lse (B, H, T); head.cuh, mask.cuh, tiles.cuh.
// Improves on: 02_online_softmax, where every query reads all keys and values for itself: here 64
//   of them share each tile that is fetched, and a value fetched from shared memory serves four
//   (Dao et al. 2022, arXiv 2205.14135). Tiles that the mask hides are not computed at all.
// Launch: block 256, grid (ceil(T / 64), H, B). Shared memory: 26 KB + 64 K bytes.
// Architecture: any.
//
//                 keys 0..63   64..127  128..191
//                 +----------+----------+----------+
//   64 queries    | scores   | scores   | (hidden) |   one tile after the other, each thread 4 x 4
//   of one head   | weights  | weights  |          |   scores; m, l and sum are kept up as in 02
//                 +----------+----------+----------+
//                 values 0..63: sum (64, K) = sum * shrink + weights * values
//
// The log-sum-exp of each query is what the backward kernels need to have its weights again.
#include "head.cuh"
#include "mask.cuh"
#include "tiles.cuh"

#define INFINITE __int_as_float(0x7f800000)

// One row of scores becomes weights; m and l follow, and what has to shrink is returned. The 16
// threads of a row are neighbours in a warp.
__device__ __forceinline__ float online_softmax(float (&score)[SIDE], float &m, float &l) {
    float higher = fmaxf(fmaxf(score[0], score[1]), fmaxf(score[2], score[3]));
    for (int step = 8; step > 0; step /= 2)
        higher = fmaxf(higher, __shfl_xor_sync(0xffffffffu, higher, step));
    higher = fmaxf(higher, m);
    // __expf is off by a few roundings of its argument, and a large argument has a tiny weight.
    float shrink = __expf(m - higher);
    m = higher;
    l *= shrink;
#pragma unroll
    for (int c = 0; c < SIDE; c++) {
        score[c] = __expf(score[c] - m);
        l += score[c];  // the 16 threads' parts are added up at the end
    }
    return shrink;
}

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
    attention_flash(const float *q, const float *k, const float *v, const int *q_rank,
                    const int *k_rank, float *y, float *lse, int T, int S, int H, int G, int masks,
                    int equal, float scale) {
    __shared__ __align__(16) float weights[TILE][PITCH];
    int x = threadIdx.x % 16, row = threadIdx.x / 16 * SIDE;
    int b = blockIdx.z, h = blockIdx.y, t0 = blockIdx.x * TILE;
    Rows queries = rows_of_head(q, b, h, T, H);
    Rows keys = rows_of_head(k, b, h / (H / G), S, G);
    Rows values = rows_of_head(v, b, h / (H / G), S, G);
    Mask mask = mask_of(q_rank, k_rank, b, T, S, masks, equal);
    Range asked = mask.queries(t0);
    float m[SIDE], l[SIDE] = {}, sum[SIDE][COLUMNS] = {};
#pragma unroll
    for (int r = 0; r < SIDE; r++) m[r] = -1e30f;  // as in 02: lower than any score, but finite
    for (int s0 = 0; s0 < S; s0 += TILE) {
        TileKind kind = mask.kind(asked, mask.keys(s0));
        if (kind == HIDDEN) continue;
        float score[SIDE][SIDE];
        multiply_rows(score, queries, t0, keys, s0);
#pragma unroll
        for (int r = 0; r < SIDE; r++) {
#pragma unroll
            for (int c = 0; c < SIDE; c++) {
                bool seen = mask.sees(kind, t0 + row + r, s0 + SIDE * x + c);
                score[r][c] = seen ? score[r][c] * scale : -INFINITE;
            }
            float shrink = online_softmax(score[r], m[r], l[r]);
#pragma unroll
            for (int c = 0; c < COLUMNS; c++) sum[r][c] *= shrink;
        }
        store_weights(weights, score);
        add_weighted_rows(sum, weights, values, s0);
    }
#pragma unroll
    for (int r = 0; r < SIDE; r++) {
        for (int step = 8; step > 0; step /= 2) l[r] += __shfl_xor_sync(0xffffffffu, l[r], step);
        int t = t0 + row + r;
        if (t >= T) continue;
        float inverse = l[r] > 0.0f ? 1.0f / l[r] : 0.0f;  // a query that sees nothing has y = 0
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) {
            int column = x + 16 * c;
            if (column < K) y[place(b, t, h, T, H) + column] = sum[r][c] * inverse;
        }
        if (x == 0) lse[row_place(b, h, t, H, T)] = l[r] > 0.0f ? m[r] + __logf(l[r]) : INFINITE;
    }
}

// What the walk above does with each tile (0 hidden, 1 partial, 2 full): kinds (masks, query tiles,
// key tiles), for counting and for drawing. Launch: block 32, grid (ceil(T / 64), 1, masks).
extern "C" __global__ void attention_tile_kinds(const int *q_rank, const int *k_rank, int *kinds,
                                                int T, int S, int masks, int equal) {
    int b = blockIdx.z, t0 = blockIdx.x * TILE;
    Mask mask = mask_of(q_rank, k_rank, b, T, S, masks, equal);
    Range asked = mask.queries(t0);
    kinds += ((long long)b * gridDim.x + blockIdx.x) * ((S + TILE - 1) / TILE);
    for (int s0 = 0; s0 < S; s0 += TILE) {
        TileKind kind = mask.kind(asked, mask.keys(s0));
        if (threadIdx.x == 0) kinds[s0 / TILE] = kind;
    }
}
