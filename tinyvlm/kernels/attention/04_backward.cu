// Rung 4, backward, reproducible: key tiles gather dk and dv, query tiles gather dq.
//
// q, y, dy, dq (B, T, H, K), k, v, dk, dv (B, S, G, K), lse, delta (B, H, T).
// Improves on: keeping the (T, S) weights of the forward: they are computed again, tile by tile,
//   from the log-sum-exp, p = exp(score - lse). Every gradient is summed by one block in a fixed
//   order, so two runs are equal to the bit; the price is that p and dp are computed twice.
// Launch: attention_delta            block 256, grid (ceil(B T H / 8)): one warp a row
//         attention_key_gradients    block 256, grid (ceil(S / 64), G, B)
//         attention_query_gradients  block 256, grid (ceil(T / 64), H, B)
// Architecture: any. Shared memory: 26 KB + 64 K bytes.
//
//   With dp = dy v^T and delta = rowsum(dy y):   ds = p (dp - delta)
//
//      key gradients: own keys, walk       query gradients: own queries, walk
//        dv = p^T dy, dk = ds^T q scale      dq = ds k scale
//
//          +------+------+------+              +------+------+------+
//          |  |   |      |      |              | ---------------->  |
//          |  |   |      |      |  queries     |      |      |      |
//          |  v   |      |      |              |      |      |      |
//          +------+------+------+              +------+------+------+
//            keys                                keys
//
// The H / G query heads of a key head are walked over by one block, and add up in its registers.
#include "gradients.cuh"
#include "head.cuh"
#include "mask.cuh"
#include "tiles.cuh"

// delta = sum over K of dy y: what a softmax's backward subtracts, its sum over the keys of p dp.
extern "C" __global__ void attention_delta(const float *y, const float *dy, float *delta, int T,
                                           int H, long long rows) {
    long long row = (long long)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;  // of (B, T, H)
    if (row >= rows) return;
    float sum = 0.0f;
    for (int n = threadIdx.x % 32; n < K; n += 32) sum += y[row * K + n] * dy[row * K + n];
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
    int h = row % H, t = row / H % T, b = row / H / T;
    if (threadIdx.x % 32 == 0) delta[row_place(b, h, t, H, T)] = sum;
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    attention_key_gradients(const float *q, const float *k, const float *v, const float *dy,
                            const int *q_rank, const int *k_rank, const float *lse,
                            const float *delta, float *dk, float *dv, int T, int S, int H, int G,
                            int masks, int equal, float scale) {
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
        }
    }
    long long step = (long long)G * K;
    write_rows(dk + place(b, 0, g, S, G), step, s0, S, dk_sum, scale);
    write_rows(dv + place(b, 0, g, S, G), step, s0, S, dv_sum, 1.0f);
}

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
    attention_query_gradients(const float *q, const float *k, const float *v, const float *dy,
                              const int *q_rank, const int *k_rank, const float *lse,
                              const float *delta, float *dq, int T, int S, int H, int G, int masks,
                              int equal, float scale) {
    __shared__ __align__(16) float weights[TILE][PITCH];
    int x = threadIdx.x % 16, y = threadIdx.x / 16;
    int b = blockIdx.z, h = blockIdx.y, t0 = blockIdx.x * TILE;
    Rows queries = rows_of_head(q, b, h, T, H), dys = rows_of_head(dy, b, h, T, H);
    Rows keys = rows_of_head(k, b, h / (H / G), S, G);
    Rows values = rows_of_head(v, b, h / (H / G), S, G);
    Mask mask = mask_of(q_rank, k_rank, b, T, S, masks, equal);
    lse += row_place(b, h, 0, H, T);
    delta += row_place(b, h, 0, H, T);
    Range asked = mask.queries(t0);
    float dq_sum[SIDE][COLUMNS] = {};
    for (int s0 = 0; s0 < S; s0 += TILE) {
        TileKind kind = mask.kind(asked, mask.keys(s0));
        if (kind == HIDDEN) continue;
        float p[SIDE][SIDE], ds[SIDE][SIDE];  // [query][key]
        multiply_rows(p, queries, t0, keys, s0);
        multiply_rows(ds, dys, t0, values, s0);  // dp, as yet
#pragma unroll
        for (int r = 0; r < SIDE; r++) {
            int t = t0 + SIDE * y + r;
            float lse_t = t < T ? lse[t] : 0.0f, delta_t = t < T ? delta[t] : 0.0f;
#pragma unroll
            for (int c = 0; c < SIDE; c++) {
                bool seen = mask.sees(kind, t, s0 + SIDE * x + c);
                float weight = seen ? __expf(p[r][c] * scale - lse_t) : 0.0f;
                ds[r][c] = weight * (ds[r][c] - delta_t);
            }
        }
        store_weights(weights, ds);
        add_weighted_rows(dq_sum, weights, keys, s0);
    }
    write_rows(dq + place(b, 0, h, T, H), (long long)H * K, t0, T, dq_sum, scale);
}
