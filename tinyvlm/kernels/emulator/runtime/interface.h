// What a compiled kernel and the runtime below it know of each other: both sides include this file.
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

// Where something happened. pc is an offset into the shared library; Python turns it into a line.
struct Site {
    unsigned thread[3];
    unsigned block[3];
    uint64_t pc;
};

// A mistake in a kernel; only the first of a launch is kept.
struct Report {
    char kind[32];  // "race", "barrier", ...; empty: the launch ended well
    char detail[256];
    Site here;
    Site other;  // the earlier access of a race, the other barrier; of a timeout, a second guess
    int has_other;
};

// An array argument: the only global memory a checked kernel may touch.
struct Region {
    char *start;
    uint64_t bytes;
    int argument;  // counted from 1
    int granule;   // bytes of one element, at most 4
};

struct Launch {
    void (*entry)(void **);
    void **arguments;
    unsigned grid[3];
    unsigned block[3];
    unsigned dynamic_shared;
    int check;
    unsigned order;  // 0: thread 0 first, 1: the last thread first, more: a shuffle by this seed
    double seconds;  // the watchdog's limit
    int region_count;
    Region *regions;
};

typedef void (*Resolve)(void **lane_data, unsigned mask);

extern "C" {
extern EmulatedThread *emulated_thread;
extern uint3 emulated_block_size, emulated_grid_size;

void emulator_launch(const Launch *launch, Report *report);

// __syncthreads. Two barriers are the same one when they stand on the same line of a file: g++ may
// copy the call, so its address says nothing.
void emulator_barrier(const char *file, int line);

// A warp collective: the last lane of the mask to come calls resolve(), which computes all results.
void emulator_collective(unsigned mask, void *data, Resolve resolve);

// A __shared__ array of this block, filled with 0xff (a NaN) when the first thread asks for it.
void *emulator_shared(int id, size_t bytes, int granule, const char *name);
void *emulator_dynamic_shared(int granule);

// An atomic operation is about to touch this address; pc is where the kernel called it.
void emulator_atomic(void *address, int bytes, const void *pc);

[[noreturn]] void emulator_fail(const char *kind, const char *detail, const void *pc);
}
