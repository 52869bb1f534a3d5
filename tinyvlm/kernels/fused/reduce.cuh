// Sums and maxima over a block's threads, in a fixed order, so that two runs are equal to the bit.
#pragma once

#define ALL_LANES 0xffffffffu

// The sum of `value` over a block of whole warps; every thread calls it, and every one gets it.
__device__ __forceinline__ float block_sum(float value) {
    __shared__ float parts[32];  // one for each warp
    for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(ALL_LANES, value, step);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    float sum = 0.0f;
    for (int warp = 0; warp < blockDim.x / 32; warp++) sum += parts[warp];
    __syncthreads();  // all have read the parts before the next call writes them
    return sum;
}

__device__ __forceinline__ float block_max(float value) {
    __shared__ float parts[32];
    for (int step = 16; step > 0; step /= 2)
        value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, step));
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    float highest = parts[0];
    for (int warp = 1; warp < blockDim.x / 32; warp++) highest = fmaxf(highest, parts[warp]);
    __syncthreads();
    return highest;
}

// In a block (32, 8): the sum of `value` over threadIdx.y, which the threads of y = 0 get.
__device__ __forceinline__ float column_sum(float value) {
    __shared__ float parts[8][32];
    parts[threadIdx.y][threadIdx.x] = value;
    __syncthreads();
    float sum = 0.0f;
    for (int y = 0; y < 8; y++) sum += parts[y][threadIdx.x];
    __syncthreads();
    return sum;
}
