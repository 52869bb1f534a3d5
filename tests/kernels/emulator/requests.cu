// Kernels whose requests are known by hand. A line's mark says what a warp's request there costs:
// [4 sectors], of global memory; [32 turns / 1], of shared memory, for what could be 1 turn.
#include <cuda_bf16.h>

extern "C" __global__ void coalesced(const float *x, float *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float v = x[i];  // [4 sectors]
    y[i] = v;  // [4 sectors]
}

extern "C" __global__ void strided(const float *x, float *y) {
    int i = threadIdx.x;
    float v = x[32 * i];  // [32 sectors]
    if (i % 32 == 0) y[i / 32] = v;  // [1 sectors]
}

extern "C" __global__ void every_second(const float *x, float *y) {
    int i = threadIdx.x;
    float v = x[2 * i];  // [8 sectors]
    y[i + 1] = v;  // [5 sectors]
}

extern "C" __global__ void by_four(const float4 *x, float4 *y) {
    int i = threadIdx.x;
    float4 v = x[i];  // [16 sectors]
    y[i] = v;  // [16 sectors]
}

extern "C" __global__ void half_as_wide(const __nv_bfloat16 *x, __nv_bfloat16 *y) {
    int i = threadIdx.x;
    __nv_bfloat16 v = x[i];  // [2 sectors]
    y[i] = v;  // [2 sectors]
}

extern "C" __global__ void half_a_warp(const float *x, float *y) {
    int i = threadIdx.x;
    if (i % 32 < 16) {
        float v = x[i];  // [2 sectors]
        y[i] = v;  // [2 sectors]
    }
}

extern "C" __global__ void column(float *y) {
    __shared__ float s[32][32];
    int i = threadIdx.x;
    s[i / 32][i % 32] = i;  // [1 turns / 1]
    __syncthreads();
    float v = s[i % 32][i / 32];  // [32 turns / 1]
    y[i] = v;  // [4 sectors]
}

extern "C" __global__ void column_of_a_padded_tile(float *y) {
    __shared__ float s[32][33];
    int i = threadIdx.x;
    s[i / 32][i % 32] = i;  // [1 turns / 1]
    __syncthreads();
    float v = s[i % 32][i / 32];  // [1 turns / 1]
    y[i] = v;  // [4 sectors]
}

extern "C" __global__ void one_word_for_all(float *y) {
    __shared__ float s[32];
    int i = threadIdx.x;
    if (i < 32) s[i] = i;  // [1 turns / 1]
    __syncthreads();
    float v = s[i / 32];  // [1 turns / 1]
    y[i] = v;  // [4 sectors]
}

extern "C" __global__ void two_rows_of_banks(float *y) {
    __shared__ float s[64];
    int i = threadIdx.x % 32;
    s[2 * i] = i;  // [2 turns / 1]
    s[2 * i + 1] = i;  // [2 turns / 1]
    __syncthreads();
    float v = s[2 * i];  // [2 turns / 1]
    y[i] = v;  // [4 sectors]
}

extern "C" __global__ void four_at_once(float4 *y) {
    __shared__ float4 row[32], column[32][8];
    int i = threadIdx.x % 32;
    row[i] = make_float4(i, 0, 0, 0);  // [4 turns / 4]
    for (int j = 0; j < 8; j++) column[i][j] = row[i];
    __syncthreads();
    float4 v = row[31 - i];  // [4 turns / 4]
    float4 w = column[i][0];  // [32 turns / 4]
    v.x += w.x;
    y[i] = v;  // [16 sectors]
}

extern "C" __global__ void bytes_of_a_word(unsigned char *y) {
    __shared__ unsigned char s[64];
    int i = threadIdx.x % 32;
    s[i] = i;  // [1 turns / 1]
    __syncthreads();
    unsigned char v = s[i ^ 1];  // [1 turns / 1]
    y[i] = v;  // [1 sectors]
}

extern "C" __global__ void atomics_take_turns(int *y) {
    __shared__ int count;
    int i = threadIdx.x % 32;
    if (i == 0) count = 0;  // [1 turns / 1]
    __syncthreads();
    atomicAdd(&count, 1);  // [32 turns / 1]
    atomicAdd(&y[i], 1);  // [4 sectors]
}

extern "C" __global__ void a_quarter_at_a_time(const float *x, float *y) {
    int i = threadIdx.x % 32;
    float sum = 0.0f;
    for (int step = 0; step < 4; step++) {
        if (step == i % 4) sum = x[i];  // [4 sectors]
        __syncwarp();
    }
    y[i] = sum;  // [4 sectors]
}
