/* SPDX-License-Identifier: BSD-2-Clause */
/* Where newlib's malloc has its memory from. */
#include <errno.h>
#include <unistd.h>

#include "boot/kernel/memory.h"

void *sbrk(ptrdiff_t bytes)
{
    void *memory = memory_grow_heap(bytes);

    if (memory == NULL) {
        errno = ENOMEM;
        return (void *)-1;
    }
    return memory;
}
