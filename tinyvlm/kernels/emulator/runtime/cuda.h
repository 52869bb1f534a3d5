// CUDA C for g++: keywords, built-in variables, vector types and arithmetic, ahead of a .cu file.
#pragma once
// All standard headers come first: some of them use names that are macros below.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "interface.h"

#define TINYVLM_EMULATOR 1
#define __CUDACC__ 1
#define __CUDA_ARCH__ 900
#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __restrict__ __restrict
#define __grid_constant__
#define warpSize 32
#define EMULATED_INLINE static inline __attribute__((always_inline))
#define EMULATED_METHOD inline __attribute__((always_inline))

#define threadIdx (emulated_thread->index)
#define blockIdx (emulated_thread->block)
#define blockDim emulated_block_size
#define gridDim emulated_grid_size
#define __syncthreads() emulator_barrier(__FILE__, __LINE__, 0)
#define __syncthreads_count(predicate) emulator_barrier(__FILE__, __LINE__, !!(predicate))
#define __syncthreads_or(predicate) (__syncthreads_count(predicate) > 0)
#define __syncthreads_and(predicate) (__syncthreads_count(!(predicate)) == 0)

EMULATED_INLINE void __threadfence() {}
EMULATED_INLINE void __threadfence_block() {}
EMULATED_INLINE void __threadfence_system() {}

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

// ---- vector types -----------------------------------------------------------------------------
#define EMULATED_VECTOR(T, name, bytes2, bytes4)                                             \
    struct __align__(bytes2) name##2 { T x, y; };                                            \
    struct name##3 { T x, y, z; };                                                           \
    struct __align__(bytes4) name##4 { T x, y, z, w; };                                      \
    EMULATED_INLINE name##2 make_##name##2(T x, T y) { return {x, y}; }                      \
    EMULATED_INLINE name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }              \
    EMULATED_INLINE name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }

typedef unsigned char emulated_uchar;
typedef unsigned short emulated_ushort;
typedef long long emulated_longlong;
EMULATED_VECTOR(float, float, 8, 16)
EMULATED_VECTOR(int, int, 8, 16)
EMULATED_VECTOR(char, char, 2, 4)
EMULATED_VECTOR(emulated_uchar, uchar, 2, 4)
EMULATED_VECTOR(short, short, 4, 8)
EMULATED_VECTOR(emulated_ushort, ushort, 4, 8)
EMULATED_VECTOR(double, double, 16, 16)
EMULATED_VECTOR(emulated_longlong, longlong, 16, 16)
struct __align__(8) uint2 { unsigned x, y; };  // uint3 is in interface.h
struct __align__(16) uint4 { unsigned x, y, z, w; };
EMULATED_INLINE uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
EMULATED_INLINE uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
    return {x, y, z, w};
}

// ---- arithmetic -------------------------------------------------------------------------------
// glibc declares functions of these names, so they are macros.
#define __expf expf
#define __logf logf
#define __sinf sinf
#define __cosf cosf
#define __tanf tanf
#define __powf powf
#define __log2f log2f
#define __log10f log10f
#define CUDART_INF_F (__builtin_inff())

