// Atomic operations. Emulated threads give way only where they wait, so a plain read and write does.
#pragma once

// no_sanitize: their own reads and writes are not checked one by one; emulator_atomic checks them
// together, as one access that may meet other atomic ones.
#define EMULATED_ATOMIC(name, update)                                                        \
    template <class T>                                                                       \
    __attribute__((no_sanitize("thread"), noinline)) T name(T *address, T value) {           \
        emulator_atomic(address, sizeof(T), __builtin_return_address(0));                    \
        T old = *address;                                                                    \
        *address = update;                                                                   \
        return old;                                                                          \
    }                                                                                        \
    template <class T, class V>                                                              \
    inline __attribute__((always_inline)) T name(T *address, V value) {                      \
        return name<T>(address, static_cast<T>(value));                                      \
    }

EMULATED_ATOMIC(atomicAdd, old + value)
EMULATED_ATOMIC(atomicSub, old - value)
EMULATED_ATOMIC(atomicMax, (value > old ? value : old))
EMULATED_ATOMIC(atomicMin, (value < old ? value : old))
EMULATED_ATOMIC(atomicExch, value)
EMULATED_ATOMIC(atomicAnd, (old & value))
EMULATED_ATOMIC(atomicOr, (old | value))
EMULATED_ATOMIC(atomicXor, (old ^ value))
EMULATED_ATOMIC(atomicInc, (old >= value ? 0 : old + 1))
EMULATED_ATOMIC(atomicDec, (old == 0 || old > value ? value : old - 1))

template <class T>
__attribute__((no_sanitize("thread"), noinline)) T atomicCAS(T *address, T expected, T value) {
    emulator_atomic(address, sizeof(T), __builtin_return_address(0));
    T old = *address;
    if (old == expected) *address = value;
    return old;
}

template <class T, class E, class V>
inline __attribute__((always_inline)) T atomicCAS(T *address, E expected, V value) {
    return atomicCAS<T>(address, static_cast<T>(expected), static_cast<T>(value));
}

// For whom an operation is atomic, a block or the whole machine, is of no concern here.
#define atomicAdd_block atomicAdd
#define atomicAdd_system atomicAdd
#define atomicMax_block atomicMax
#define atomicMin_block atomicMin
#define atomicExch_block atomicExch
#define atomicCAS_block atomicCAS
#define atomicCAS_system atomicCAS
