// Rung 2, softmax: a row is read from memory once, and its maximum and sum stay with its block.
//
// x, y, dy, dx (rows, D), float32; rows = 5, D = 200.
// y = e^(x - max) / sum, dx = y (dy - sum(y dy)).
// Improves on: four passes over memory (maximum, exponential, sum, quotient), each of which reads a
//   row and most of which write one; here a row comes from memory once, and its second and third
//   reading find it in the cache.
// Launch: softmax_forward   block 128, grid (rows): a block a row, of any number of warps
//         softmax_backward  block 128, grid (rows)
// Architecture: any.
//
//   row    [t0 t1 ... t255][t0 t1 ... t255] ...   each thread: its own maximum, its own sum;
//            \  |  |  /                           warps by shuffles, the block by 8 values in
//             block_max, block_sum                shared memory (reduce.cuh)
//
// A row of nothing but -infinity has no softmax: NaN, as in NumPy. Attention has its own rule.
//
// Expect: y = exp(x) / sum(exp(x), axis=1, keepdims=1)
#include "reduce.cuh"

extern "C" __global__ void softmax_forward(const float *x, float *y, int D) {
    x += (long long)blockIdx.x * D;
    y += (long long)blockIdx.x * D;
    float highest = __int_as_float(0xff800000), sum = 0.0f;  // -infinity
    for (int d = threadIdx.x; d < D; d += blockDim.x) highest = fmaxf(highest, x[d]);
    highest = block_max(highest);
    for (int d = threadIdx.x; d < D; d += blockDim.x) sum += expf(x[d] - highest);
    sum = block_sum(sum);
    for (int d = threadIdx.x; d < D; d += blockDim.x) y[d] = expf(x[d] - highest) / sum;
}

extern "C" __global__ void softmax_backward(const float *y, const float *dy, float *dx, int D) {
    y += (long long)blockIdx.x * D;
    dy += (long long)blockIdx.x * D;
    dx += (long long)blockIdx.x * D;
    float sum = 0.0f;
    for (int d = threadIdx.x; d < D; d += blockDim.x) sum += y[d] * dy[d];
    sum = block_sum(sum);
    for (int d = threadIdx.x; d < D; d += blockDim.x) dx[d] = y[d] * (dy[d] - sum);
}
