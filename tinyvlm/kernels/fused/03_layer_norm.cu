// Rung 3, LayerNorm: along the rows with a block a row, down the columns with 32 columns a block.
//
// y = xhat gain + bias, xhat = (x - mean) / std (Ba et al. 2016, 1607.06450). float32:
// x, y, dy, dx (rows, D), gain, bias, dgain, dbias (D), mean, inverse_std (rows),
// parts (2, count, D); rows = 70, D = 100, count = 2, eps = 0.00001.
// Improves on: a pass over memory for each of mean, difference, square, mean, quotient, gain, bias;
//   here a row comes from memory once, and its later readings find it in the cache.
// Launch: layer_norm_forward     block 128, grid (rows): a block a row, of any number of warps
//         layer_norm_backward    block 128, grid (rows)
//         layer_norm_parameters  block (32, 8), grid (ceil(D / 32), count)
//         layer_norm_sum_parts   block 256, grid (ceil(D / 256))
// Architecture: any.
//
//   forward, backward: along a row           parameters: down the columns, dgain = sum dy xhat
//     x  [==================>]                 |  |  |  |     32 columns, 8 rows at a time; a
//     x  [==================>]                 v  v  v  v     column's `count` blocks share the
//                                            [ part 0      ]  rows, and their sums are added up by
//                                            [ part 1      ]  layer_norm_sum_parts, in order
//
// Nothing is added with atomics, so two runs are equal to the bit.
//
// Expect: dbias = sum(dy, axis=0)
#include "reduce.cuh"

extern "C" __global__ void layer_norm_forward(const float *x, const float *gain, const float *bias,
                                              float *y, float *mean, float *inverse_std, int D,
                                              float eps) {
    x += (long long)blockIdx.x * D;
    y += (long long)blockIdx.x * D;
    float sum = 0.0f, squares = 0.0f;
    for (int d = threadIdx.x; d < D; d += blockDim.x) sum += x[d];
    float m = block_sum(sum) / D;
    // Not mean(x^2) - mean^2: two large numbers would leave little of a small variance.
    for (int d = threadIdx.x; d < D; d += blockDim.x) squares += (x[d] - m) * (x[d] - m);
    float inverse = 1.0f / sqrtf(block_sum(squares) / D + eps);
    for (int d = threadIdx.x; d < D; d += blockDim.x)
        y[d] = (x[d] - m) * inverse * gain[d] + bias[d];
    if (threadIdx.x == 0) {
        mean[blockIdx.x] = m;
        inverse_std[blockIdx.x] = inverse;
    }
}

// dx = (dxhat - mean(dxhat) - xhat mean(dxhat xhat)) / std, dxhat = dy gain.
extern "C" __global__ void layer_norm_backward(const float *x, const float *gain, const float *dy,
                                               const float *mean, const float *inverse_std,
                                               float *dx, int D) {
    x += (long long)blockIdx.x * D;
    dy += (long long)blockIdx.x * D;
    dx += (long long)blockIdx.x * D;
    float m = mean[blockIdx.x], inverse = inverse_std[blockIdx.x], sum = 0.0f, projection = 0.0f;
    for (int d = threadIdx.x; d < D; d += blockDim.x) {
        float dxhat = dy[d] * gain[d];
        sum += dxhat;
        projection += dxhat * (x[d] - m) * inverse;
    }
    sum = block_sum(sum) / D;
    projection = block_sum(projection) / D;
    for (int d = threadIdx.x; d < D; d += blockDim.x) {
        float xhat = (x[d] - m) * inverse;
        dx[d] = (dy[d] * gain[d] - sum - xhat * projection) * inverse;
    }
}

// parts (2, gridDim.y, D): the sums of dy xhat, then those of dy, over each part's rows.
extern "C" __global__ void layer_norm_parameters(const float *x, const float *dy, const float *mean,
                                                 const float *inverse_std, float *parts, int rows,
                                                 int D) {
    int d = blockIdx.x * 32 + threadIdx.x;
    float gain_sum = 0.0f, bias_sum = 0.0f;
    for (int row = blockIdx.y * 8 + threadIdx.y; d < D && row < rows; row += 8 * gridDim.y) {
        float g = dy[(long long)row * D + d];
        gain_sum += g * (x[(long long)row * D + d] - mean[row]) * inverse_std[row];
        bias_sum += g;
    }
    gain_sum = column_sum(gain_sum);
    bias_sum = column_sum(bias_sum);
    if (threadIdx.y > 0 || d >= D) return;
    parts[(long long)blockIdx.y * D + d] = gain_sum;
    parts[(long long)(gridDim.y + blockIdx.y) * D + d] = bias_sum;
}

extern "C" __global__ void layer_norm_sum_parts(const float *parts, float *dgain, float *dbias,
                                                int count, int D) {
    int d = blockIdx.x * blockDim.x + threadIdx.x;
    if (d >= D) return;
    float gain_sum = 0.0f, bias_sum = 0.0f;
    for (int part = 0; part < count; part++) {
        gain_sum += parts[(long long)part * D + d];
        bias_sum += parts[(long long)(count + part) * D + d];
    }
    dgain[d] = gain_sum;
    dbias[d] = bias_sum;
}
