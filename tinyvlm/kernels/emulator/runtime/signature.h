// A kernel's parameters as text, taken from its C++ type, so that Python can check what it is given.
#pragma once

// "f4" a float, "i4 x4" written "i4x4" an int4, "b2" a bfloat16, "v0" void, "s24" a struct.
namespace emulated {
template <class T>
struct Element {
    static std::string text() {
        char kind = std::is_same<T, bool>::value           ? 't'
                    : std::is_floating_point<T>::value     ? 'f'
                    : !std::is_integral<T>::value          ? 's'
                    : std::is_signed<T>::value             ? 'i'
                                                           : 'u';
        return kind + std::to_string(sizeof(T));
    }
};
#define EMULATED_ELEMENT(T, name)                       \
    template <>                                         \
    struct Element<T> {                                 \
        static std::string text() { return name; }      \
    };
EMULATED_ELEMENT(void, "v0")
EMULATED_ELEMENT(__nv_bfloat16, "b2")
EMULATED_ELEMENT(__nv_bfloat162, "b2x2")
EMULATED_ELEMENT(__half, "f2")
EMULATED_ELEMENT(__half2, "f2x2")
EMULATED_ELEMENT(float2, "f4x2")
EMULATED_ELEMENT(float4, "f4x4")
EMULATED_ELEMENT(int2, "i4x2")
EMULATED_ELEMENT(int4, "i4x4")
EMULATED_ELEMENT(double2, "f8x2")
EMULATED_ELEMENT(longlong2, "i8x2")
EMULATED_ELEMENT(float3, "f4x3")
EMULATED_ELEMENT(int3, "i4x3")
EMULATED_ELEMENT(uchar4, "u1x4")
EMULATED_ELEMENT(char4, "i1x4")
EMULATED_ELEMENT(short2, "i2x2")
EMULATED_ELEMENT(ushort2, "u2x2")
EMULATED_ELEMENT(uint2, "u4x2")
EMULATED_ELEMENT(uint4, "u4x4")

// "scalar f4", "array f4" (the kernel may write), "const f4" (it only reads).
template <class T>
struct Parameter {
    static std::string text() { return "scalar " + Element<T>::text(); }
};
template <class T>
struct Parameter<T *> {
    static std::string text() {
        const char *way = std::is_const<T>::value ? "const " : "array ";
        return way + Element<typename std::remove_cv<T>::type>::text();
    }
};

template <class... P>
const char *signature(void (*)(P...)) {
    static char text[1024];
    std::string all;
    for (const std::string &one : {std::string(), Parameter<P>::text()...})
        if (!one.empty()) all += (all.empty() ? "" : ",") + one;
    snprintf(text, sizeof text, "%s", all.c_str());
    return text;
}

// noipa: otherwise g++ moves a kernel's first loads out of it, to where they are not checked.
template <class... P, size_t... I>
__attribute__((no_sanitize("thread"), noipa)) void call(void (*kernel)(P...), void **values,
                                                        std::index_sequence<I...>) {
    void (*volatile opaque)(P...) = kernel;
    opaque(*static_cast<typename std::remove_cv<P>::type *>(values[I])...);
}
template <class... P>
__attribute__((no_sanitize("thread"))) void call(void (*kernel)(P...), void **values) {
    call(kernel, values, std::make_index_sequence<sizeof...(P)>());
}
}  // namespace emulated

#define EMULATOR_ENTRY(kernel)                                                               \
    extern "C" __attribute__((no_sanitize("thread"))) void emulator_entry_##kernel(void **v) { \
        emulated::call(&kernel, v);                                                          \
    }                                                                                        \
    extern "C" const char *emulator_signature_##kernel() { return emulated::signature(&kernel); }
