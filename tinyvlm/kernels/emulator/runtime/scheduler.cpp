// Runs a grid block by block and a block thread by thread; a thread runs until it has to wait.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "state.h"

extern "C" {
EmulatedThread *emulated_thread;
uint3 emulated_block_size, emulated_grid_size;
}

static Site site_of(const Thread &thread, const void *pc) {
    const uint3 &t = thread.index, &b = thread.block;
    return {{t.x, t.y, t.z}, {b.x, b.y, b.z}, offset_of(pc)};
}

// The first mistake counts: a kernel that went wrong once goes wrong in many ways after it.
static void note(const char *kind, const Thread &thread, const void *pc, const char *format, ...) {
    if (stopped) return;
    stopped = true;
    snprintf(report->kind, sizeof report->kind, "%s", kind);
    va_list values;
    va_start(values, format);
    vsnprintf(report->detail, sizeof report->detail, format, values);
    va_end(values);
    report->here = site_of(thread, pc);
}

static void give_way() {
    switch_fiber(current->fiber, scheduler);
}

[[noreturn]] static void abandon() {
    for (;;) give_way();  // a stopped launch never goes on with any thread
}

extern "C" void emulator_fail(const char *kind, const char *detail, const void *pc) {
    note(kind, *current, pc ? pc : current->pc, "%s", detail);
    abandon();
}

static void thread_main() {
    launch->entry(launch->arguments);
    current->state = RETURNED;
    abandon();
}

// ---- waiting ----------------------------------------------------------------------------------
extern "C" int emulator_barrier(const char *file, int line, int predicate) {
    current->file = file;
    current->line = line;
    current->predicate = predicate;
    current->pc = __builtin_return_address(0);
    current->state = AT_BARRIER;
    give_way();
    return barrier_count;  // of this barrier: the next one needs this thread, too
}

// The lanes of `mask` that exist: the last warp of a block may be a partial one.
static unsigned existing_lanes(int warp, unsigned mask) {
    int lanes = thread_count - 32 * warp;
    return lanes >= 32 ? mask : mask & ((1u << lanes) - 1);
}

static bool all_lanes_wait(unsigned mask, EmulatedResolve resolve, void **data) {
    Thread *warp = threads + 32 * current->warp;
    for (int lane = 0; lane < 32; lane++) {
        if (!(mask >> lane & 1)) continue;
        const Thread &other = warp[lane];
        bool same = other.mask == current->mask && other.resolve == resolve;
        if (other.state != IN_COLLECTIVE || !same) return false;
        data[lane] = other.data;
    }
    return true;
}

extern "C" void emulator_collective(unsigned mask, void *data, EmulatedResolve resolve) {
    Thread *me = current;
    me->mask = mask;
    me->data = data;
    me->resolve = resolve;
    me->pc = __builtin_return_address(0);
    me->state = IN_COLLECTIVE;
    if (!(mask >> me->lane & 1))
        emulator_fail("warp collective", "a lane calls a warp collective whose mask leaves it out",
                      me->pc);
    unsigned lanes = existing_lanes(me->warp, mask);
    void *lane_data[32] = {};
    if (!all_lanes_wait(lanes, resolve, lane_data)) {
        give_way();
        return;
    }
    resolve(lane_data, mask);
    warp_step[me->warp]++;
    for (int lane = 0; lane < 32; lane++)
        if (lanes >> lane & 1) threads[32 * me->warp + lane].state = READY;
}

// ---- nobody can go on -------------------------------------------------------------------------
static void note_stuck_collective(const Thread &waiting) {
    unsigned lanes = existing_lanes(waiting.warp, waiting.mask);
    for (int lane = 0; lane < 32; lane++) {
        const Thread &other = threads[32 * waiting.warp + lane];
        if (!(lanes >> lane & 1) || (other.state == IN_COLLECTIVE && other.mask == waiting.mask &&
                                     other.resolve == waiting.resolve))
            continue;
        const char *where = other.state == RETURNED     ? "has returned"
                            : other.state == AT_BARRIER ? "waits at a barrier"
                                                        : "waits in another warp collective";
        note("deadlock", waiting, waiting.pc,
             "a warp collective with mask 0x%08x waits for lane %d, which %s", waiting.mask, lane,
             where);
        return;
    }
}

static bool same_barrier(const Thread &a, const Thread &b) {
    return a.line == b.line && strcmp(a.file, b.file) == 0;
}

// True when the block may go on, or has ended; else the mistake is noted.
static bool settle_waiting(bool *ended) {
    int returned = 0;
    const Thread *first = nullptr;
    for (int i = 0; i < thread_count; i++) {
        const Thread &thread = threads[i];
        if (thread.state == IN_COLLECTIVE) {
            note_stuck_collective(thread);
            return false;
        }
        returned += thread.state == RETURNED;
        if (thread.state == AT_BARRIER && !first) first = &thread;
    }
    *ended = returned == thread_count;
    if (*ended) return true;
    for (int i = 0; i < thread_count; i++) {
        const Thread &other = threads[i];
        if (other.state != AT_BARRIER || same_barrier(*first, other)) continue;
        note("barrier", *first, first->pc, "threads of one block wait at two different barriers");
        report->other = site_of(other, other.pc);
        report->has_other = 1;
        return false;
    }
    if (returned) {
        note("barrier", *first, first->pc,
             "%d of %d threads have returned and never come to this barrier", returned,
             thread_count);
        return false;
    }
    barrier_count = 0;
    for (int i = 0; i < thread_count; i++) {
        threads[i].state = READY;
        barrier_count += threads[i].predicate;
    }
    barrier_step++;
    return true;
}

