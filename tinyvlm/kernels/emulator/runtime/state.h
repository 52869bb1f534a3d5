// What the runtime's files share: the threads of the running block and the launch they belong to.
#pragma once
#include "fiber.h"
#include "interface.h"
#include "launch.h"

enum State { READY, AT_BARRIER, IN_COLLECTIVE, RETURNED };

struct Thread : EmulatedThread {
    Fiber fiber;
    State state;
    const void *pc;    // where it waits, or last touched memory
    const char *file;  // of the barrier
    int line;
    int predicate;  // of __syncthreads_count
    unsigned mask;  // of the collective
    void *data;
    EmulatedResolve resolve;
};

constexpr int MAX_THREADS = 1024;
constexpr size_t STACK_BYTES = 128 << 10;  // of one thread, with a guard page at its far end
constexpr size_t SHARED_BYTES = 512 << 10;  // 227 KB and the red zones between arrays
constexpr size_t STATIC_BYTES = 48 << 10;   // more has to be asked for at the launch
constexpr size_t RED_ZONE = 64;
constexpr int MAX_SHARED_ARRAYS = 256;

struct SharedArray {
    uint32_t block;  // the block it was made for; of any other, it does not exist yet
    size_t offset, bytes, first_cell;
    int granule;
    const char *name;
};

static Thread threads[MAX_THREADS];
static int thread_count;
static Thread *current;  // null while no thread of the kernel runs
static Fiber scheduler;
static const Launch *launch;
static Report *report;
static volatile bool stopped;  // a mistake was found, or the time is over
// In a hook the watchdog does not bite, or it would leave a half-changed history behind.
static volatile int in_hook;
static volatile bool time_is_up;
static bool counting;  // for a profile

static char *stacks, *shared_memory;
static SharedArray shared_arrays[MAX_SHARED_ARRAYS];
static int shared_count;  // highest id in use, plus one
static size_t shared_top, shared_cell_top, static_bytes;

// Time, for the race detector. Blocks have no order among each other; within a block a barrier
// orders everything, within a warp a collective does.
static uint32_t block_number;  // 1 + its rank in the grid
static int barrier_count;
static uint32_t barrier_step, warp_step[MAX_THREADS / 32];

extern "C" char __ehdr_start[] __attribute__((visibility("hidden")));  // this library, from here
extern "C" char _end[] __attribute__((visibility("hidden")));          // to here

static inline uint64_t offset_of(const void *pc) {
    return static_cast<const char *>(pc) - __ehdr_start;
}
