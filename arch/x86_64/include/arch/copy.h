/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/copy.h (x86_64): what copies memory where there is no C library. The direction flag is clear. */
#ifndef VSTOR_ARCH_COPY_H
#define VSTOR_ARCH_COPY_H

#include <vstor/types.h>

/** From the first byte to the last; memory that is not a device's. */
static inline void arch_copy_up(void *to, const void *from, size_t bytes)
{
    __asm__ __volatile__("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

/** The lowest 8 bits of `value` into each byte. */
static inline void arch_fill(void *to, int value, size_t bytes)
{
    __asm__ __volatile__("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
}

#endif
