/* SPDX-License-Identifier: BSD-2-Clause */
/* Where newlib's malloc has its memory from, and what is held of it. */
#include <errno.h>
#include <unistd.h>

#include "boot/kernel/memory.h"

/*
 * What newlib's mallinfo fills in. <malloc.h> tells of ten fields of size_t, the function writes
 * ten of int. There is room for either; with size_t the field read here is one that is always 0.
 */
struct malloc_report {
    int arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
    int unused[10];
};

struct malloc_report mallinfo(void);

void *sbrk(ptrdiff_t bytes)
{
    void *memory = memory_grow_heap(bytes);

    if (memory == NULL) {
        errno = ENOMEM;
        return (void *)-1;
    }
    return memory;
}

uint64_t memory_malloc_held_bytes(void)
{
    /* Not uordblks: holes between the heap's ranges would count. */
    return memory_heap_used_bytes() - (uint64_t)(unsigned)mallinfo().fordblks;
}
