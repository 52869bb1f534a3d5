// Rung 5, backward with atomics: one walk, and the blocks of all key tiles add to dq together.
//
// q, y, dy, dq (B, T, H, K), k, v, dk, dv (B, S, G, K), lse, delta (B, H, T). dq comes in as zeros.
// Improves on: 04_backward, which computes p and dp twice: seven products of tiles, here five.
//   The price: floats are added to dq in the order in which blocks happen to come, so two runs
//   differ in their last bits.
// Launch: attention_delta of 04_backward.cu first; then
//         attention_gradients  block 256, grid (ceil(S / 64), G, B)
// Architecture: any. Shared memory: 26 KB + 64 K bytes.
//
//                 keys
//          +------+------+------+
//          |  |---|--> dq|      |     a block owns a column of tiles, walks down its queries, keeps
//          |  |   |      |      |     dk and dv in registers, and at each step adds ds k, its
//          |  |---|--> dq|      |     part, to the dq of these queries in global memory
//          |  v   |      |      |
//          +------+------+------+
#include "gradients.cuh"
#include "head.cuh"
#include "mask.cuh"
#include "tiles.cuh"

// weights[own row][walked row]: now the block's own side is summed over.
__device__ __forceinline__ void store_weights_of_own(float (&weights)[TILE][PITCH],
                                                     const float (&product)[SIDE][SIDE]) {
    int x = threadIdx.x % 16, y = threadIdx.x / 16;
#pragma unroll
    for (int r = 0; r < SIDE; r++) {
        *reinterpret_cast<float4 *>(&weights[4 * y + r][4 * x]) =
            make_float4(product[r][0], product[r][1], product[r][2], product[r][3]);
    }
}

__device__ __forceinline__ void add_to_rows(float *first, long long step, int row0, int count,
                                            const float (&sum)[SIDE][COLUMNS], float factor) {
    int x = threadIdx.x % 16, y = threadIdx.x / 16;
#pragma unroll
    for (int r = 0; r < SIDE; r++) {
        int row = row0 + SIDE * y + r;
        if (row >= count) continue;
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) {
            int column = x + 16 * c;
            if (column < K) atomicAdd(&first[row * step + column], sum[r][c] * factor);
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    attention_gradients(const float *q, const float *k, const float *v, const float *dy,
                        const int *q_rank, const int *k_rank, const float *lse, const float *delta,
                        float *dq, float *dk, float *dv, int T, int S, int H, int G, int masks,
                        int equal, float scale) {
    __shared__ __align__(16) float weights[TILE][PITCH];
    int b = blockIdx.z, g = blockIdx.y, s0 = blockIdx.x * TILE;
    Rows keys = rows_of_head(k, b, g, S, G), values = rows_of_head(v, b, g, S, G);
    Mask mask = mask_of(q_rank, k_rank, b, T, S, masks, equal);
    Range met = mask.keys(s0);
    float dk_sum[SIDE][COLUMNS] = {}, dv_sum[SIDE][COLUMNS] = {};
    for (int h = g * (H / G); h < (g + 1) * (H / G); h++) {
        Rows queries = rows_of_head(q, b, h, T, H), dys = rows_of_head(dy, b, h, T, H);
        const float *row_lse = lse + row_place(b, h, 0, H, T);
        const float *row_delta = delta + row_place(b, h, 0, H, T);
        for (int t0 = 0; t0 < T; t0 += TILE) {
            TileKind kind = mask.kind(mask.queries(t0), met);
            if (kind == HIDDEN) continue;
            float p[SIDE][SIDE], ds[SIDE][SIDE];  // [key][query]
            multiply_rows(p, keys, s0, queries, t0);
            weights_again(p, mask, kind, s0, t0, row_lse, scale);
            store_weights(weights, p);
            multiply_rows(ds, values, s0, dys, t0);  // dp, as yet
            add_weighted_rows(dv_sum, weights, dys, t0);
            score_gradients(ds, p, t0, T, row_delta);
            store_weights(weights, ds);
            add_weighted_rows(dk_sum, weights, queries, t0);
            store_weights_of_own(weights, ds);
            float dq_part[SIDE][COLUMNS] = {};
            add_weighted_rows(dq_part, weights, keys, s0);
            add_to_rows(dq + place(b, 0, h, T, H), (long long)H * K, t0, T, dq_part, scale);
        }
    }
    long long step = (long long)G * K;
    write_rows(dk + place(b, 0, g, S, G), step, s0, S, dk_sum, scale);
    write_rows(dv + place(b, 0, g, S, G), step, s0, S, dv_sum, 1.0f);
}
