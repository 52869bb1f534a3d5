// Check mode: every load and store of the kernel comes by here, with its address and its line.
//
// The kernel is compiled with g++ -fsanitize=thread, which calls __tsan_read4 and its sisters before
// each access; libtsan is not linked, these functions stand in for it. An access must lie inside an
// argument, a __shared__ array or the thread's own stack, must be aligned, must not read shared
// memory that nobody wrote, and must not meet an access of another thread with no barrier between.
#include "state.h"

static void profile_access(const char *address, int bytes, int what, int array, const void *pc);
[[noreturn]] static void time_out(const void *pc);  // watchdog.cpp

// One access as the race detector remembers it.
struct Access {
    uint32_t block;  // 0: there was none
    uint16_t thread;
    uint8_t bytes;  // which bytes of the cell, one bit each
    uint8_t atomic;
    uint32_t barrier, warp;  // the steps at which it happened
    const void *pc;
};

// The history of a few bytes (a granule) of memory: the last write and two unordered reads.
struct Cell {
    Access write, read[2];
    Access copy;         // cp.async that is under way into it
    uint32_t filled_in;  // the block that wrote it, for shared memory
    uint8_t filled;      // and which bytes
};

static std::vector<Cell> shared_cells;
static std::vector<std::vector<Cell>> region_cells;

static void forget_accesses() {
    shared_cells.clear();
    region_cells.assign(launch->region_count, {});
    for (int i = 0; i < launch->region_count; i++) {
        const Region &region = launch->regions[i];
        region_cells[i].resize(region.bytes / region.granule + 1);
    }
}

// Where an address lies: the bytes around it, their history, and their name for the reader.
struct Place {
    const char *start = nullptr;
    Cell *cells = nullptr;
    int granule = 1;
    bool shared = false;
    int array = 0;  // the shared array's id, or the argument's number
};

static bool find_shared(const char *address, int bytes, Place *place) {
    for (int id = 0; id < shared_count; id++) {
        const SharedArray &array = shared_arrays[id];
        const char *start = shared_memory + array.offset;
        if (array.block != block_number || address < start) continue;
        if (address + bytes > start + array.bytes) continue;
        if (shared_cells.size() < shared_cell_top) shared_cells.resize(shared_cell_top);
        *place = {start, shared_cells.data() + array.first_cell, array.granule, true, id};
        return true;
    }
    return false;
}

static bool find_region(const char *address, int bytes, Place *place) {
    for (int i = 0; i < launch->region_count; i++) {
        const Region &region = launch->regions[i];
        if (address < region.start || address + bytes > region.start + region.bytes) continue;
        *place = {region.start, region_cells[i].data(), region.granule, false, region.argument};
        return true;
    }
    return false;
}

// "argument 3, byte 400 of 400", also for an address shortly before or behind it.
static void describe(const char *address, char *text, size_t size) {
    for (int id = 0; id < shared_count; id++) {
        const SharedArray &array = shared_arrays[id];
        const char *start = shared_memory + array.offset;
        if (array.block != block_number || address < start - RED_ZONE) continue;
        if (address >= start + array.bytes + RED_ZONE) continue;
        snprintf(text, size, "shared %s, byte %ld of %zu", array.name, long(address - start),
                 array.bytes);
        return;
    }
    for (int i = 0; i < launch->region_count; i++) {
        const Region &region = launch->regions[i];
        long byte = address - region.start;
        if (byte < -4096 || byte >= long(region.bytes) + 4096) continue;
        snprintf(text, size, "argument %d, byte %ld of %lu", region.argument, byte,
                 static_cast<unsigned long>(region.bytes));
        return;
    }
    snprintf(text, size, "address %p, which is far from every array", address);
}

[[noreturn]] static void fail_at(const char *kind, const char *what, const char *address, int bytes,
                                 const void *pc) {
    char place[128];
    describe(address, place, sizeof place);
    note(kind, *current, pc, "%s of %d bytes, %s", what, bytes, place);
    abandon();
}

