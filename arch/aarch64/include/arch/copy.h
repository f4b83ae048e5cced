/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/copy.h (aarch64): what copies memory where there is no C library. */
#ifndef VSTOR_ARCH_COPY_H
#define VSTOR_ARCH_COPY_H

#include <vstor/types.h>

/** From the first byte to the last; memory that is not a device's. */
static inline void arch_copy_up(void *to, const void *from, size_t bytes)
{
    uint64_t low, high;

    for (; bytes >= 16; bytes -= 16)
        __asm__ __volatile__("ldp %0, %1, [%3], #16\n\tstp %0, %1, [%2], #16"
                             : "=&r"(low), "=&r"(high), "+r"(to), "+r"(from)
                             :
                             : "memory");
    for (; bytes > 0; bytes--)
        __asm__ __volatile__("ldrb %w0, [%2], #1\n\tstrb %w0, [%1], #1"
                             : "=&r"(low), "+r"(to), "+r"(from)
                             :
                             : "memory");
}

/** The lowest 8 bits of `value` into each byte. */
static inline void arch_fill(void *to, int value, size_t bytes)
{
    uint64_t word = (uint8_t)value * 0x0101010101010101ull;

    for (; bytes >= 16; bytes -= 16)
        __asm__ __volatile__("stp %1, %1, [%0], #16" : "+r"(to) : "r"(word) : "memory");
    for (; bytes > 0; bytes--)
        __asm__ __volatile__("strb %w1, [%0], #1" : "+r"(to) : "r"(word) : "memory");
}

#endif