EMULATED_INLINE float emulated_apart(float x) {
    asm("" : "+m"(x));  // g++ sees only that something may have happened to x
    return x;
}
EMULATED_INLINE float rsqrtf(float x) { return 1.0f / sqrtf(x); }
EMULATED_INLINE double rsqrt(double x) { return 1.0 / sqrt(x); }
EMULATED_INLINE float __fdividef(float x, float y) { return x / y; }
EMULATED_INLINE float __frcp_rn(float x) { return 1.0f / x; }
EMULATED_INLINE float __fsqrt_rn(float x) { return sqrtf(x); }
EMULATED_INLINE float __frsqrt_rn(float x) { return 1.0f / sqrtf(x); }
EMULATED_INLINE float __fdiv_rn(float x, float y) { return x / y; }
EMULATED_INLINE float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
EMULATED_INLINE float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }
// These are never made one fma with what stands around them.
EMULATED_INLINE float __fadd_rn(float x, float y) { return emulated_apart(x + y); }
EMULATED_INLINE float __fsub_rn(float x, float y) { return emulated_apart(x - y); }
EMULATED_INLINE float __fmul_rn(float x, float y) { return emulated_apart(x * y); }
EMULATED_INLINE int __float2int_rn(float x) { return static_cast<int>(rintf(x)); }
EMULATED_INLINE int __float2int_rz(float x) { return static_cast<int>(x); }
EMULATED_INLINE int __float2int_rd(float x) { return static_cast<int>(floorf(x)); }
EMULATED_INLINE int __float2int_ru(float x) { return static_cast<int>(ceilf(x)); }
EMULATED_INLINE float __int2float_rn(int x) { return static_cast<float>(x); }
EMULATED_INLINE int min(int a, int b) { return a < b ? a : b; }
EMULATED_INLINE int max(int a, int b) { return a > b ? a : b; }
EMULATED_INLINE unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
EMULATED_INLINE unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
EMULATED_INLINE long long min(long long a, long long b) { return a < b ? a : b; }
EMULATED_INLINE long long max(long long a, long long b) { return a > b ? a : b; }
EMULATED_INLINE float min(float a, float b) { return fminf(a, b); }
EMULATED_INLINE float max(float a, float b) { return fmaxf(a, b); }
EMULATED_INLINE double min(double a, double b) { return fmin(a, b); }
EMULATED_INLINE double max(double a, double b) { return fmax(a, b); }
EMULATED_INLINE int __popc(unsigned x) { return __builtin_popcount(x); }
EMULATED_INLINE int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
EMULATED_INLINE int __ffs(int x) { return __builtin_ffs(x); }
EMULATED_INLINE int __clz(int x) { return x ? __builtin_clz(x) : 32; }
EMULATED_INLINE unsigned __umulhi(unsigned x, unsigned y) {
    return static_cast<unsigned>(static_cast<unsigned long long>(x) * y >> 32);
}

namespace emulated {
template <class To, class From>
inline __attribute__((always_inline)) To bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "the same number of bytes");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

constexpr int granule(size_t element) {
    return element >= 4 ? 4 : element >= 2 ? 2 : 1;
}

// What a __shared__ declaration becomes (source.py): a reference into the block's shared memory.
template <class T>
inline __attribute__((always_inline)) T &shared(int id, const char *name) {
    constexpr int g = granule(alignof(typename std::remove_all_extents<T>::type));
    return *static_cast<T *>(emulator_shared(id, sizeof(T), g, name));
}

template <class T>
inline __attribute__((always_inline)) T *dynamic_shared() {
    return static_cast<T *>(emulator_dynamic_shared(granule(alignof(T))));
}
}  // namespace emulated

EMULATED_INLINE float __int_as_float(int x) { return emulated::bits<float>(x); }
EMULATED_INLINE int __float_as_int(float x) { return emulated::bits<int>(x); }
EMULATED_INLINE float __uint_as_float(unsigned x) { return emulated::bits<float>(x); }
EMULATED_INLINE unsigned __float_as_uint(float x) { return emulated::bits<unsigned>(x); }

// Which cache keeps a value is of no concern here.
#define EMULATED_LOAD(name)                                                                  \
    template <class T>                                                                       \
    inline __attribute__((always_inline)) T name(const T *address) {                         \
        return *address;                                                                     \
    }
#define EMULATED_STORE(name)                                                                 \
    template <class T>                                                                       \
    inline __attribute__((always_inline)) void name(T *address, T value) {                   \
        *address = value;                                                                    \
    }
EMULATED_LOAD(__ldg)
EMULATED_LOAD(__ldca)
EMULATED_LOAD(__ldcg)
EMULATED_LOAD(__ldcs)
EMULATED_LOAD(__ldlu)
EMULATED_LOAD(__ldcv)
EMULATED_STORE(__stwb)
EMULATED_STORE(__stcg)
EMULATED_STORE(__stcs)
EMULATED_STORE(__stwt)

#include "floats16.h"

#include "atomics.h"
#include "signature.h"
#include "warp.h"
