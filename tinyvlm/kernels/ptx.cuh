// The PTX instructions of this project's kernels, each behind a small function; nothing else of a
// kernel is written in assembly. On the CPU emulator the same functions are C++.
//
// Architecture: sm_80 and newer.
//
// mma_m16n8k16: d (16, 8) += a (16, 16) b (16, 8), bfloat16 in, float32 out, by a whole warp. A lane
// holds a few values of each, two bfloat16 to a register, the lower column or row in the lower half;
// with lane = 4 g + m:
//
//      a: registers 0, 1, 2, 3           b: registers 0, 1         d: floats 0, 1, 2, 3
//      columns 2m 2m+1 | 2m+8 2m+9       column g                  columns 2m   2m+1
//      row g      [0]  |   [2]           rows 2m, 2m+1     [0]     row g     0    1
//      row g + 8  [1]  |   [3]           rows 2m+8, 2m+9   [1]     row g+8   2    3
//
// ldmatrix_x4 fetches these from shared memory: lane 8 n + i hands in the address of row i of the
// n-th 8 x 8 matrix, 16 bytes at a multiple of 16, and register n of lane 4 g + m becomes columns 2m
// and 2m+1 of row g of that matrix. Transposed: rows 2m and 2m+1 of column g.
//
// cp_async_16: 16 bytes from global into shared memory, past the registers, while the thread goes
// on; with inside false nothing is read and the 16 bytes become zero. cp_async_commit closes a group
// of copies. cp_async_wait<n> waits until all but the latest n groups have arrived; what this
// thread's copies brought is then seen by this thread, and by others after a barrier.
#pragma once

#ifdef TINYVLM_EMULATOR
#include <emulated_ptx.h>
#else

__device__ __forceinline__ void mma_m16n8k16(float (&d)[4], const unsigned (&a)[4],
                                             const unsigned (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// An address of shared memory, as PTX counts it: from its own start.
__device__ __forceinline__ unsigned shared_address(const void *pointer) {
    return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

__device__ __forceinline__ void ldmatrix_x4(unsigned (&r)[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row)));
}

__device__ __forceinline__ void ldmatrix_x4_transposed(unsigned (&r)[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row)));
}

__device__ __forceinline__ void ldmatrix_x2(unsigned (&r)[2], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(shared_address(row)));
}

__device__ __forceinline__ void ldmatrix_x2_transposed(unsigned (&r)[2], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(shared_address(row)));
}

// "memory": the compiler moves no load or store of its own past these.
__device__ __forceinline__ void cp_async_16(void *shared, const void *global, bool inside = true) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
                 "l"(global), "r"(inside ? 16 : 0)
                 : "memory");
}

// The same for 4 bytes: for rows that are no multiple of 16 long.
__device__ __forceinline__ void cp_async_4(void *shared, const void *global, bool inside = true) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)),
                 "l"(global), "r"(inside ? 4 : 0)
                 : "memory");
}

__device__ __forceinline__ void cp_async_commit() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int LEFT>
__device__ __forceinline__ void cp_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}

#endif
