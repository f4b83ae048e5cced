/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/cpu.h>
#include <arch/system.h>
#include <string.h>

#include "boot/kernel/hosted_objects.h"
#include "boot/kernel/log.h"

#define CANARY_WORD 5 /* at %fs:0x28 */

_Noreturn void __stack_chk_fail(void);
void *__memcpy_chk(void *to, const void *from, size_t bytes, size_t room);

static uint64_t thread_block[8] __attribute__((aligned(64)));

void hosted_objects_start(void)
{
    /* A zero byte at the end stops runaway strings; the rest only has to differ from what an
     * overflow writes. */
    thread_block[CANARY_WORD] = (arch_counter() * 0x9e3779b97f4a7c15ull) << 8;
    thread_block[0] = (uintptr_t)thread_block;
    hosted_objects_start_cpu();
}

void hosted_objects_start_cpu(void)
{
    arch_msr_write(ARCH_MSR_FS_BASE, (uintptr_t)thread_block);
}

void __stack_chk_fail(void)
{
    panic("a buffer on the stack was overrun");
}

void *__memcpy_chk(void *to, const void *from, size_t bytes, size_t room)
{
    if (bytes > room)
        panic("copy of %zu bytes into %zu", bytes, room);
    return memcpy(to, from, bytes);
}
