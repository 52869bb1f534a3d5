// Kernels with one mistake each. A line with the mark [kind] is the one that has to be reported;
// a race has the lines of both its accesses.
extern "C" __global__ void missing_barrier(const float *x, float *y) {
    __shared__ float s[64];
    int t = threadIdx.x;
    s[t] = x[t];
    y[t] = s[t] + s[(t + 1) & 63];  // [uninitialised]
}

extern "C" __global__ void missing_second_barrier(const float *x, float *y) {
    __shared__ float s[64];
    int t = threadIdx.x;
    float sum = 0.0f;
    for (int step = 0; step < 2; step++) {
        s[t] = x[t] + step;  // [race]
        __syncthreads();
        sum += s[63 - t];  // [race]
    }
    y[t] = sum;
}

extern "C" __global__ void warp_without_sync(const float *x, float *y) {
    __shared__ float s[64];
    int t = threadIdx.x;
    s[t] = x[t];
    __syncthreads();
    if (t < 32) {
        s[t] += s[t + 32];  // [race]
        s[t] += s[t + 16];  // [race]
    }
    __syncthreads();
    if (t == 0) y[0] = s[0];
}

extern "C" __global__ void blocks_without_atomic(const float *x, float *y) {
    if (threadIdx.x == 0) {
        y[0] += x[blockIdx.x];  // [race]
    }
}

extern "C" __global__ void return_before_barrier(const float *x, float *y, int n) {
    __shared__ float s[64];
    int t = threadIdx.x;
    if (t >= n) return;
    s[t] = x[t];
    __syncthreads();  // [barrier]
    y[t] = s[n - 1 - t];
}

extern "C" __global__ void two_barriers(float *y) {
    int t = threadIdx.x;
    if (t < 32) {
        __syncthreads();  // [barrier]
        y[t] = 1.0f;
    } else {
        __syncthreads();
        y[t] = 2.0f;
    }
}

extern "C" __global__ void no_bounds(const float *x, float *y, int n) {
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    y[t] = 1.0f;  // [out of bounds]
}

extern "C" __global__ void read_too_far(const float *x, float *y, int n) {
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    if (t < n) y[t] = x[t + 1];  // [out of bounds]
}

extern "C" __global__ void shared_overrun(float *y) {
    __shared__ float a[64], b[64];
    int t = threadIdx.x;
    b[t] = 2.0f;
    a[t + 1] = 1.0f;  // [out of bounds]
    __syncthreads();
    y[t] = a[t] + b[t];
}

extern "C" __global__ void half_written(float *y) {
    __shared__ float s[64];
    int t = threadIdx.x;
    if (t < 32) s[t] = 1.0f;
    __syncthreads();
    y[t] = s[t];  // [uninitialised]
}

extern "C" __global__ void misaligned_float4(const float *x, float *y) {
    int t = threadIdx.x;
    float4 v = *reinterpret_cast<const float4 *>(x + t);  // [misaligned]
    y[t] = v.x + v.w;
}

extern "C" __global__ void full_mask_in_half_a_warp(float *y) {
    float v = threadIdx.x;
    if (threadIdx.x % 32 < 16) {
        v = __shfl_xor_sync(0xffffffffu, v, 8);  // [deadlock]
    }
    y[threadIdx.x] = v;
}

extern "C" __global__ void collective_left_out(float *y) {
    unsigned votes = __ballot_sync(0x0000ffffu, 1);  // [warp collective]
    y[threadIdx.x] = votes;
}

extern "C" __global__ void lane_outside_mask(float *y) {
    float v = threadIdx.x;
    if (threadIdx.x % 32 < 16) {
        v = __shfl_sync(0x0000ffffu, v, 20);  // [warp collective]
    }
    y[threadIdx.x] = v;
}

extern "C" __global__ void loops_for_ever(float *y) {
    volatile int run = 1;
    while (run) y[0] = 1.0f;  // [timeout]
}

extern "C" __global__ void waits_for_a_later_block(int *y) {
    while (atomicAdd(y, 0) == 0) {  // [timeout]
    }
}

extern "C" __global__ void too_much_shared(float *y) {
    __shared__ float s[128][128];  // [shared memory]
    s[threadIdx.x][0] = 1.0f;
    y[threadIdx.x] = s[threadIdx.x][0];
}

extern "C" __global__ void wild_pointer(float *y) {
    y[(1LL << 40) + threadIdx.x] = 1.0f;  // [out of bounds]
}
