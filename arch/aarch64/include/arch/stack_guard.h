/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/stack_guard.h (aarch64): the word that objects compiled for a hosted system compare with their stacks. */
#ifndef VSTOR_ARCH_STACK_GUARD_H
#define VSTOR_ARCH_STACK_GUARD_H

#include <vstor/types.h>

/** By this name compilers know it. All threads share it. */
extern uintptr_t __stack_chk_guard;

/** Nothing is the thread's own. */
struct arch_thread {
    char nothing;
};

/** Sets the guard. What it was before, for arch_thread_leave. */
static inline uint64_t arch_thread_enter(struct arch_thread *thread, uint64_t guard)
{
    uint64_t before = __stack_chk_guard;

    (void)thread;
    __stack_chk_guard = guard;
    return before;
}

static inline void arch_thread_leave(uint64_t before)
{
    __stack_chk_guard = before;
}

#endif
