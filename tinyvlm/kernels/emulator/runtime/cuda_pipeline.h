// CUDA's own functions for asynchronous copies, by the names of its header.
#pragma once
#include "interface.h"

EMULATED_INLINE void __pipeline_memcpy_async(void *shared, const void *global, size_t bytes,
                                             size_t zeros = 0) {
    emulator_copy(shared, global, static_cast<int>(bytes), static_cast<int>(bytes - zeros));
}
EMULATED_INLINE void __pipeline_commit() {
    emulator_commit_copies();
}
EMULATED_INLINE void __pipeline_wait_prior(int left) {
    emulator_wait_for_copies(left);
}
