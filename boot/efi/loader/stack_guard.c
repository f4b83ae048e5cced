/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/stack_guard.h"

#include <arch/cpu.h>
#include <arch/system.h>
#include <stdio.h>

#include "boot/efi/loader/loader.h"

#define GUARD_WORD 5 /* at %fs:0x28 */

_Noreturn void __stack_chk_fail(void);
void *__memcpy_chk(void *to, const void *from, size_t bytes, size_t room);

static uint64_t thread_block[8] __attribute__((aligned(64)));

struct stack_guard stack_guard_begin(void)
{
    struct stack_guard guard = {arch_msr_read(ARCH_MSR_FS_BASE)};

    /* A zero byte at the end stops runaway strings; the rest only has to differ from what an
     * overflow writes. */
    thread_block[GUARD_WORD] = (arch_counter() * 0x9e3779b97f4a7c15ull) << 8;
    thread_block[0] = (uintptr_t)thread_block;
    arch_msr_write(ARCH_MSR_FS_BASE, (uintptr_t)thread_block);
    return guard;
}

void stack_guard_end(struct stack_guard guard)
{
    arch_msr_write(ARCH_MSR_FS_BASE, guard.before);
}

/* Whatever we would go on with is not to be relied on. */
static _Noreturn void give_up(const char *why)
{
    puts(why);
    fflush(stdout);
    for (;;)
        loader_system->RuntimeServices->ResetSystem(EfiResetCold, EFI_ABORTED, 0, NULL);
}

void __stack_chk_fail(void)
{
    give_up("vstor: a buffer on the stack was overrun; the machine starts again");
}

void *__memcpy_chk(void *to, const void *from, size_t bytes, size_t room)
{
    if (bytes > room)
        give_up("vstor: a copy is larger than its place; the machine starts again");
    return __builtin_memcpy(to, from, bytes);
}
