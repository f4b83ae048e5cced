/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/cpu.h (aarch64): what library and programs ask of the processor itself. */
#ifndef VSTOR_ARCH_CPU_H
#define VSTOR_ARCH_CPU_H

#include <vstor/types.h>

/** Tells the CPU that this is a waiting loop. */
static inline void arch_pause(void)
{
    __asm__ __volatile__("yield" : : : "memory");
}

/** The virtual counter; not read before what stands before. (Arm ARM, D11.2.2) */
static inline uint64_t arch_counter(void)
{
    uint64_t value;
    __asm__ __volatile__("isb\n\tmrs %0, cntvct_el0" : "=r"(value) : : "memory");
    return value;
}

/** Its ticks a second, or 0: nobody has told. (D17.11.1) */
static inline uint64_t arch_counter_hz(void)
{
    uint64_t value;
    __asm__ __volatile__("mrs %0, cntfrq_el0" : "=r"(value));
    return value & UINT32_MAX;
}

#endif
