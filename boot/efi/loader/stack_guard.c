/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/stack_guard.h"

#include <arch/cpu.h>
#include <arch/stack_guard.h>
#include <stdio.h>

#include "boot/efi/loader/loader.h"

_Noreturn void __stack_chk_fail(void);
void *__memcpy_chk(void *to, const void *from, size_t bytes, size_t room);

static struct arch_thread thread;

struct stack_guard stack_guard_begin(void)
{
    /* A zero byte at the end stops runaway strings; the rest only has to differ from what an
     * overflow writes. */
    uint64_t guard = (arch_counter() * 0x9e3779b97f4a7c15ull) << 8;
    return (struct stack_guard){arch_thread_enter(&thread, guard)};
}

void stack_guard_end(struct stack_guard guard)
{
    arch_thread_leave(guard.before);
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
