// nvcuda::wmma on the CPU: 16-bit fragments that add up in float32 or half.
//
// Which lane holds which element of a fragment is nobody's promise: here, element i of lane n is
// number 32 i + n of the matrix, row after row. So a profile of these loads is not a GPU's.
#pragma once
#include "interface.h"

namespace nvcuda {
namespace wmma {
struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
enum layout_t { mem_row_major, mem_col_major };

template <class Use, int M, int N, int K, class T, class Layout = void>
struct fragment {
    static_assert(M * N == 256 && K == 16, "m16n16k16, m32n8k16 or m8n32k16");
    static constexpr int rows = std::is_same<Use, matrix_b>::value ? K : M;
    static constexpr int columns = std::is_same<Use, matrix_a>::value ? K : N;
    static constexpr int num_elements = rows * columns / 32;
    static constexpr bool by_column = std::is_same<Layout, col_major>::value;
    T x[num_elements];
};

struct Whole {};

EMULATED_RESOLVE resolve_whole(void **lanes, unsigned) {
    for (int lane = 0; lane < 32; lane++)
        if (!lanes[lane]) emulator_fail("warp collective", "wmma needs all 32 lanes", nullptr);
}

EMULATED_INLINE void come_together() {
    Whole mine;
    emulator_collective(0xffffffffu, &mine, resolve_whole);
}

template <class F, class V>
EMULATED_METHOD void fill_fragment(F &fragment, V value) {
    for (auto &element : fragment.x) element = value;
}

// Each lane reads its elements before the warp comes together: what another lane has just written
// is not there without a __syncwarp().
template <class F, class T>
EMULATED_METHOD void load_by(F &fragment, const T *matrix, unsigned pitch, bool by_column) {
    emulator_check_matrix(matrix, pitch * sizeof(T));
    for (int i = 0; i < F::num_elements; i++) {
        int number = 32 * i + emulated_thread->lane;
        int row = number / F::columns, column = number % F::columns;
        fragment.x[i] = by_column ? matrix[column * pitch + row] : matrix[row * pitch + column];
    }
    come_together();
}

template <class Use, int M, int N, int K, class T, class Layout>
EMULATED_METHOD void load_matrix_sync(fragment<Use, M, N, K, T, Layout> &f, const T *matrix,
                                      unsigned pitch) {
    load_by(f, matrix, pitch, fragment<Use, M, N, K, T, Layout>::by_column);
}
template <int M, int N, int K, class T>
EMULATED_METHOD void load_matrix_sync(fragment<accumulator, M, N, K, T> &f, const T *matrix,
                                      unsigned pitch, layout_t layout) {
    load_by(f, matrix, pitch, layout == mem_col_major);
}

template <int M, int N, int K, class T>
EMULATED_METHOD void store_matrix_sync(T *matrix, const fragment<accumulator, M, N, K, T> &f,
                                       unsigned pitch, layout_t layout) {
    emulator_check_matrix(matrix, pitch * sizeof(T));
    for (int i = 0; i < M * N / 32; i++) {
        int number = 32 * i + emulated_thread->lane, row = number / N, column = number % N;
        T &place = layout == mem_col_major ? matrix[column * pitch + row]
                                           : matrix[row * pitch + column];
        place = f.x[i];
    }
    come_together();
}

template <class D, class A, class B>
struct Product {
    D *d;
    const A *a;
    const B *b;
};

template <class D, class A, class B>
EMULATED_RESOLVE resolve_product(void **lanes, unsigned all) {
    resolve_whole(lanes, all);
    auto **all_of = reinterpret_cast<Product<D, A, B> **>(lanes);
    float a[A::rows][A::columns], b[B::rows][B::columns];
    for (int n = 0; n < A::rows * A::columns; n++)
        a[n / A::columns][n % A::columns] = all_of[n % 32]->a->x[n / 32];
    for (int n = 0; n < B::rows * B::columns; n++)
        b[n / B::columns][n % B::columns] = all_of[n % 32]->b->x[n / 32];
    for (int n = 0; n < D::rows * D::columns; n++) {
        auto &place = all_of[n % 32]->d->x[n / 32];
        float sum = place;
        for (int k = 0; k < A::columns; k++) sum += a[n / D::columns][k] * b[k][n % D::columns];
        place = sum;
    }
}

template <int M, int N, int K, class T, class L, class L2, class S>
EMULATED_METHOD void mma_sync(fragment<accumulator, M, N, K, S> &d,
                              const fragment<matrix_a, M, N, K, T, L> &a,
                              const fragment<matrix_b, M, N, K, T, L2> &b,
                              const fragment<accumulator, M, N, K, S> &c) {
    if (&d != &c) d = c;
    typedef typename std::remove_reference<decltype(d)>::type D;
    typedef fragment<matrix_a, M, N, K, T, L> A;
    typedef fragment<matrix_b, M, N, K, T, L2> B;
    Product<D, A, B> mine = {&d, &a, &b};
    emulator_collective(0xffffffffu, &mine, resolve_product<D, A, B>);
}
}  // namespace wmma
}  // namespace nvcuda
