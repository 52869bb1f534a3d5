// Rung 1, three kernels: scores, softmax and weighted sum, each from memory and back to memory.
//
// q, y (B, T, H, K), k, v (B, S, G, K), scores (B, H, T, S), lse (B, H, T); head.cuh, mask.cuh.
// Improves on: nothing; it is the definition y = softmax(q k^T scale) v, one array after another.
// Launch: attention_scores        block (32, 8), grid (ceil(S / 32), ceil(T / 8), B H)
//         attention_softmax       block (32, 8), grid (ceil(B H T / 8)): one warp a row
//         attention_weighted_sum  block (32, 8), grid (ceil(K / 32), ceil(T / 8), B H)
// Architecture: any.
//
//        k^T (K, S)              (T, S) scores, written         v (S, K)
//        | | | | | |             . . . . . .  and read          = = = =
//   q    --------------          . . . . . .  again: for        = = = =         y (T, K)
//   = =  each thread one   ==>   . . . . . .  T = S = 4096  ==> = = = =   ==>   . . . .
//   = =  score                   . . . . . .  64 MB a head      = = = =         . . . .
//
// A query that sees nothing has weights 0, y = 0 and log-sum-exp +infinity.
#include "head.cuh"
#include "mask.cuh"

#define INFINITE __int_as_float(0x7f800000)

extern "C" __global__ void attention_scores(const float *q, const float *k, const int *q_rank,
                                            const int *k_rank, float *scores, int T, int S, int H,
                                            int G, int masks, int equal, float scale) {
    int s = blockIdx.x * blockDim.x + threadIdx.x;
    int t = blockIdx.y * blockDim.y + threadIdx.y;
    int b = blockIdx.z / H, h = blockIdx.z % H, g = h / (H / G);
    if (t >= T || s >= S) return;
    q += place(b, t, h, T, H);
    k += place(b, s, g, S, G);
    float sum = 0.0f;
    for (int n = 0; n < K; n++) sum += q[n] * k[n];
    bool seen = mask_of(q_rank, k_rank, b, T, S, masks, equal).visible(t, s);
    scores[row_place(b, h, t, H, T) * S + s] = seen ? sum * scale : -INFINITE;
}

extern "C" __global__ void attention_softmax(float *scores, float *lse, long long rows, int S) {
    long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;  // a whole warp returns, or none of its lanes
    scores += row * S;
    float highest = -INFINITE, sum = 0.0f;
    for (int s = threadIdx.x; s < S; s += 32) highest = fmaxf(highest, scores[s]);
    for (int step = 16; step > 0; step /= 2)
        highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, step));
    bool blind = highest == -INFINITE;  // and -infinity - -infinity would be NaN
    for (int s = threadIdx.x; s < S; s += 32) {
        scores[s] = blind ? 0.0f : expf(scores[s] - highest);
        sum += scores[s];
    }
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
    for (int s = threadIdx.x; s < S; s += 32) scores[s] *= blind ? 0.0f : 1.0f / sum;
    if (threadIdx.x == 0) lse[row] = blind ? INFINITE : highest + logf(sum);
}

extern "C" __global__ void attention_weighted_sum(const float *weights, const float *v, float *y,
                                                  int T, int S, int H, int G) {
    int n = blockIdx.x * blockDim.x + threadIdx.x;
    int t = blockIdx.y * blockDim.y + threadIdx.y;
    int b = blockIdx.z / H, h = blockIdx.z % H, g = h / (H / G);
    if (t >= T || n >= K) return;
    weights += row_place(b, h, t, H, T) * S;
    float sum = 0.0f;
    for (int s = 0; s < S; s++) sum += weights[s] * v[place(b, s, g, S, G) + n];
    y[place(b, t, h, T, H) + n] = sum;
}
