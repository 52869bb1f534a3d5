// How the matrices of C = A B lie in memory, the same for every rung of this ladder.
//
// C (I, J) = A (I, K) B (K, J), float32. A layer y = x w needs the product three ways, and neither
// of the other two is worth a transposed copy:
//
//   NN  forward          y  = x w      A (I, K) and B (K, J) lie row after row
//   NT  input gradient   dx = dy w^T   B lies as its transpose (J, K): -DTRANSPOSED_B=1
//   TN  weight gradient  dw = x^T dy   A lies as its transpose (K, I): -DTRANSPOSED_A=1
//
// blockIdx.z counts the matrices of a batch: step_a floats lie between two A, step_b between two B
// (0: all of them share one), and the C follow each other.
#pragma once

#ifndef TRANSPOSED_A
#define TRANSPOSED_A 0
#endif
#ifndef TRANSPOSED_B
#define TRANSPOSED_B 0
#endif

// Where a_ik stands. An offset may pass 2^31, so it is no int.
__device__ __forceinline__ long long place_a(int i, int k, int I, int K) {
    return TRANSPOSED_A ? (long long)k * I + i : (long long)i * K + k;
}

// Where b_kj stands.
__device__ __forceinline__ long long place_b(int k, int j, int K, int J) {
    return TRANSPOSED_B ? (long long)j * K + k : (long long)k * J + j;
}
