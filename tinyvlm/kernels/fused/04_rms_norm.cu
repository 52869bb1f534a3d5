// Rung 4, RMSNorm: what a row needs less when its mean is not taken away.
//
// y = x / rms gain, rms = sqrt(mean x^2 + eps) (Zhang and Sennrich 2019, 1910.07467). float32:
// x, y, dy, dx (rows, D), gain, dgain (D), inverse_rms (rows), parts (count, D);
// rows = 70, D = 100, count = 2, eps = 0.00001.
// Improves on: 03_layer_norm, by what it leaves out: no mean, so one sum a row instead of two, and
//   no bias.
// Launch: rms_norm_forward    block 128, grid (rows): a block a row, of any number of warps
//         rms_norm_backward   block 128, grid (rows)
//         rms_norm_gain       block (32, 8), grid (ceil(D / 32), count)
//         rms_norm_sum_parts  block 256, grid (ceil(D / 256))
// Architecture: any.
//
//   forward, backward: along a row           gain: down the columns, dgain = sum dy x / rms
//     x  [==================>]                 |  |  |  |     32 columns, 8 rows at a time
//     x  [==================>]                 v  v  v  v     part 0, part 1, ... then their sum
//
// Expect: y = x / sqrt(mean(x * x, axis=1, keepdims=1) + 0.00001) * gain
#include "reduce.cuh"

extern "C" __global__ void rms_norm_forward(const float *x, const float *gain, float *y,
                                            float *inverse_rms, int D, float eps) {
    x += (long long)blockIdx.x * D;
    y += (long long)blockIdx.x * D;
    float squares = 0.0f;
    for (int d = threadIdx.x; d < D; d += blockDim.x) squares += x[d] * x[d];
    float inverse = 1.0f / sqrtf(block_sum(squares) / D + eps);
    for (int d = threadIdx.x; d < D; d += blockDim.x) y[d] = x[d] * inverse * gain[d];
    if (threadIdx.x == 0) inverse_rms[blockIdx.x] = inverse;
}

// dx = (dxhat - xhat mean(dxhat xhat)) / rms, xhat = x / rms, dxhat = dy gain.
extern "C" __global__ void rms_norm_backward(const float *x, const float *gain, const float *dy,
                                             const float *inverse_rms, float *dx, int D) {
    x += (long long)blockIdx.x * D;
    dy += (long long)blockIdx.x * D;
    dx += (long long)blockIdx.x * D;
    float inverse = inverse_rms[blockIdx.x], projection = 0.0f;
    for (int d = threadIdx.x; d < D; d += blockDim.x)
        projection += dy[d] * gain[d] * x[d] * inverse;
    projection = block_sum(projection) / D;
    for (int d = threadIdx.x; d < D; d += blockDim.x) {
        dx[d] = (dy[d] * gain[d] - x[d] * inverse * projection) * inverse;
    }
}

// parts (gridDim.y, D): the sums of dy xhat over each part's rows.
extern "C" __global__ void rms_norm_gain(const float *x, const float *dy, const float *inverse_rms,
                                         float *parts, int rows, int D) {
    int d = blockIdx.x * 32 + threadIdx.x;
    float sum = 0.0f;
    for (int row = blockIdx.y * 8 + threadIdx.y; d < D && row < rows; row += 8 * gridDim.y) {
        sum += dy[(long long)row * D + d] * x[(long long)row * D + d] * inverse_rms[row];
    }
    sum = column_sum(sum);
    if (threadIdx.y == 0 && d < D) parts[(long long)blockIdx.y * D + d] = sum;
}

extern "C" __global__ void rms_norm_sum_parts(const float *parts, float *dgain, int count, int D) {
    int d = blockIdx.x * blockDim.x + threadIdx.x;
    if (d >= D) return;
    float sum = 0.0f;
    for (int part = 0; part < count; part++) sum += parts[(long long)part * D + d];
    dgain[d] = sum;
}
