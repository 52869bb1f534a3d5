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

extern "C" __global__ void more_collectives(const int *x, int *y) {
    int t = threadIdx.x, v = x[t];
    y[t] = __match_any_sync(0xffffffffu, v);
    int all;
    y[32 + t] = __match_all_sync(0xffffffffu, v, &all) + all;
    y[64 + t] = __match_all_sync(0xffffffffu, 7.5f, &all) + all;
    y[96 + t] = __reduce_add_sync(0xffffffffu, v);
    y[128 + t] = __reduce_min_sync(0xffffffffu, v) + 100 * __reduce_max_sync(0xffffffffu, v);
    unsigned u = v;
    y[160 + t] = __reduce_or_sync(0xffffffffu, u) + 100 * __reduce_and_sync(0xffffffffu, u) +
                 10000 * __reduce_xor_sync(0xffffffffu, u);
    unsigned mine = __activemask();  // whoever it names, they add up to the warp
    if ((int)__popc(mine & ((1u << t) - 1)) == 0) atomicAdd(&y[192], __popc(mine));
}

// Half a warp goes each way, with a mask of its own.
extern "C" __global__ void halves_apart(const float *x, float *y) {
    float v = x[threadIdx.x];
    if (threadIdx.x % 2) {
        v = __shfl_xor_sync(0xaaaaaaaau, v, 2);
    } else {
        for (int by = 16; by > 1; by /= 2) v += __shfl_xor_sync(0x55555555u, v, by);
    }
    y[threadIdx.x] = v;
}

extern "C" __global__ void counted_at_a_barrier(const int *x, int *y) {
    int v = x[threadIdx.x];
    int positive = __syncthreads_count(v > 0);
    int any = __syncthreads_or(v == 3), all = __syncthreads_and(v < 4);
    y[threadIdx.x] = 100 * positive + 10 * any + all;
}

extern "C" __global__ void all_atomics(int *y, unsigned *u, double *d, unsigned long long *l) {
    int t = threadIdx.x;
    atomicSub(&y[0], t);
    atomicMin(&y[1], -t);
    atomicExch(&y[2], 5);
    atomicAnd(&y[3], ~(1 << t % 4));
    atomicOr(&y[4], 1 << t % 4);
    atomicXor(&y[5], 1 << t % 4);
    atomicInc(&u[0], 9u);
    atomicDec(&u[1], 6u);
    atomicAdd(&d[0], 0.25);
    atomicAdd(&l[0], 1ull << 40);
    int seen = atomicCAS(&y[6], 0, 0), was;  // a product by compare and swap
    do {
        was = seen;
        seen = atomicCAS(&y[6], was, was * 3);
    } while (seen != was);
}

extern "C" __global__ void arithmetic_of_16_bits(const __nv_bfloat16 *x, const __half2 *h,
                                                 __nv_bfloat16 *y, __half2 *g) {
    int t = threadIdx.x;
    __nv_bfloat16 v = x[t];
    __nv_bfloat16 sum = v + v * __float2bfloat16(3.0f);
    sum -= __hmax(v, __nv_bfloat16(0.5f));
    y[t] = v < sum ? __hfma(v, sum, -v) : __hdiv(sum, v);
    __half2 pair = __hmul2(h[t], __float2half2_rn(2.0f));
    g[t] = __hfma2(pair, h[t], __halves2half2(__high2half(pair), __low2half(pair)));
}

extern "C" __global__ void caches(const float *x, float2 *y, longlong2 *l) {
    int t = threadIdx.x;
    float a = __ldg(&x[t]), b = __ldcg(x + t), c = __ldcs(x + t);
    __stcs(&y[t], make_float2(a + b, c));
    longlong2 both = make_longlong2(t, __umulhi(1u << 31, 6u));
    l[t] = both;
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
