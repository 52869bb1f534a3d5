// Correct kernels, one for each thing of CUDA C that the emulator knows.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "features.cuh"

extern "C" __global__ void sum_by_shuffles(const float *x, float *y) {
    float v = x[threadIdx.x];
    for (int by = 16; by > 0; by /= 2) v += __shfl_down_sync(0xffffffffu, v, by);
    float first = __shfl_sync(0xffffffffu, v, 0);
    float other = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
    float before = __shfl_up_sync(0xffffffffu, x[threadIdx.x], 1, 8);
    y[3 * threadIdx.x] = first;
    y[3 * threadIdx.x + 1] = other;
    y[3 * threadIdx.x + 2] = before;
}

extern "C" __global__ void votes(const int *x, unsigned *y) {
    unsigned ballot = __ballot_sync(0xffffffffu, x[threadIdx.x]);
    int any = __any_sync(0xffffffffu, x[threadIdx.x] > 1);
    int all = __all_sync(0xffffffffu, x[threadIdx.x] < 2);
    if (threadIdx.x == 0) {
        y[0] = ballot;
        y[1] = any;
        y[2] = all;
        y[3] = __popc(ballot);
    }
}

extern "C" __global__ void histogram(const int *x, int *counts, float *total, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    atomicAdd(&counts[x[i]], 1);
    atomicAdd(total, 0.5f);
    atomicMax(&counts[4], x[i]);
}

extern "C" __global__ void double_by_four(const float4 *x, float4 *y) {
    float4 v = x[threadIdx.x];
    y[threadIdx.x] = make_float4(2 * v.x, 2 * v.y, 2 * v.z, 2 * v.w);
}

extern "C" __global__ void through_16_bits(const float *x, __nv_bfloat16 *b, __half *h, float *y) {
    int i = threadIdx.x;
    b[i] = __float2bfloat16(x[i]);
    h[i] = __float2half(x[i]);
    y[2 * i] = __bfloat162float(b[i]);
    y[2 * i + 1] = __half2float(h[i]);
}

extern "C" __global__ void reverse_in_dynamic_shared(const float *x, float *y) {
    extern __shared__ float s[];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ __launch_bounds__(64) void coordinates(int *y) {
    __shared__ unsigned int sizes[3], total;  /* two declarators, and a comment with "quotes" */
    if (threadIdx.x + threadIdx.y + threadIdx.z == 0) {
        sizes[0] = blockDim.x, sizes[1] = blockDim.y, sizes[2] = blockDim.z;
        total = sizes[0] * sizes[1] * sizes[2];
    }
    __syncthreads();
    int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    int thread = threadIdx.x + sizes[0] * (threadIdx.y + sizes[1] * threadIdx.z);
    y[block * total + thread] = 100 * thread + 10 * block + from_a_header();
}

extern "C" __global__ void bytes_side_by_side(unsigned char *y) {
    __shared__ unsigned char s[64];
    s[threadIdx.x] = threadIdx.x;
    __syncthreads();
    y[threadIdx.x] = s[63 - threadIdx.x];
}

template <int N>
__global__ void no_kernel_by_itself(float *y) {
    y[0] = N;
}
