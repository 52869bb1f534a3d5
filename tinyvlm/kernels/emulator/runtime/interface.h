// What a compiled kernel and the runtime below it know of each other. A kernel sees these names, so
// there are few of them.
#pragma once
#include <cstddef>
#include <cstdint>

struct uint3 {
    unsigned x, y, z;
};

// One CUDA thread, as the kernel sees it.
struct EmulatedThread {
    uint3 index;  // threadIdx
    uint3 block;  // blockIdx
    int rank;     // x + blockDim.x * (y + blockDim.y * z)
    int warp, lane;
};

typedef void (*EmulatedResolve)(void **lane_data, unsigned mask);

extern "C" {
extern EmulatedThread *emulated_thread;
extern uint3 emulated_block_size, emulated_grid_size;

// __syncthreads. Two barriers are the same one when they stand on the same line of a file: g++ may
// copy the call, so its address says nothing.
void emulator_barrier(const char *file, int line);

// A warp collective: the last lane of the mask to come calls resolve(), which computes all results.
void emulator_collective(unsigned mask, void *data, EmulatedResolve resolve);

// A __shared__ array of this block, filled with 0xff (a NaN) when the first thread asks for it.
void *emulator_shared(int id, size_t bytes, int granule, const char *name);
void *emulator_dynamic_shared(int granule);

// An atomic operation is about to touch this address; pc is where the kernel called it.
void emulator_atomic(void *address, int bytes, const void *pc);

[[noreturn]] void emulator_fail(const char *kind, const char *detail, const void *pc);
}
