// What Python and the runtime hand each other: the same structs stand in interface.py.
#pragma once
#include <cstdint>

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
    int profile;     // count requests too; only with check
    unsigned order;  // 0: thread 0 first, 1: the last thread first, more: a shuffle by this seed
    double seconds;  // the watchdog's limit
    int region_count;
    Region *regions;
};

// What one instruction asked of one array, over a whole launch (profile.cpp).
enum What { GLOBAL_LOAD, GLOBAL_STORE, GLOBAL_ATOMIC, SHARED_LOAD, SHARED_STORE, SHARED_ATOMIC };
struct Counted {
    uint64_t pc;
    int what;
    int array;         // the argument's number, or the shared array's id
    const char *name;  // of a shared array
    uint64_t requests;
    uint64_t bytes;        // different ones, summed over the requests
    uint64_t sectors;      // of global memory
    uint64_t turns;        // that the banks of shared memory took
    uint64_t least_turns;  // that they would have taken without any conflict
};

extern "C" {
void emulator_launch(const Launch *launch, Report *report);

// The rows of the last launch with profile; they stay until the next one.
int emulator_profile(const Counted **rows);
}
