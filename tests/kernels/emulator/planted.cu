// Kernels with one mistake each. A line with the mark [kind] is the one that has to be reported;
// a race has the lines of both its accesses.
#include <mma.h>

#include "ptx.cuh"

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

// ---- cp.async, ldmatrix, wmma --------------------------------------------------------------------
extern "C" __global__ void copy_not_waited_for(const float *x, float *y) {
    __shared__ __align__(16) float s[256];
    int t = threadIdx.x;
    cp_async_16(&s[4 * t], x);
    cp_async_commit();
    __syncthreads();
    y[t] = s[t];  // [async copy]
}

extern "C" __global__ void waits_for_too_few(const float *x, float *y) {
    __shared__ float s[2][64];
    int t = threadIdx.x;
    for (int n = 0; n < 2; n++) {
        cp_async_4(&s[n][t], x + t);
        cp_async_commit();
    }
    cp_async_wait<1>();
    __syncthreads();
    y[t] = s[0][63 - t];
    y[t] += s[1][63 - t];  // [async copy]
}

extern "C" __global__ void never_committed(const float *x, float *y) {
    __shared__ float s[64];
    int t = threadIdx.x;
    cp_async_4(&s[t], x + t);
    cp_async_wait<0>();
    __syncthreads();
    y[t] = s[63 - t];  // [async copy]
}

extern "C" __global__ void waited_without_barrier(const float *x, float *y) {
    __shared__ float s[64];
    int t = threadIdx.x;
    cp_async_4(&s[t], x + t);
    cp_async_commit();
    cp_async_wait<0>();
    y[t] = s[63 - t];  // [uninitialised]
}

extern "C" __global__ void refilled_too_early(const float *x, float *y) {
    __shared__ float s[64];
    int t = threadIdx.x;
    float sum = 0.0f;
    for (int n = 0; n < 2; n++) {
        cp_async_4(&s[t], x + t);  // [race]
        cp_async_commit();
        cp_async_wait<0>();
        __syncthreads();
        sum += s[63 - t];  // [race]
    }
    y[t] = sum;
}

extern "C" __global__ void copy_of_odd_rows(const float *x, float *y) {
    __shared__ __align__(16) float s[64];
    int t = threadIdx.x;
    if (t < 2) cp_async_16(&s[4 * t], x + 5 * t);  // [misaligned]
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    y[t % 8] = s[t % 8];
}

extern "C" __global__ void copy_past_the_end(const float *x, float *y) {
    __shared__ float s[64];
    int t = threadIdx.x;
    cp_async_4(&s[t], x + 2 * t);  // [out of bounds]
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    y[t] = s[63 - t];
}

extern "C" __global__ void ldmatrix_of_odd_rows(unsigned *y) {
    __shared__ __align__(16) unsigned short tile[32][20];  // 40 bytes a row
    int t = threadIdx.x % 32;
    if (threadIdx.x < 32)
        for (int j = 0; j < 8; j++) tile[t][j] = j;
    __syncthreads();
    unsigned r[4];
    ldmatrix_x4(r, tile[t]);  // [misaligned]
    y[t] = r[0];
}

extern "C" __global__ void ldmatrix_by_a_wrong_lane(unsigned *y) {
    __shared__ __align__(16) unsigned short tile[16][8];
    int t = threadIdx.x % 32;
    if (threadIdx.x < 16)
        for (int j = 0; j < 8; j++) tile[t][j] = j;
    __syncthreads();
    unsigned r[4];
    ldmatrix_x4(r, tile[t]);  // [out of bounds]
    y[t] = r[0];
}

extern "C" __global__ void ldmatrix_of_global_memory(unsigned *y) {
    unsigned r[2];
    ldmatrix_x2(r, y);  // [out of bounds]
    y[threadIdx.x] = r[0];
}

extern "C" __global__ void mma_in_half_a_warp(float *y) {
    float d[4] = {};
    unsigned a[4] = {}, b[2] = {};
    if (threadIdx.x % 32 < 16) mma_m16n8k16(d, a, b);  // [deadlock]
    y[threadIdx.x] = d[0];
}

typedef nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float> Sum;
constexpr auto ROWS = nvcuda::wmma::mem_row_major;

extern "C" __global__ void wmma_of_odd_rows(float *y) {
    __shared__ __align__(32) float tile[16][17];
    Sum sum;
    nvcuda::wmma::fill_fragment(sum, 1.0f);
    if (threadIdx.x < 32)
        nvcuda::wmma::store_matrix_sync(&tile[0][0], sum, 17, ROWS);  // [misaligned]
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x % 16][0];
}

extern "C" __global__ void wmma_without_sync(float *y) {
    __shared__ __align__(32) float tile[2][16][16];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (int n = 0; n < 8; n++) tile[warp][n + lane / 16 * 8][lane % 16] = n;
    Sum sum;
    nvcuda::wmma::load_matrix_sync(sum, &tile[warp][0][0], 16, ROWS);  // [uninitialised]
    y[threadIdx.x] = sum.x[0];
}
