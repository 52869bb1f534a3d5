// A fiber: a stack and a place in the program to go on from. Switching is a function call.
#pragma once
#include <cstdint>

#if defined(__x86_64__) && !defined(EMULATOR_UCONTEXT)
#define EMULATOR_OWN_SWITCH 1

struct Fiber {
    void *stack_pointer;
};

// Pushes the registers a called function must keep, stores the stack pointer through the first
// argument, takes over the second one's stack and pops what was pushed there. (swapcontext does the
// same with a system call for the signal mask, which is about ten times slower.)
extern "C" void emulator_switch(void **from, void *to);
extern "C" char emulator_switch_end[];
asm(R"(
    .text
    .globl emulator_switch
    .hidden emulator_switch
    .type emulator_switch, @function
emulator_switch:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
    .globl emulator_switch_end
    .hidden emulator_switch_end
emulator_switch_end:
    .size emulator_switch, . - emulator_switch
)");

static inline void switch_fiber(Fiber &from, Fiber &to) {
    emulator_switch(&from.stack_pointer, to.stack_pointer);
}

static inline void start_fiber(Fiber &fiber, char *stack, size_t bytes, void (*entry)()) {
    uintptr_t top = (reinterpret_cast<uintptr_t>(stack) + bytes) & ~uintptr_t(15);
    void **slot = reinterpret_cast<void **>(top);
    *--slot = nullptr;  // entry never returns; this keeps its stack aligned as after a call
    *--slot = reinterpret_cast<void *>(entry);
    for (int i = 0; i < 6; i++) *--slot = nullptr;
    fiber.stack_pointer = slot;
}

#else
#include <ucontext.h>

struct Fiber {
    ucontext_t context;
};

static inline void switch_fiber(Fiber &from, Fiber &to) {
    swapcontext(&from.context, &to.context);
}

static inline void start_fiber(Fiber &fiber, char *stack, size_t bytes, void (*entry)()) {
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stack;
    fiber.context.uc_stack.ss_size = bytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, entry, 0);
}
#endif