// ---- races ------------------------------------------------------------------------------------
// Does the earlier access happen before the current one?
static bool ordered(const Access &earlier, bool shared) {
    if (earlier.block != block_number) return shared;  // shared memory is new for each block
    if (earlier.thread == current->rank) return true;
    if (earlier.barrier < barrier_step) return true;
    return earlier.thread / 32 == current->warp && earlier.warp < warp_step[current->warp];
}

static bool races(const Access &earlier, const Access &now, bool shared) {
    bool both_atomic = earlier.atomic && now.atomic;
    return earlier.block && earlier.bytes & now.bytes && !both_atomic && !ordered(earlier, shared);
}

[[noreturn]] static void fail_race(const char *kind, const Access &earlier, const char *address,
                                   const void *pc) {
    char place[128];
    describe(address, place, sizeof place);
    const char *between = earlier.block == block_number ? "no barrier between" : "another block";
    note("race", *current, pc, "%s, %s, %s", kind, place, between);
    Thread other = threads[earlier.thread];
    unsigned rank = earlier.block - 1, X = launch->grid[0], Y = launch->grid[1];
    other.block = {rank % X, rank / X % Y, rank / (X * Y)};
    report->other = site_of(other, earlier.pc);
    report->has_other = 1;
    abandon();
}

static void remember_read(Cell &cell, const Access &now, bool shared) {
    for (Access &slot : cell.read)
        if (!slot.block || ordered(slot, shared)) {
            slot = now;
            return;
        }
    // Both slots hold reads that nothing has ordered yet. Two of one warp say less than two of two.
    if (cell.read[0].thread / 32 == cell.read[1].thread / 32) cell.read[1] = now;
}

[[noreturn]] static void fail_copy(const Cell &cell, bool write, const char *address, int bytes,
                                   const void *pc) {
    char place[128];
    describe(address, place, sizeof place);
    note("async copy", *current, pc, "%s of %d bytes, %s, while a copy to there is under way",
         write ? "write" : "read", bytes, place);
    report->other = site_of(threads[cell.copy.thread], cell.copy.pc);
    report->has_other = 1;
    abandon();
}

static void check_cell(Cell &cell, const Access &now, bool write, const Place &place,
                       const char *address, int bytes) {
    if (cell.copy.block == block_number && cell.copy.bytes & now.bytes)
        fail_copy(cell, write, address, bytes, now.pc);
    if (place.shared && !write) {
        uint8_t filled = cell.filled_in == block_number ? cell.filled : 0;
        if (now.bytes & ~filled) fail_at("uninitialised", "read", address, bytes, now.pc);
    }
    if (races(cell.write, now, place.shared))
        fail_race(write ? "write after write" : "read after write", cell.write, address, now.pc);
    if (!write) return remember_read(cell, now, place.shared);
    for (const Access &read : cell.read)
        if (races(read, now, place.shared)) fail_race("write after read", read, address, now.pc);
    cell.write = now;
    if (cell.filled_in != block_number) cell.filled = 0;
    cell.filled_in = block_number;
    cell.filled |= now.bytes;
}

static bool is_private(const char *address, int bytes) {
    if (address >= __ehdr_start && address < _end) return true;  // threadIdx, __constant__
    const char *stack = stacks + current->rank * STACK_BYTES;
    return address >= stack && address + bytes <= stack + STACK_BYTES;
}

// Calls visit(cell, mask, address) for each cell of an access; mask says which of its bytes.
template <class Visit>
static void each_cell(const Place &place, const char *address, int bytes, Visit visit) {
    size_t first = address - place.start, last = first + bytes - 1, granule = place.granule;
    for (size_t i = first / granule; i <= last / granule; i++) {
        size_t start = i * granule, from = std::max(start, first);
        size_t to = std::min(start + granule - 1, last);
        uint8_t mask = ((2u << (to - start)) - 1) & ~((1u << (from - start)) - 1);
        visit(place.cells[i], mask, place.start + from);
    }
}

static Access access_now(uint8_t bytes, bool atomic, const void *pc) {
    return {block_number, uint16_t(current->rank), bytes, atomic,
            barrier_step, warp_step[current->warp], pc};
}

