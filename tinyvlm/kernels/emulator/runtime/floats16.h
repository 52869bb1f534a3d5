// The two 16-bit floats, kept as bits and rounded to nearest even, as the hardware rounds them.
// Arithmetic is float32's, rounded once at its end.
#pragma once

namespace emulated {
inline __attribute__((always_inline)) float from_bfloat16(uint16_t b) {
    return bits<float>(static_cast<uint32_t>(b) << 16);
}

inline __attribute__((always_inline)) uint16_t to_bfloat16(float x) {
    uint32_t b = bits<uint32_t>(x);
    if ((b & 0x7fffffff) > 0x7f800000) return 0x7fff;  // NaN: rounding could make it infinite
    return static_cast<uint16_t>((b + 0x7fff + (b >> 16 & 1)) >> 16);
}

// Multiplying by a power of two moves the exponent from half's bias (15) to float's (127) and
// makes half's subnormal numbers normal on the way.
inline __attribute__((always_inline)) float from_half(uint16_t h) {
    uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16, rest = h & 0x7fff;
    if (rest >= 0x7c00) return bits<float>(sign | 0x7f800000 | (rest & 0x3ff) << 13);  // inf, NaN
    return bits<float>(sign | bits<uint32_t>(bits<float>(rest << 13) * 0x1p112f));
}

inline __attribute__((always_inline)) uint16_t to_half(float x) {
    uint32_t b = bits<uint32_t>(x), rest = b & 0x7fffffff;
    uint16_t sign = b >> 16 & 0x8000;
    if (rest > 0x7f800000) return 0x7fff;
    if (rest >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);  // rounds to infinity
    if (rest < 0x38800000) {  // subnormal: adding 0.5 lets the float adder do the rounding
        float shifted = bits<float>(rest) + 0.5f;
        return static_cast<uint16_t>(sign | (bits<uint32_t>(shifted) - 0x3f000000));
    }
    return static_cast<uint16_t>(sign | (rest - 0x38000000 + 0xfff + (rest >> 13 & 1)) >> 13);
}
}  // namespace emulated

struct __nv_bfloat16 {
    uint16_t bits;
    __nv_bfloat16() = default;
    EMULATED_METHOD __nv_bfloat16(float x) : bits(emulated::to_bfloat16(x)) {}
    EMULATED_METHOD operator float() const { return emulated::from_bfloat16(bits); }
};
struct __half {
    uint16_t bits;
    __half() = default;
    EMULATED_METHOD __half(float x) : bits(emulated::to_half(x)) {}
    EMULATED_METHOD operator float() const { return emulated::from_half(bits); }
};
struct __align__(4) __nv_bfloat162 {
    __nv_bfloat16 x, y;
};
struct __align__(4) __half2 {
    __half x, y;
};
typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;
typedef __half half;
typedef __half2 half2;

// ---- the same arithmetic for both, one value and two --------------------------------------------
#define EMULATED_FLOAT16_OPERATOR(T, op)                                                      \
    EMULATED_INLINE T operator op(T a, T b) { return T(float(a) op float(b)); }               \
    EMULATED_INLINE T &operator op##=(T &a, T b) { return a = a op b; }                       \
    EMULATED_INLINE T##2 operator op(T##2 a, T##2 b) { return {a.x op b.x, a.y op b.y}; }
#define EMULATED_FLOAT16_COMPARISON(T, name, op)                                              \
    EMULATED_INLINE bool name(T a, T b) { return float(a) op float(b); }                      \
    EMULATED_INLINE bool operator op(T a, T b) { return float(a) op float(b); }
#define EMULATED_FLOAT16_TWO(T, name, op)                                                     \
    EMULATED_INLINE T name(T a, T b) { return a op b; }                                       \
    EMULATED_INLINE T##2 name##2(T##2 a, T##2 b) { return a op b; }
