// Correct kernels of one warp: mma.sync, ldmatrix and cp.async of ptx.cuh, and wmma.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>

#include "ptx.cuh"

using namespace nvcuda;

__device__ __forceinline__ unsigned two(const __nv_bfloat16 *pair) {
    return *reinterpret_cast<const unsigned *>(pair);
}

// c (16, 8) += a (16, 16) b (16, 8); b lies as its transpose (8, 16). The layout of ptx.cuh, by hand.
extern "C" __global__ void mma_by_hand(const __nv_bfloat16 *a, const __nv_bfloat16 *b, float *c) {
    int g = threadIdx.x / 4, m = threadIdx.x % 4;
    const __nv_bfloat16 *row = a + 16 * g + 2 * m;
    unsigned a_part[4] = {two(row), two(row + 16 * 8), two(row + 8), two(row + 16 * 8 + 8)};
    unsigned b_part[2] = {two(b + 16 * g + 2 * m), two(b + 16 * g + 2 * m + 8)};
    float *place = c + 8 * g + 2 * m;
    float d[4] = {place[0], place[1], place[64], place[65]};
    mma_m16n8k16(d, a_part, b_part);
    place[0] = d[0], place[1] = d[1], place[64] = d[2], place[65] = d[3];
}

// What each lane gets: y (4, 32, 4) for x4 and x2, as it is and transposed.
extern "C" __global__ void registers_of_ldmatrix(const unsigned short *x, unsigned *y) {
    __shared__ __align__(16) unsigned short tile[32][24];  // a row is 48 bytes: a multiple of 16
    int lane = threadIdx.x;
    for (int j = 0; j < 8; j++) tile[lane][j] = x[8 * lane + j];
    __syncwarp();
    unsigned r[4], t[4], r2[2], t2[2];
    ldmatrix_x4(r, tile[lane]);
    ldmatrix_x4_transposed(t, tile[lane]);
    ldmatrix_x2(r2, tile[lane % 16]);
    ldmatrix_x2_transposed(t2, tile[lane % 16]);
    for (int n = 0; n < 4; n++) {
        y[4 * lane + n] = r[n];
        y[128 + 4 * lane + n] = t[n];
        y[256 + 4 * lane + n] = n < 2 ? r2[n] : 0;
        y[384 + 4 * lane + n] = n < 2 ? t2[n] : 0;
    }
}

// c (16, 16) = a (16, 16) b (16, 16), all row after row: b comes in transposed by ldmatrix.
extern "C" __global__ void mma_by_ldmatrix(const __nv_bfloat16 *a, const __nv_bfloat16 *b, float *c) {
    __shared__ __align__(16) __nv_bfloat16 tile_a[16][24], tile_b[16][24];
    int lane = threadIdx.x, i = lane / 2, j = lane % 2 * 8;
    cp_async_16(&tile_a[i][j], a + 16 * i + j);
    cp_async_16(&tile_b[i][j], b + 16 * i + j);
    cp_async_commit();
    cp_async_wait<0>();
    __syncwarp();
    unsigned a_part[4], b_part[4];
    ldmatrix_x4(a_part, &tile_a[lane % 16][lane / 16 * 8]);
    ldmatrix_x4_transposed(b_part, &tile_b[lane % 16][lane / 16 * 8]);
    for (int half = 0; half < 2; half++) {
        float d[4] = {};
        unsigned columns[2] = {b_part[2 * half], b_part[2 * half + 1]};
        mma_m16n8k16(d, a_part, columns);
        for (int r = 0; r < 4; r++)
            c[16 * (lane / 4 + r / 2 * 8) + 8 * half + lane % 4 * 2 + r % 2] = d[r];
    }
}

// y = the sum over n rows of x (n, 128), two rows in flight; a row is fetched by 32 lanes.
extern "C" __global__ void sum_in_flight(const float *x, float *y, int n) {
    __shared__ __align__(16) float rows[2][128];
    float sum[4] = {};
    cp_async_16(&rows[0][4 * threadIdx.x], x + 4 * threadIdx.x);
    cp_async_commit();
    for (int i = 0; i < n; i++) {
        bool more = i + 1 < n;
        const float *next = x + (more ? 128 * (i + 1) + 4 * threadIdx.x : 0);
        cp_async_16(&rows[(i + 1) % 2][4 * threadIdx.x], next, more);
        cp_async_commit();
        cp_async_wait<1>();
        __syncthreads();
        for (int k = 0; k < 4; k++) sum[k] += rows[i % 2][(4 * threadIdx.x + k + 4) % 128];
        __syncthreads();
    }
    for (int k = 0; k < 4; k++) y[(4 * threadIdx.x + k + 4) % 128] = sum[k];
}

// Rows of any length: 4 bytes at a time, zeros behind the end.
extern "C" __global__ void padded(const float *x, float *y, int n) {
    __shared__ float s[64];
    int i = threadIdx.x;
    cp_async_4(&s[i], x + (i < n ? i : 0), i < n);
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    y[i] = s[63 - i];
}

template <class T, class LayoutA, class LayoutB>
__device__ void wmma_product(const T *a, const T *b, float *c, wmma::layout_t layout) {
    wmma::fragment<wmma::matrix_a, 16, 16, 16, T, LayoutA> left;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, T, LayoutB> right;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum;
    wmma::load_matrix_sync(sum, c, 16, layout);
    for (int k = 0; k < 2; k++) {  // a (16, 32), b (32, 16)
        wmma::load_matrix_sync(left, a + 16 * k, 32);
        wmma::load_matrix_sync(right, b + 16 * k, 32);
        wmma::mma_sync(sum, left, right, sum);
    }
    for (int i = 0; i < sum.num_elements; i++) sum.x[i] *= 2.0f;
    wmma::store_matrix_sync(c, sum, 16, layout);
}

// c = 2 (c + a b), with a (16, 32) row after row and b (32, 16) column after column.
extern "C" __global__ void wmma_bfloat16(const __nv_bfloat16 *a, const __nv_bfloat16 *b, float *c) {
    wmma_product<__nv_bfloat16, wmma::row_major, wmma::col_major>(a, b, c, wmma::mem_row_major);
}

extern "C" __global__ void wmma_half(const __half *a, const __half *b, float *c) {
    wmma_product<__half, wmma::row_major, wmma::col_major>(a, b, c, wmma::mem_col_major);
}

// c (8, 32) = a (8, 16) b (16, 32); a lies column after column.
extern "C" __global__ void wmma_wide(const __nv_bfloat16 *a, const __nv_bfloat16 *b, float *c) {
    wmma::fragment<wmma::matrix_a, 8, 32, 16, __nv_bfloat16, wmma::col_major> left;
    wmma::fragment<wmma::matrix_b, 8, 32, 16, __nv_bfloat16, wmma::row_major> right;
    wmma::fragment<wmma::accumulator, 8, 32, 16, float> sum;
    wmma::fill_fragment(sum, 0.0f);
    wmma::load_matrix_sync(left, a, 8);
    wmma::load_matrix_sync(right, b, 32);
    wmma::mma_sync(sum, left, right, sum);
    wmma::store_matrix_sync(c, sum, 32, wmma::mem_row_major);
}
