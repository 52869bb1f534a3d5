// Rung 5, cross-entropy: two numbers are kept of each row of logits, its softmax is never stored.
//
// The mean of -log softmax(logits)[target] over the rows that count. logits, dlogits (rows, V),
// targets (rows) int32, losses, lse (rows), mean (2): the loss and 1 / count, dy (1);
// rows = 20, V = 300, ignore_index = 3, smoothing = 0.1.
// Improves on: a log-softmax of (rows, V) that is written, read for one value a row, and kept for
//   the backward; here a row of logits is read, and two numbers are kept of it.
// Launch: cross_entropy_rows      block 128, grid (rows): a block a row, of any number of warps
//         cross_entropy_mean      block 256, grid (1)
//         cross_entropy_backward  block 128, grid (rows)
// Architecture: any.
//
//   logits  [ . . . . x . . . . . ]  ==>  lse = log sum e^x     loss = lse - x at the target
//                     ^ target
//   dlogits [ = = = = = = = = = = ]  <==  (e^(x - lse) - 1 at the target) dy / count
//
// A target equal to ignore_index does not count. Label smoothing e mixes the target with the
// uniform distribution: (1 - e) onehot + e / V (Szegedy et al. 2015, 1512.00567). A target that is
// no class makes the loss NaN; it is never used as an index.
//
// Expect: lse = log(sum(exp(logits), axis=1))
#include "reduce.cuh"

#define NOT_A_NUMBER __int_as_float(0x7fffffff)

extern "C" __global__ void cross_entropy_rows(const float *logits, const int *targets,
                                              float *losses, float *lse, int V, int ignore_index,
                                              float smoothing) {
    logits += (long long)blockIdx.x * V;
    float highest = __int_as_float(0xff800000), sum = 0.0f, total = 0.0f;  // -infinity
    for (int i = threadIdx.x; i < V; i += blockDim.x) highest = fmaxf(highest, logits[i]);
    highest = block_max(highest);
    for (int i = threadIdx.x; i < V; i += blockDim.x) {
        sum += expf(logits[i] - highest);
        total += logits[i];
    }
    sum = block_sum(sum);
    total = block_sum(total);
    if (threadIdx.x > 0) return;
    float lse_row = highest + logf(sum);
    int target = targets[blockIdx.x];
    bool known = target >= 0 && target < V;
    float loss = known ? (1.0f - smoothing) * (lse_row - logits[target]) : NOT_A_NUMBER;
    if (smoothing > 0.0f) loss += smoothing * (lse_row - total / V);
    lse[blockIdx.x] = lse_row;
    losses[blockIdx.x] = target == ignore_index ? 0.0f : loss;
}

// mean[0] = sum of the losses / count, mean[1] = 1 / count, where count is at least 1.
extern "C" __global__ void cross_entropy_mean(const float *losses, const int *targets, float *mean,
                                              int rows, int ignore_index) {
    float sum = 0.0f, count = 0.0f;  // a float counts exactly to 2^24 in each thread
    for (int row = threadIdx.x; row < rows; row += blockDim.x) {
        sum += losses[row];
        count += targets[row] == ignore_index ? 0.0f : 1.0f;
    }
    sum = block_sum(sum);
    count = fmaxf(block_sum(count), 1.0f);
    if (threadIdx.x > 0) return;
    mean[0] = sum / count;
    mean[1] = 1.0f / count;
}

// dy (1,) is the gradient of the mean loss.
extern "C" __global__ void cross_entropy_backward(const float *logits, const int *targets,
                                                  const float *lse, const float *mean,
                                                  const float *dy, float *dlogits, int V,
                                                  int ignore_index, float smoothing) {
    logits += (long long)blockIdx.x * V;
    dlogits += (long long)blockIdx.x * V;
    int target = targets[blockIdx.x];
    float factor = target == ignore_index ? 0.0f : dy[0] * mean[1], lse_row = lse[blockIdx.x];
    for (int i = threadIdx.x; i < V; i += blockDim.x) {
        float wanted = smoothing / V + (i == target ? 1.0f - smoothing : 0.0f);
        dlogits[i] = (expf(logits[i] - lse_row) - wanted) * factor;
    }
}