#define EMULATED_FLOAT16(T)                                                                   \
    EMULATED_FLOAT16_OPERATOR(T, +)                                                           \
    EMULATED_FLOAT16_OPERATOR(T, -)                                                           \
    EMULATED_FLOAT16_OPERATOR(T, *)                                                           \
    EMULATED_FLOAT16_OPERATOR(T, /)                                                           \
    EMULATED_FLOAT16_COMPARISON(T, __hlt, <)                                                  \
    EMULATED_FLOAT16_COMPARISON(T, __hle, <=)                                                 \
    EMULATED_FLOAT16_COMPARISON(T, __hgt, >)                                                  \
    EMULATED_FLOAT16_COMPARISON(T, __hge, >=)                                                 \
    EMULATED_FLOAT16_COMPARISON(T, __heq, ==)                                                 \
    EMULATED_FLOAT16_COMPARISON(T, __hne, !=)                                                 \
    EMULATED_FLOAT16_TWO(T, __hadd, +)                                                        \
    EMULATED_FLOAT16_TWO(T, __hsub, -)                                                        \
    EMULATED_FLOAT16_TWO(T, __hmul, *)                                                        \
    EMULATED_INLINE T __hdiv(T a, T b) { return a / b; }                                      \
    EMULATED_INLINE T operator-(T a) { return T(-float(a)); }                                 \
    EMULATED_INLINE T __hneg(T a) { return -a; }                                              \
    EMULATED_INLINE T __habs(T a) { return T(fabsf(a)); }                                     \
    EMULATED_INLINE T __hmax(T a, T b) { return T(fmaxf(a, b)); }                             \
    EMULATED_INLINE T __hmin(T a, T b) { return T(fminf(a, b)); }                             \
    EMULATED_INLINE T##2 __hmax2(T##2 a, T##2 b) { return {__hmax(a.x, b.x), __hmax(a.y, b.y)}; } \
    EMULATED_INLINE T##2 __hmin2(T##2 a, T##2 b) { return {__hmin(a.x, b.x), __hmin(a.y, b.y)}; } \
    EMULATED_INLINE T __hfma(T a, T b, T c) { return T(fmaf(a, b, c)); }                      \
    EMULATED_INLINE T##2 __hfma2(T##2 a, T##2 b, T##2 c) {                                    \
        return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)};                                \
    }                                                                                         \
    EMULATED_INLINE bool __hisnan(T a) { return float(a) != float(a); }                       \
    EMULATED_INLINE T hexp(T a) { return T(expf(a)); }                                        \
    EMULATED_INLINE T hlog(T a) { return T(logf(a)); }                                        \
    EMULATED_INLINE T hsqrt(T a) { return T(sqrtf(a)); }                                      \
    EMULATED_INLINE T hrsqrt(T a) { return T(1.0f / sqrtf(a)); }                              \
    EMULATED_INLINE float __low2float(T##2 v) { return v.x; }                                 \
    EMULATED_INLINE float __high2float(T##2 v) { return v.y; }                                \
    EMULATED_INLINE T##2 make_##T##2(T x, T y) { return {x, y}; }

EMULATED_FLOAT16(__half)
EMULATED_FLOAT16(__nv_bfloat16)

// ---- conversions, by the names of cuda_bf16.h and cuda_fp16.h ------------------------------------
#define EMULATED_FLOAT16_NAMES(T, one, two, float2two, two2float, floats2two, lanes2two, one2two)  \
    EMULATED_INLINE float __##one##2float(T x) { return x; }                                  \
    EMULATED_INLINE T __float2##one(float x) { return T(x); }                                 \
    EMULATED_INLINE T __float2##one##_rn(float x) { return T(x); }                            \
    EMULATED_INLINE T __int2##one##_rn(int x) { return T(float(x)); }                         \
    EMULATED_INLINE T##2 __float2##two##_rn(float x) { return {T(x), T(x)}; }                 \
    EMULATED_INLINE T##2 floats2two(float x, float y) { return {T(x), T(y)}; }                \
    EMULATED_INLINE T##2 float2two(float2 v) { return {T(v.x), T(v.y)}; }                     \
    EMULATED_INLINE float2 two2float(T##2 v) { return {v.x, v.y}; }                           \
    EMULATED_INLINE T##2 lanes2two(T x, T y) { return {x, y}; }                               \
    EMULATED_INLINE T##2 one2two(T x) { return {x, x}; }                                      \
    EMULATED_INLINE T __low2##one(T##2 v) { return v.x; }                                     \
    EMULATED_INLINE T __high2##one(T##2 v) { return v.y; }                                    \
    EMULATED_INLINE unsigned short __##one##_as_ushort(T x) { return x.bits; }                \
    EMULATED_INLINE T __ushort_as_##one(unsigned short bits) { return emulated::bits<T>(bits); }

EMULATED_FLOAT16_NAMES(__nv_bfloat16, bfloat16, bfloat162, __float22bfloat162_rn,
                       __bfloat1622float2, __floats2bfloat162_rn, __halves2bfloat162,
                       __bfloat162bfloat162)
EMULATED_FLOAT16_NAMES(__half, half, half2, __float22half2_rn, __half22float2, __floats2half2_rn,
                       __halves2half2, __half2half2)
