/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/cpu_start.h (x86_64): from real mode, where further CPUs begin, to C.
 */
#ifndef VSTOR_ARCH_CPU_START_H
#define VSTOR_ARCH_CPU_START_H

/* Offsets into struct arch_start_place, for the assembler. */
#define ARCH_START_PLACE_BYTES    16
#define ARCH_START_PLACE_ARGUMENT 8

#ifndef __ASSEMBLER__
#include <vstor/types.h>

/** What one CPU gets: which CPU takes which place is left to chance. */
struct arch_start_place {
    uint64_t stack_top; /**< aligned to 16 */
    void *argument;
};

/** First C function of a CPU: long mode on the paging tables, SSE on, interrupts off; descriptor
 * tables still those of start-up. */
typedef void arch_start_entry(void *argument);

/**
 * Makes a page of RAM below 1 MiB the place where CPUs begin that get a start-up message with the
 * page's number. `places` stay until the last has come; whoever comes when all are taken sleeps for
 * good. False if that can't be: page tables above 4 GiB.
 */
bool arch_cpu_start_prepare(uint64_t page, const struct arch_start_place *places, uint32_t n_places,
                            arch_start_entry *entry) VST_MUST_USE;
#endif

#endif
