/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Monotonic time from the processor's time-stamp counter.
 *
 * Its rate is measured against the ACPI PM timer, else against channel 2 of the PIT, three times
 * half a millisecond (a longer wait would cost every start dearly under instruction counting); else
 * the processor or hypervisor is asked; else 1 GHz is assumed, with a warning.
 */
#ifndef VSTOR_KERNEL_CLOCK_H
#define VSTOR_KERNEL_CLOCK_H

#include "boot/kernel/acpi.h"

void clock_start(const struct acpi_info *acpi);

/** Nanoseconds since clock_start; 0 before. Never goes back on one CPU, as the counter doesn't (Intel
 * SDM 3B, 17.17); the counters of different CPUs are taken to agree. */
uint64_t clock_ns(void);

uint64_t clock_ticks_per_second(void);

/** What the rate comes from, e.g. "ACPI PM timer". */
const char *clock_source(void);

#endif
