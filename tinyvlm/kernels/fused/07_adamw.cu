// Rung 7, AdamW: one step for all values of a parameter in one pass over memory.
//
// Loshchilov and Hutter 2017, 1711.05101. p, g, m, v (n), float32, changed in place; n = 3000.
// Improves on: fourteen passes over memory, as in optim.py; here four arrays are read and three
//   written, once.
// Launch: adamw block 256, grid (ceil(n / 1024))
// Architecture: any.
//
//   g  [ . . . . ] -->  m = b1 m + (1 - b1) g        p = p keep - rate m / (sqrt(v) root + eps)
//   m  [ . . . . ] <->  v = b2 v + (1 - b2) g^2
//   v  [ . . . . ] <->                               keep = 1 - lr decay
//   p  [ . . . . ] <->                               rate = lr / (1 - b1^t)
//                                                    root = 1 / sqrt(1 - b2^t)
//
// numbers (8) = b1, 1 - b1, b2, 1 - b2, eps, keep, rate, root lies in device memory: a step that
// was captured in a graph runs again with other numbers. (1 - b2 comes from outside: of a float32
// 0.999 only five digits of 0.001 would be left.)
//
// Expect: m = numbers[0] * m + numbers[1] * g

#define EACH 4  // values, for a thread

extern "C" __global__ void adamw(float *__restrict__ p, const float *__restrict__ g,
                                 float *__restrict__ m, float *__restrict__ v,
                                 const float *__restrict__ numbers, long long n) {
    float b1 = numbers[0], one_minus_b1 = numbers[1], b2 = numbers[2], one_minus_b2 = numbers[3];
    float eps = numbers[4], keep = numbers[5], rate = numbers[6], root = numbers[7];
    long long first = (long long)blockIdx.x * blockDim.x * EACH + threadIdx.x;
#pragma unroll
    for (int each = 0; each < EACH; each++) {
        long long i = first + each * blockDim.x;
        if (i >= n) continue;
        m[i] = b1 * m[i] + one_minus_b1 * g[i];
        v[i] = b2 * v[i] + one_minus_b2 * g[i] * g[i];
        p[i] = p[i] * keep - rate * m[i] / (sqrtf(v[i]) * root + eps);
    }
}
