// Rung 2, coalesced: neighbouring threads compute neighbouring COLUMNS of C = A B.
//
// A (I, K), B (K, J), C (I, J), float32, any sizes, NN NT TN and batches (layout.cuh).
// Improves on: 01_naive, by exchanging the roles of threadIdx.x and threadIdx.y. Nothing else.
// Launch: block (32, 8), grid (ceil(J / 32), ceil(I / 8), batch): threadIdx.x counts COLUMNS of C.
// Architecture: any.
//
//   what one warp touches at one k (NN):  B (K, J)
//        A (I, K)                         row k:  [b b b b ... b b]   32 neighbours: 4 x 32 bytes
//        row i     . . a . . .
//        one value, for all 32 lanes      C (I, J)
//                                         row i:  [c c c c ... c c]   32 neighbours
//
// A warp's 32 loads of B become 4 fetches of 32 bytes, and every fetched byte is used. (In NT the
// columns of B lie K floats apart: there this order of threads does not help.)
#include "layout.cuh"

extern "C" __global__ void matmul_coalesced(const float *A, const float *B, float *C, int I, int J,
                                            int K, long long step_a, long long step_b) {
    A += blockIdx.z * step_a;
    B += blockIdx.z * step_b;
    C += blockIdx.z * ((long long)I * J);
    int j = blockIdx.x * blockDim.x + threadIdx.x;
    int i = blockIdx.y * blockDim.y + threadIdx.y;
    if (i >= I || j >= J) return;
    float sum = 0.0f;
    for (int k = 0; k < K; k++) {
        sum += A[place_a(i, k, I, K)] * B[place_b(k, j, K, J)];
    }
    C[(long long)i * J + j] = sum;
}
