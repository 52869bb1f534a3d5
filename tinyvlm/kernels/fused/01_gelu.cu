// Rung 1, GELU: y = x p, forward and backward in one pass over memory each.
//
// p = (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), Hendrycks and Gimpel 2016,
// 1606.08415. x, y, dy, dx (n), float32; n = 3000.
// Improves on: one pass over memory for each step of the formula, eight in ops/activation.py; here
//   a value is read once and written once, and the backward computes p again instead of reading it.
// Launch: gelu_forward   block 256, grid (ceil(n / 1024))
//         gelu_backward  block 256, grid (ceil(n / 1024))
// Architecture: any.
//
//   block 0                                          block 1
//   [t0 t1 .. t255][t0 t1 .. t255][ ... ][ ... ]     [t0 t1 ...
//   a thread's four values lie 256 apart: neighbouring threads read neighbours, and the four loads
//   are on their way at once
//
// (1 + tanh u) / 2 is the sigmoid 1 / (1 + e^-2u); e^-2u may be infinite, and then y is 0.
//
// Expect: y = x / (1 + exp(-1.5957691216 * (x + 0.044715 * x * x * x)))

#define EACH 4  // values, for a thread
#define C 0.7978845608f  // sqrt(2 / pi)
#define A 0.044715f

__device__ __forceinline__ float p_of(float x) {
    return 1.0f / (1.0f + expf(-2.0f * C * (x + A * x * x * x)));
}

extern "C" __global__ void gelu_forward(const float *__restrict__ x, float *__restrict__ y,
                                        long long n) {
    long long first = (long long)blockIdx.x * blockDim.x * EACH + threadIdx.x;
#pragma unroll
    for (int each = 0; each < EACH; each++) {
        long long i = first + each * blockDim.x;
        if (i < n) y[i] = x[i] * p_of(x[i]);
    }
}

// dy/dx = p + x p (1 - p) 2 du/dx.
extern "C" __global__ void gelu_backward(const float *__restrict__ x, const float *__restrict__ dy,
                                         float *__restrict__ dx, long long n) {
    long long first = (long long)blockIdx.x * blockDim.x * EACH + threadIdx.x;
#pragma unroll
    for (int each = 0; each < EACH; each++) {
        long long i = first + each * blockDim.x;
        if (i >= n) continue;
        float p = p_of(x[i]), slope_of_2u = 2.0f * C * (1.0f + 3.0f * A * x[i] * x[i]);
        dx[i] = dy[i] * (p + x[i] * p * (1.0f - p) * slope_of_2u);
    }
}