static void check_memory(const char *address, int bytes, bool write, bool atomic, bool aligned,
                         const void *pc) {
    Place place;
    if (!find_shared(address, bytes, &place) && !find_region(address, bytes, &place))
        fail_at("out of bounds", write ? "write" : "read", address, bytes, pc);
    if (aligned && reinterpret_cast<uintptr_t>(address) % bytes)
        fail_at("misaligned", write ? "write" : "read", address, bytes, pc);
    if (counting) {
        int what = atomic ? GLOBAL_ATOMIC : write ? GLOBAL_STORE : GLOBAL_LOAD;
        if (place.shared) what += SHARED_LOAD;
        profile_access(address, bytes, what, place.array, pc);
    }
    each_cell(place, address, bytes, [&](Cell &cell, uint8_t mask, const char *start) {
        check_cell(cell, access_now(mask, atomic, pc), write, place, start, bytes);
    });
}

static void enter_hook() {
    in_hook++;
}

static void leave_hook(const void *pc) {
    in_hook--;
    if (time_is_up && !in_hook) time_out(pc);
}

static void check_access(const void *where, int bytes, bool write, bool atomic, bool aligned,
                         const void *pc) {
    const char *address = static_cast<const char *>(where);
    if (!current) return;  // no kernel runs: signature.h's own code
    current->pc = pc;
    if (is_private(address, bytes)) return;
    enter_hook();
    check_memory(address, bytes, write, atomic, aligned, pc);
    leave_hook(pc);
}

// cp.async and ldmatrix know shared memory only.
static void require_shared(const void *where, int bytes, const char *what, const void *pc) {
    const char *address = static_cast<const char *>(where);
    Place place;
    if (!find_shared(address, bytes, &place)) fail_at("out of bounds", what, address, bytes, pc);
    if (reinterpret_cast<uintptr_t>(address) % bytes)
        fail_at("misaligned", what, address, bytes, pc);
}

static void mark_copy(const char *address, int bytes, bool under_way, const void *pc) {
    Place place;
    find_shared(address, bytes, &place);
    each_cell(place, address, bytes, [&](Cell &cell, uint8_t mask, const char *) {
        cell.copy = under_way ? access_now(mask, false, pc) : Access();
    });
}

extern "C" void emulator_read_row(const void *row, int bytes) {
    const void *pc = __builtin_return_address(0);
    current->pc = pc;
    if (!launch->check) return;
    require_shared(row, bytes, "read from shared memory", pc);
    check_access(row, bytes, false, false, true, pc);
}

extern "C" void emulator_check_matrix(const void *matrix, unsigned row_bytes) {
    const void *pc = __builtin_return_address(0);
    current->pc = pc;
    if (!launch->check) return;
    auto address = static_cast<const char *>(matrix);
    if (reinterpret_cast<uintptr_t>(matrix) % 32)
        fail_at("misaligned", "a wmma matrix at a multiple of 32, access", address, 32, pc);
    if (row_bytes % 16)
        fail_at("misaligned", "a wmma matrix with rows of a multiple of 16, access", address,
                int(row_bytes), pc);
}

extern "C" void emulator_atomic(void *address, int bytes, const void *pc) {
    current->pc = pc;
    if (launch->check) check_access(address, bytes, true, true, true, pc);
}

// ---- what -fsanitize=thread calls -------------------------------------------------------------
#define PC __builtin_return_address(0)
#define HOOKS(n)                                                                                 \
    extern "C" void __tsan_read##n(void *p) { check_access(p, n, false, false, true, PC); }      \
    extern "C" void __tsan_write##n(void *p) { check_access(p, n, true, false, true, PC); }      \
    extern "C" void __tsan_unaligned_read##n(void *p) {                                          \
        check_access(p, n, false, false, false, PC);                                             \
    }                                                                                            \
    extern "C" void __tsan_unaligned_write##n(void *p) {                                         \
        check_access(p, n, true, false, false, PC);                                              \
    }
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)

extern "C" void __tsan_read_range(void *p, unsigned long n) {
    if (n) check_access(p, int(n), false, false, false, PC);
}
extern "C" void __tsan_write_range(void *p, unsigned long n) {
    if (n) check_access(p, int(n), true, false, false, PC);
}
extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void *) {}
extern "C" void __tsan_func_exit() {}
extern "C" void __tsan_vptr_update(void *, void *) {}
extern "C" void __tsan_vptr_read(void *) {}
