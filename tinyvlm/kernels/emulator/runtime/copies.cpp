// cp.async: copies from global into shared memory that happen as late as they may, at the wait.
//
// A kernel that reads too early so finds what was there before; in check mode it is named. The
// copy's own two accesses are checked when it is started, and its write again when it is done.
#include "state.h"

struct Copy {
    char *to;
    const char *from;
    int bytes, given;  // the rest of the bytes becomes zero
    const void *pc;
};

struct Copies {
    std::vector<Copy> open;                 // not yet in a group
    std::vector<std::vector<Copy>> groups;  // oldest first
};

static Copies copies[MAX_THREADS];

static void forget_copies() {
    for (Copies &mine : copies) {
        mine.open.clear();
        mine.groups.clear();
    }
}

static void check_copy(const Copy &copy) {
    if (copy.given) {
        check_access(copy.from, copy.given, false, false, false, copy.pc);
        if (reinterpret_cast<uintptr_t>(copy.from) % copy.bytes)
            fail_at("misaligned", "asynchronous read", copy.from, copy.bytes, copy.pc);
    }
    require_shared(copy.to, copy.bytes, "asynchronous write to shared memory", copy.pc);
    check_access(copy.to, copy.bytes, true, false, true, copy.pc);
    mark_copy(copy.to, copy.bytes, true, copy.pc);
}

extern "C" void emulator_copy(void *to, const void *from, int bytes, int given) {
    const void *pc = __builtin_return_address(0);
    current->pc = pc;
    enter_hook();
    Copy copy = {static_cast<char *>(to), static_cast<const char *>(from), bytes, given, pc};
    if (launch->check) check_copy(copy);
    copies[current->rank].open.push_back(copy);
    leave_hook(pc);
}

extern "C" void emulator_commit_copies() {
    enter_hook();
    Copies &mine = copies[current->rank];
    mine.groups.push_back(std::move(mine.open));
    mine.open.clear();
    leave_hook(__builtin_return_address(0));
}

static void complete(const Copy &copy) {
    if (launch->check) {
        mark_copy(copy.to, copy.bytes, false, copy.pc);
        counting = false;  // it was counted when it was started
        check_access(copy.to, copy.bytes, true, false, true, copy.pc);
        counting = launch->profile;
    }
    memcpy(copy.to, copy.from, copy.given);
    memset(copy.to + copy.given, 0, copy.bytes - copy.given);
}

// Waits until at most `left` groups, the latest ones, are under way.
extern "C" void emulator_wait_for_copies(int left) {
    const void *pc = __builtin_return_address(0);
    current->pc = pc;
    enter_hook();
    auto &groups = copies[current->rank].groups;
    while (static_cast<int>(groups.size()) > left) {
        for (const Copy &copy : groups.front()) complete(copy);
        groups.erase(groups.begin());
    }
    leave_hook(pc);
}
