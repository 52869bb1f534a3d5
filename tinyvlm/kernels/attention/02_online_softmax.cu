// Rung 2, online softmax: a warp has one query and walks over the keys once; no score is stored.
//
// q, y (B, T, H, K), k, v (B, S, G, K), lse (B, H, T); head.cuh, mask.cuh.
// Improves on: 01_three_kernels, which writes B H T S scores and reads them three times. Here a
//   running maximum m and sum l stand in for the row (Milakov and Gimelshein 2018, 1805.02867):
//   when the maximum grows to m', what was summed so far shrinks by exp(m - m').
// Launch: block 256 (8 warps, 8 queries), grid (ceil(T / 8), H, B).
// Architecture: any. Shared memory: 1 KB + 32 K bytes.
//
//   keys      [ 32 keys ][ 32 keys ][ 32 keys ] ...      a chunk at a time
//               |||||||
//   lane n:    the score of key n  ->  weight exp(score - m), kept in shared memory
//                                          |
//   values    [32 rows of K]  ->  lane n:  y at n, n + 32, ... += weight * value, key by key
//
// Chunks in which this query sees nothing are passed over.
#include "head.cuh"
#include "mask.cuh"

#define WARPS 8
#define ALL 0xffffffffu
#define INFINITE __int_as_float(0x7f800000)
#define PARTS ((K + 31) / 32)  // of y, for a lane

extern "C" __global__ void __launch_bounds__(32 * WARPS)
    attention_online_softmax(const float *q, const float *k, const float *v, const int *q_rank,
                             const int *k_rank, float *y, float *lse, int T, int S, int H, int G,
                             int masks, int equal, float scale) {
    __shared__ float queries[WARPS][K], weights[WARPS][32];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int b = blockIdx.z, h = blockIdx.y, g = h / (H / G), t = blockIdx.x * WARPS + warp;
    if (t >= T) return;  // a whole warp; there is no barrier of the block below
    q += place(b, t, h, T, H);
    for (int n = lane; n < K; n += 32) queries[warp][n] = q[n] * scale;
    __syncwarp();
    Mask mask = mask_of(q_rank, k_rank, b, T, S, masks, equal);
    float m = -1e30f;  // lower than any score, and finite: -infinity - -infinity would be NaN
    float l = 0.0f, sum[PARTS] = {};
    for (int s0 = 0; s0 < S; s0 += 32) {
        int s = s0 + lane;
        bool seen = s < S && mask.visible(t, s);
        if (!__any_sync(ALL, seen)) continue;
        float score = -INFINITE;
        if (seen) {
            const float *key = k + place(b, s, g, S, G);
            score = 0.0f;
            for (int n = 0; n < K; n++) score += queries[warp][n] * key[n];
        }
        float higher = score;
        for (int step = 16; step > 0; step /= 2)
            higher = fmaxf(higher, __shfl_xor_sync(ALL, higher, step));
        higher = fmaxf(higher, m);
        float shrink = expf(m - higher), weight = expf(score - higher);
        m = higher;
        l = l * shrink + weight;  // the lanes' sums are added up at the end
        weights[warp][lane] = weight;
        __syncwarp();
        for (int part = 0; part < PARTS; part++) sum[part] *= shrink;
        for (int j = 0; j < 32 && s0 + j < S; j++) {
            const float *value = v + place(b, s0 + j, g, S, G);
#pragma unroll
            for (int part = 0; part < PARTS; part++) {
                int n = lane + 32 * part;
                if (n < K) sum[part] += weights[warp][j] * value[n];
            }
        }
        __syncwarp();  // all have read the weights before the next ones are written
    }
    for (int step = 16; step > 0; step /= 2) l += __shfl_xor_sync(ALL, l, step);
    float inverse = l > 0.0f ? 1.0f / l : 0.0f;  // a query that sees nothing has y = 0
    y += place(b, t, h, T, H);
#pragma unroll
    for (int part = 0; part < PARTS; part++) {
        int n = lane + 32 * part;
        if (n < K) y[n] = sum[part] * inverse;
    }
    if (lane == 0) lse[row_place(b, h, t, H, T)] = l > 0.0f ? m + logf(l) : INFINITE;
}
