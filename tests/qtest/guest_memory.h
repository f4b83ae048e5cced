/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory that QEMU's devices and this process share: a watched pool of pages. */
#ifndef VSTOR_TESTS_QTEST_GUEST_MEMORY_H
#define VSTOR_TESTS_QTEST_GUEST_MEMORY_H

#include <vstor/types.h>

#define GUEST_MEMORY_BYTES ((uint64_t)128 << 20)

/**
 * Makes the memory and returns its file. `identity`: pointers are bus addresses; else they differ
 * for sure.
 */
int guest_memory_create(bool identity);

/** Zeroed pages with forbidden ones around; NULL if there is no room. */
void *guest_memory_alloc(size_t bytes, uint64_t *bus_addr);

/** From now on nobody writes there: checked when the pages are given again and at the end. */
void guest_memory_free(void *memory, size_t bytes);

void guest_memory_check_free_pages(void);

void *guest_memory_pointer(uint64_t bus_addr);

#endif
