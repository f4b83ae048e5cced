/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/code.h (aarch64): instructions that were written as data. */
#ifndef VSTOR_ARCH_CODE_H
#define VSTOR_ARCH_CODE_H

#include <vstor/types.h>

/** What stands there can be executed. (Arm ARM, B2.4.4; CTR_EL0 has both lines' lengths) */
static inline void arch_code_written(const void *first, size_t bytes)
{
    uint64_t lines, at, end = (uintptr_t)first + bytes;

    __asm__ __volatile__("mrs %0, ctr_el0" : "=r"(lines));
    uint64_t data_bytes = 4ull << (lines >> 16 & 15), code_bytes = 4ull << (lines & 15);
    for (at = (uintptr_t)first & -data_bytes; at < end; at += data_bytes)
        __asm__ __volatile__("dc cvau, %0" : : "r"(at) : "memory");
    __asm__ __volatile__("dsb ish" : : : "memory");
    for (at = (uintptr_t)first & -code_bytes; at < end; at += code_bytes)
        __asm__ __volatile__("ic ivau, %0" : : "r"(at) : "memory");
    __asm__ __volatile__("dsb ish\n\tisb" : : : "memory");
}

#endif
