// The watchdog: a timer that takes a kernel which never ends out of its loop (Linux x86-64).
//
// A thread of the kernel gives way only where it waits, so one that loops for ever has to be
// interrupted. The signal comes to the Python thread that launched; its handler changes the place
// where the program goes on, from the loop to watchdog_bites(), on the same fiber. Elsewhere there
// is no watchdog, and a kernel that may not end belongs into a child process.
#include "state.h"

[[noreturn]] static void time_out(const void *pc) {
    note("timeout", *current, pc, "still running after %.1f s", launch->seconds);
    report->other = site_of(*current, current->pc);  // should it have been in the runtime just now
    abandon();
}

#if defined(__linux__) && defined(EMULATOR_OWN_SWITCH)
#include <csignal>
#include <ctime>
#include <sys/syscall.h>
#include <ucontext.h>

static timer_t timer;
static bool timer_runs;
static struct sigaction handler_before;
static const void *interrupted_at;

static int watchdog_signal() {
    return SIGRTMIN + 7;
}

static void watchdog_bites() {
    time_out(interrupted_at);
}

static bool inside(const char *pc, const void *start, const void *end) {
    return pc >= static_cast<const char *>(start) && pc < static_cast<const char *>(end);
}

// Outside this library (in libm, say), in the scheduler or halfway between two fibers is no place
// to stop: the timer comes again 5 ms later. That is also why current is set last before a switch.
static void on_timer(int, siginfo_t *, void *raw) {
    auto *context = static_cast<ucontext_t *>(raw);
    greg_t *registers = context->uc_mcontext.gregs;
    char *pc = reinterpret_cast<char *>(registers[REG_RIP]);
    auto *stack = reinterpret_cast<char *>(registers[REG_RSP]);
    if (stopped || !inside(pc, __ehdr_start, _end)) return;
    if (!inside(stack, stacks, shared_memory)) return;
    if (inside(pc, reinterpret_cast<void *>(emulator_switch), emulator_switch_end)) return;
    if (in_hook) {  // it asks for the time at its end
        time_is_up = true;
        return;
    }
    interrupted_at = pc + 1;  // other places are return addresses, one past their call
    registers[REG_RSP] = ((registers[REG_RSP] - 128) & ~greg_t(15)) - 8;  // past the red zone
    registers[REG_RIP] = reinterpret_cast<greg_t>(watchdog_bites);
}

static void start_watchdog() {
    struct sigaction action = {};
    action.sa_sigaction = on_timer;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(watchdog_signal(), &action, &handler_before);
    struct sigevent event = {};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = watchdog_signal();
    event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
    timer_runs = timer_create(CLOCK_MONOTONIC, &event, &timer) == 0;
    if (!timer_runs) return;
    auto seconds = static_cast<time_t>(launch->seconds);
    auto rest = static_cast<long>((launch->seconds - double(seconds)) * 1e9);
    struct itimerspec limit = {{0, 5000000}, {seconds, rest}};
    timer_settime(timer, 0, &limit, nullptr);
}

static void stop_watchdog() {
    if (timer_runs) timer_delete(timer);
    sigaction(watchdog_signal(), &handler_before, nullptr);
}

#else
static void start_watchdog() {}
static void stop_watchdog() {}
#endif