// ---- shared memory ----------------------------------------------------------------------------
extern "C" void *emulator_shared(int id, size_t bytes, int granule, const char *name) {
    SharedArray &array = shared_arrays[id];
    if (array.block == block_number) return shared_memory + array.offset;
    size_t gap = launch->check ? RED_ZONE : 0;
    size_t offset = (shared_top + gap + 127) / 128 * 128;
    if (id >= MAX_SHARED_ARRAYS || offset + bytes + gap > SHARED_BYTES)
        emulator_fail("shared memory", "more shared memory than a block can have",
                      __builtin_return_address(0));
    if (id) static_bytes += bytes;
    if (static_bytes > STATIC_BYTES)
        emulator_fail("shared memory", "more than 48 KB in __shared__ arrays of a fixed size",
                      __builtin_return_address(0));
    array = {block_number, offset, bytes, shared_cell_top, granule, name};
    shared_top = offset + bytes;
    shared_cell_top += bytes / granule + 1;
    shared_count = std::max(shared_count, id + 1);
    memset(shared_memory + offset, 0xff, bytes);  // NaN: what nobody wrote is seen in the result
    return shared_memory + offset;
}

extern "C" void *emulator_dynamic_shared(int granule) {
    return emulator_shared(0, launch->dynamic_shared, granule, "dynamic shared memory");
}

// ---- blocks -----------------------------------------------------------------------------------
static void start_block(uint3 block, const std::vector<int> &order) {
    block_number = 1 + block.x + launch->grid[0] * (block.y + launch->grid[1] * block.z);
    shared_top = shared_cell_top = static_bytes = 0;
    barrier_step = 1;
    for (int i : order) {
        threads[i].block = block;
        threads[i].state = READY;
        // Stacks whose tops are a power of two apart would share one set of the cache.
        size_t stagger = (i & 63) * 320;
        char *stack = stacks + i * STACK_BYTES;
        start_fiber(threads[i].fiber, stack, STACK_BYTES - stagger, thread_main);
    }
}

static void run_block(uint3 block, std::vector<int> &order, std::mt19937 &random) {
    start_block(block, order);
    for (bool ended = false; !ended;) {
        if (launch->order > 1) std::shuffle(order.begin(), order.end(), random);
        bool any = false;
        for (int i : order) {
            if (threads[i].state != READY) continue;
            any = true;
            emulated_thread = current = &threads[i];
            switch_fiber(scheduler, current->fiber);
            if (stopped) return;
        }
        if (!any && !settle_waiting(&ended)) return;
    }
}

static void number_threads() {
    const unsigned *size = launch->block;
    for (int i = 0; i < thread_count; i++) {
        unsigned rank = i;
        threads[i].index = {rank % size[0], rank / size[0] % size[1], rank / (size[0] * size[1])};
        threads[i].rank = i;
        threads[i].warp = i / 32;
        threads[i].lane = i % 32;
    }
}

static const size_t MAPPED_BYTES = MAX_THREADS * STACK_BYTES + SHARED_BYTES;

// A page before each stack that nobody may touch. Such a page is a mapping of its own, and a process
// may have 65,530 of them: so only the threads of this launch get one, and all is given back after
// it. (A process that loads a hundred kernels has a hundred copies of this runtime.)
static void map_stacks() {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *memory = mmap(nullptr, MAPPED_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) return;
    stacks = static_cast<char *>(memory);
    shared_memory = stacks + MAX_THREADS * STACK_BYTES;
    for (int i = 0; i < thread_count; i++)
        mprotect(stacks + i * STACK_BYTES, sysconf(_SC_PAGESIZE), PROT_NONE);
}

static void unmap_stacks() {
    munmap(stacks, MAPPED_BYTES);
    stacks = shared_memory = nullptr;
}

static void forget_accesses();  // memory.cpp
static void forget_profile();   // profile.cpp
static void settle_all();
static void forget_copies();    // copies.cpp
static void start_watchdog();   // watchdog.cpp
static void stop_watchdog();

static void run_grid() {
    std::vector<int> order(thread_count);
    std::iota(order.begin(), order.end(), 0);
    if (launch->order == 1) std::reverse(order.begin(), order.end());
    std::mt19937 random(launch->order);
    unsigned X = launch->grid[0], Y = launch->grid[1], Z = launch->grid[2];
    uint64_t blocks = uint64_t(X) * Y * Z;
    for (uint64_t i = 0; i < blocks && !stopped; i++) {
        unsigned rank = launch->order == 1 ? blocks - 1 - i : i;
        forget_copies();
        run_block({rank % X, rank / X % Y, rank / (X * Y)}, order, random);
        if (launch->profile) settle_all();
    }
}

extern "C" void emulator_launch(const Launch *asked, Report *answer) {
    launch = asked;
    report = answer;
    stopped = time_is_up = false;
    in_hook = 0;
    counting = asked->profile;
    emulated_grid_size = {asked->grid[0], asked->grid[1], asked->grid[2]};
    emulated_block_size = {asked->block[0], asked->block[1], asked->block[2]};
    thread_count = asked->block[0] * asked->block[1] * asked->block[2];
    map_stacks();
    if (!stacks) {
        note("memory", threads[0], __ehdr_start, "no memory for the stacks of 1,024 threads");
        return;
    }
    memset(shared_arrays, 0, sizeof shared_arrays);
    memset(warp_step, 0, sizeof warp_step);
    shared_count = 0;
    number_threads();
    if (asked->check) forget_accesses();
    if (asked->profile) forget_profile();
    start_watchdog();
    run_grid();
    stop_watchdog();
    current = nullptr;
    unmap_stacks();
}
