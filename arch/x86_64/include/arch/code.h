/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/code.h (x86_64): instructions that were written as data. */
#ifndef VSTOR_ARCH_CODE_H
#define VSTOR_ARCH_CODE_H

#include <vstor/types.h>

/** What stands there can be executed: the processor sees to it, by the next jump. (Intel SDM 3A, 8.1.3) */
static inline void arch_code_written(const void *first, size_t bytes)
{
    (void)first;
    (void)bytes;
    __asm__ __volatile__("" : : : "memory");
}

#endif
