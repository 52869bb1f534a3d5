// The two 16-bit floats, kept as bits and rounded to nearest even, as the hardware rounds them.
#pragma once

struct __nv_bfloat16 {
    uint16_t bits;
};
struct __align__(4) __nv_bfloat162 {
    __nv_bfloat16 x, y;
};
struct __half {
    uint16_t bits;
};
struct __align__(4) __half2 {
    __half x, y;
};
typedef __half half;
typedef __half2 half2;

EMULATED_INLINE float __bfloat162float(__nv_bfloat16 x) {
    return emulated::bits<float>(static_cast<uint32_t>(x.bits) << 16);
}

EMULATED_INLINE __nv_bfloat16 __float2bfloat16(float x) {
    uint32_t b = emulated::bits<uint32_t>(x);
    if ((b & 0x7fffffff) > 0x7f800000) return {0x7fff};  // NaN: rounding could make it infinite
    return {static_cast<uint16_t>((b + 0x7fff + (b >> 16 & 1)) >> 16)};
}

EMULATED_INLINE __nv_bfloat16 __float2bfloat16_rn(float x) { return __float2bfloat16(x); }
EMULATED_INLINE __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
    return {__float2bfloat16(x), __float2bfloat16(y)};
}
EMULATED_INLINE __nv_bfloat162 __float22bfloat162_rn(float2 v) {
    return __floats2bfloat162_rn(v.x, v.y);
}
EMULATED_INLINE float2 __bfloat1622float2(__nv_bfloat162 v) {
    return {__bfloat162float(v.x), __bfloat162float(v.y)};
}

// Multiplying by a power of two moves the exponent from half's bias (15) to float's (127) and
// makes half's subnormal numbers normal on the way.
EMULATED_INLINE float __half2float(__half h) {
    uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000) << 16, rest = h.bits & 0x7fff;
    if (rest >= 0x7c00)  // infinite or NaN
        return emulated::bits<float>(sign | 0x7f800000 | (rest & 0x3ff) << 13);
    float magnitude = emulated::bits<float>(rest << 13) * 0x1p112f;
    return emulated::bits<float>(sign | emulated::bits<uint32_t>(magnitude));
}

EMULATED_INLINE __half __float2half(float x) {
    uint32_t b = emulated::bits<uint32_t>(x), rest = b & 0x7fffffff;
    uint16_t sign = b >> 16 & 0x8000;
    if (rest > 0x7f800000) return {0x7fff};
    if (rest >= 0x477ff000) return {static_cast<uint16_t>(sign | 0x7c00)};  // rounds to infinity
    if (rest < 0x38800000) {  // subnormal: adding 0.5 lets the float adder do the rounding
        float shifted = emulated::bits<float>(rest) + 0.5f;
        return {static_cast<uint16_t>(sign | (emulated::bits<uint32_t>(shifted) - 0x3f000000))};
    }
    return {static_cast<uint16_t>(sign | (rest - 0x38000000 + 0xfff + (rest >> 13 & 1)) >> 13)};
}

EMULATED_INLINE __half __float2half_rn(float x) { return __float2half(x); }
EMULATED_INLINE __half2 __floats2half2_rn(float x, float y) {
    return {__float2half(x), __float2half(y)};
}
EMULATED_INLINE float2 __half22float2(__half2 v) {
    return {__half2float(v.x), __half2float(v.y)};
}
