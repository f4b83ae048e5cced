/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CPUs of the machine and work for them. CPU 0 is the one that the machine booted on and that
 * runs the shell; the others sleep until they are given a function.
 *
 * newlib is not reentrant here, and page tables, page allocation and PCI configuration access have
 * no locks: printf, malloc and the like, attaching and detaching of devices, mmio_map and
 * platform->alloc are for CPU 0 alone. Functions that run elsewhere may submit and poll requests of
 * queues that are theirs, look at the clock, idle, and log (a whole line at a time).
 */
#ifndef VSTOR_KERNEL_CPUS_H
#define VSTOR_KERNEL_CPUS_H

#include <arch/traps.h>

#include "boot/kernel/acpi.h"

#define CPUS_MAX 64u

/** Gives the boot CPU its descriptor tables and exceptions; first of all. */
void cpus_start_boot_cpu(arch_trap_handler *handler);

/**
 * Starts all CPUs that ACPI names, `limit` in all at most (0: CPUS_MAX). Those that do not come
 * within a second are left out, with a line in the log. After interrupts_start and
 * clock_start. Nothing happens, and no time passes, where there is one CPU.
 */
void cpus_start(const struct acpi_info *acpi, unsigned limit);

/** CPUs that run; they are numbered from 0 in ACPI's order, the boot CPU first. */
unsigned n_cpus(void);

/** Has all other CPUs wait for a start-up message, whatever they do. For good; on the boot CPU. */
void cpus_stop_others(void);

/** The number of the CPU that this runs on: two loads. */
static inline unsigned this_cpu(void)
{
    return arch_this_cpu()->number;
}

/**
 * Has function(argument) run on another CPU, on a stack of 32 KiB, interrupts on. What was written
 * before is seen there. False if there is no such CPU, it is the boot CPU, or it has work already.
 * Call on CPU 0.
 */
bool cpu_run(unsigned cpu, void (*function)(void *argument), void *argument) VST_MUST_USE;

/**
 * Waits until the CPU's work is done, at most timeout_ns; then what it wrote is seen here. True if
 * it has none (any more), false if it still works or if there is no such CPU.
 */
bool cpu_wait(unsigned cpu, uint64_t timeout_ns) VST_MUST_USE;

/** Has every CPU run something and interrupts them all, and logs how it went. For vstor.log=debug.
 */
void cpus_check(void);

#endif
