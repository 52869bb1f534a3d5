// Rung 1, naive: one thread computes one value of C = A B, and walks DOWN the rows with its warp.
//
// A (I, K), B (K, J), C (I, J), float32, any sizes, NN NT TN and batches (layout.cuh).
// Improves on: nothing; it is the definition, c_ij = sum over k of a_ik b_kj, once per thread.
// Launch: block (16, 16), grid (ceil(I / 16), ceil(J / 16), batch): threadIdx.x counts ROWS of C.
// Architecture: any.
//
//   what one warp touches at one k (NN):  B (K, J)
//        A (I, K)                         row k:  . . b b . .     2 values, read by 16 lanes each
//        row i     . . a . . .
//        row i+1   . . a . . .            C (I, J)
//        row i+2   . . a . . .            16 rows, 2 columns: 16 places that lie J floats apart
//        ...
//
// 16 rows of A are 16 pieces of memory; of each, 4 bytes of the 32 that are fetched are used.
#include "layout.cuh"

extern "C" __global__ void matmul_naive(const float *A, const float *B, float *C, int I, int J,
                                        int K, long long step_a, long long step_b) {
    A += blockIdx.z * step_a;
    B += blockIdx.z * step_b;
    C += blockIdx.z * ((long long)I * J);
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int j = blockIdx.y * blockDim.y + threadIdx.y;
    if (i >= I || j >= J) return;
    float sum = 0.0f;
    for (int k = 0; k < K; k++) {
        sum += A[place_a(i, k, I, K)] * B[place_b(k, j, K, J)];
    }
    C[(long long)i * J + j] = sum;
}
