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
// copy the call, so its address says nothing. Returns the number of threads whose predicate is 1.
int emulator_barrier(const char *file, int line, int predicate);

// A warp collective: the last lane of the mask to come calls resolve(), which computes all results.
void emulator_collective(unsigned mask, void *data, EmulatedResolve resolve);

// A __shared__ array of this block, filled with 0xff (a NaN) when the first thread asks for it.
void *emulator_shared(int id, size_t bytes, int granule, const char *name);
void *emulator_dynamic_shared(int granule);

// An atomic operation is about to touch this address; pc is where the kernel called it.
void emulator_atomic(void *address, int bytes, const void *pc);

// cp.async: of `bytes`, the first `given` are copied and the others become zero. The copies since the
// last commit are a group; a wait ends them all but the latest `left` groups.
void emulator_copy(void *to, const void *from, int bytes, int given);
void emulator_commit_copies();
void emulator_wait_for_copies(int left);

// A lane of ldmatrix reads a row; a warp of wmma a matrix, whose rows lie row_bytes apart.
void emulator_read_row(const void *row, int bytes);
void emulator_check_matrix(const void *matrix, unsigned row_bytes);

[[noreturn]] void emulator_fail(const char *kind, const char *detail, const void *pc);
}
