/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/stack_guard.h (x86_64): the word that objects compiled for a hosted system compare with their stacks. */
#ifndef VSTOR_ARCH_STACK_GUARD_H
#define VSTOR_ARCH_STACK_GUARD_H

#include <arch/system.h>

#define ARCH_GUARD_WORD 5 /* at %fs:0x28 */

/** The begin of a thread's own memory. */
struct arch_thread {
    uint64_t words[8];
} __attribute__((aligned(64)));

/** Makes it that thread, with that guard. What was in the place before, for arch_thread_leave. */
static inline uint64_t arch_thread_enter(struct arch_thread *thread, uint64_t guard)
{
    uint64_t before = arch_msr_read(ARCH_MSR_FS_BASE);

    thread->words[ARCH_GUARD_WORD] = guard;
    thread->words[0] = (uintptr_t)thread;
    arch_msr_write(ARCH_MSR_FS_BASE, (uintptr_t)thread);
    return before;
}

static inline void arch_thread_leave(uint64_t before)
{
    arch_msr_write(ARCH_MSR_FS_BASE, before);
}

#endif
