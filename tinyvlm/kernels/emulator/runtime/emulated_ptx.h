// What ptx.cuh's functions are on the CPU: the same names, in C++.
#pragma once
#include "interface.h"

namespace emulated {
constexpr int WHOLE_WARP = 32;

struct Mma {
    float (&d)[4];
    const unsigned (&a)[4], (&b)[2];
};

// PTX ISA, "Matrix Fragments for mma.m16n8k16": lane = 4 * group + member.
EMULATED_RESOLVE resolve_mma(void **lanes, unsigned) {
    float A[16][16], B[16][8];
    for (int lane = 0; lane < WHOLE_WARP; lane++) {
        auto *mine = static_cast<Mma *>(lanes[lane]);
        if (!mine) emulator_fail("warp collective", "mma.sync needs all 32 lanes", nullptr);
        int group = lane / 4, member = lane % 4;
        for (int half = 0; half < 2; half++) {
            for (int r = 0; r < 4; r++)
                A[group + 8 * (r % 2)][2 * member + half + 8 * (r / 2)] =
                    from_bfloat16(static_cast<uint16_t>(mine->a[r] >> 16 * half));
            for (int r = 0; r < 2; r++)
                B[2 * member + half + 8 * r][group] =
                    from_bfloat16(static_cast<uint16_t>(mine->b[r] >> 16 * half));
        }
    }
    for (int lane = 0; lane < WHOLE_WARP; lane++) {
        auto *mine = static_cast<Mma *>(lanes[lane]);
        for (int r = 0; r < 4; r++) {
            int i = lane / 4 + 8 * (r / 2), j = 2 * (lane % 4) + r % 2;
            float sum = mine->d[r];
            for (int k = 0; k < 16; k++) sum += A[i][k] * B[k][j];
            mine->d[r] = sum;
        }
    }
}

struct Ldmatrix {
    unsigned *r;
    const void *row;
};

// Lane 8 m + i hands in row i of matrix m; every lane gets two neighbours of each matrix.
template <int COUNT, bool TRANSPOSED>
EMULATED_RESOLVE resolve_ldmatrix(void **lanes, unsigned) {
    for (int lane = 0; lane < WHOLE_WARP; lane++)
        if (!lanes[lane]) emulator_fail("warp collective", "ldmatrix needs all 32 lanes", nullptr);
    for (int lane = 0; lane < WHOLE_WARP; lane++) {
        for (int m = 0; m < COUNT; m++) {
            uint16_t pair[2];
            for (int n = 0; n < 2; n++) {
                int i = lane / 4, j = 2 * (lane % 4) + n;
                if (TRANSPOSED) std::swap(i, j);
                auto *row = static_cast<Ldmatrix *>(lanes[8 * m + i])->row;
                pair[n] = static_cast<const uint16_t *>(row)[j];
            }
            static_cast<Ldmatrix *>(lanes[lane])->r[m] = pair[0] | unsigned(pair[1]) << 16;
        }
    }
}

template <int COUNT, bool TRANSPOSED>
inline __attribute__((always_inline)) void ldmatrix(unsigned *r, const void *row) {
    if (emulated_thread->lane < 8 * COUNT) emulator_read_row(row, 16);
    Ldmatrix mine = {r, row};
    emulator_collective(0xffffffffu, &mine, resolve_ldmatrix<COUNT, TRANSPOSED>);
}
}  // namespace emulated

EMULATED_INLINE void mma_m16n8k16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    emulated::Mma mine = {d, a, b};
    emulator_collective(0xffffffffu, &mine, emulated::resolve_mma);
}

EMULATED_INLINE void ldmatrix_x4(unsigned (&r)[4], const void *row) {
    emulated::ldmatrix<4, false>(r, row);
}
EMULATED_INLINE void ldmatrix_x4_transposed(unsigned (&r)[4], const void *row) {
    emulated::ldmatrix<4, true>(r, row);
}
EMULATED_INLINE void ldmatrix_x2(unsigned (&r)[2], const void *row) {
    emulated::ldmatrix<2, false>(r, row);
}
EMULATED_INLINE void ldmatrix_x2_transposed(unsigned (&r)[2], const void *row) {
    emulated::ldmatrix<2, true>(r, row);
}

EMULATED_INLINE void cp_async_16(void *shared, const void *global, bool inside = true) {
    emulator_copy(shared, global, 16, inside ? 16 : 0);
}
EMULATED_INLINE void cp_async_4(void *shared, const void *global, bool inside = true) {
    emulator_copy(shared, global, 4, inside ? 4 : 0);
}
EMULATED_INLINE void cp_async_commit() {
    emulator_commit_copies();
}
template <int LEFT>
inline __attribute__((always_inline)) void cp_async_wait() {
    emulator_wait_for_copies(LEFT);
}
