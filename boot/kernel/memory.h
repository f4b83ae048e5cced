/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical memory: what there is, page allocation and the heap of malloc.
 *
 * A part of the free memory belongs to malloc; the rest is given out in pages: page tables, rings,
 * whatever a device reaches. Pages below 4 GiB go first, for devices with 32-bit addresses.
 */
#ifndef VSTOR_KERNEL_MEMORY_H
#define VSTOR_KERNEL_MEMORY_H

#include "boot/kernel/boot_info.h"
#include "boot/loader/range_set.h"

/**
 * Takes the memory map to heart: RAM is what is usable and nowhere reserved; free is RAM from 1 MiB
 * on without image and modules. False if there is no map or nothing is free.
 */
bool memory_start(const struct boot_info *info) VST_MUST_USE;

/** All RAM, whole pages, also what is in use. */
const struct range_set *memory_ram(void);

/** Zeroed, contiguous, aligned to `align_bytes` (a power of two); whole pages. The physical
 * address, or 0. */
uint64_t memory_alloc(uint64_t bytes, uint64_t align_bytes);
void memory_free(uint64_t physical, uint64_t bytes);

/** A page of RAM below 640 KiB that belongs to nobody, for starting CPUs; always the same. 0 if there
 * is none. Pages below 1 MiB are never given out otherwise. */
uint64_t memory_low_page(void);

/**
 * Not zeroed, as high as it can be below `end`, apart from what is in `avoid` (NULL: nothing); freed by
 * memory_free. The physical address, or 0.
 */
uint64_t memory_take(uint64_t bytes, uint64_t align_bytes, uint64_t end,
                     const struct range_set *avoid);

/** What malloc has not taken yet, but for a megabyte, is given out in pages until it is returned; what
 * was taken of it must be free again by then, or malloc goes without. */
void memory_lend_heap(void);
void memory_return_heap(void);

/** One page for a page table. */
uint64_t memory_alloc_page(void);

/** Cuts the heap of malloc off; one of both once, after paging is on. Half of what is free, at most 1
 * GiB and at most the longest piece. */
void memory_start_heap(void);

/** All but the lowest `devices_bytes`. */
void memory_start_large_heap(uint64_t devices_bytes);

/**
 * The next `bytes` of the heap (negative: gives back, but no more than of the last piece of memory
 * begun), zeroed; NULL if there is no more. Where memory has holes, what comes next may lie higher.
 */
void *memory_grow_heap(ptrdiff_t bytes);

uint64_t memory_free_bytes(void);
uint64_t memory_heap_bytes(void);
/** Of these, what malloc has taken so far, in use or not. */
uint64_t memory_heap_used_bytes(void);
/** And what its callers hold of that at this moment, malloc's own headers included. */
uint64_t memory_malloc_held_bytes(void);

#endif
