/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/paging.h (x86_64): the one address space of the kernel, everything at its physical address.
 *
 * Order of calls: arch_paging_start, arch_paging_map for memory and image, arch_paging_activate;
 * arch_paging_map for devices at any time after. Only one CPU changes the tables; the others use
 * them. They see what is mapped later without being told: a processor never keeps the translation
 * of a page that is not present (Intel SDM 3A, 4.10.2.1 and 4.10.3.1). Taking away is another
 * matter, hence arch_paging_guard's rule.
 */
#ifndef VSTOR_ARCH_PAGING_H
#define VSTOR_ARCH_PAGING_H

#include <vstor/types.h>

#define ARCH_PAGE_BYTES 4096u
/** What can be mapped at all: the lower half of four-level paging. */
#define ARCH_ADDRESS_END (1ull << 47)

enum arch_mapping {
    ARCH_MAP_DATA,     /**< cached, read and write */
    ARCH_MAP_CONSTANT, /**< cached, read */
    ARCH_MAP_CODE,     /**< cached, read and execute */
    ARCH_MAP_DEVICE,   /**< uncached, read and write */
};

/**
 * Begins an empty address space. `alloc_page` gives zeroed physical pages for tables, mapped at
 * their own address, or 0. False if there is no page.
 */
bool arch_paging_start(uint64_t (*alloc_page)(void)) VST_MUST_USE;

/**
 * Maps every page that [first, first + bytes) touches. What is mapped the same way already may be
 * mapped again; false if a page is mapped another way (then pages before it may have been mapped),
 * out of reach, or if no table is to be had.
 */
bool arch_paging_map(uint64_t first, uint64_t bytes, enum arch_mapping mapping) VST_MUST_USE;

/** Takes one page out, so that every access to it faults. Only while no other CPU runs on these
 * tables. False if a table was needed and is not to be had. */
bool arch_paging_guard(uint64_t page) VST_MUST_USE;

/** Switches this CPU to the address space. Code, stack and tables must have been mapped. */
void arch_paging_activate(void);

/** Physical address of the topmost table. */
uint64_t arch_paging_root(void);

/** True if the address can be read now. */
bool arch_paging_is_mapped(uint64_t address);

#endif
