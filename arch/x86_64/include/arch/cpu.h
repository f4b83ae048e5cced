/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/cpu.h (x86_64): what library and kernel ask of the processor itself. */
#ifndef VSTOR_ARCH_CPU_H
#define VSTOR_ARCH_CPU_H

#include <vstor/types.h>

/** Tells the CPU that this is a waiting loop. */
static inline void arch_pause(void)
{
    __asm__ __volatile__("pause" : : : "memory");
}

/** The time-stamp counter. */
static inline uint64_t arch_counter(void)
{
    uint32_t low, high;
    __asm__ __volatile__("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/** Its ticks a second, or 0: nobody has told. What CPUID says of it is not said by every processor. */
static inline uint64_t arch_counter_hz(void)
{
    return 0;
}

#endif
