/* SPDX-License-Identifier: BSD-2-Clause */
/* Time, by the processor's own counter: it goes on at every TPL, also after ExitBootServices. */
#ifndef VSTOR_EFI_CLOCK_H
#define VSTOR_EFI_CLOCK_H

#include <vstor/types.h>

/** Finds the counter's rate: if the processor does not tell, by the firmware's Stall, which blocks for 6 ms, the first
 * time only. */
void clock_start(void);

/** Nanoseconds since that. */
uint64_t clock_ns(void);

/** So many of them in the counter's own ticks (arch_counter). */
uint64_t clock_ticks(uint64_t ns);

/** The same since the processor began to count, which is about when the machine was switched on. */
uint64_t clock_since_power_ns(void);

#endif
