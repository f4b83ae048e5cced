/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/local_apic.h (x86_64): the interrupt controller inside each CPU. (Intel SDM 3A, chapter 10)
 *
 * Two ways to its registers: memory (xAPIC, 8-bit ids) and MSRs (x2APIC, 32-bit ids). All CPUs use
 * the same. What firmware chose is kept, but for ids that need x2APIC.
 */
#ifndef VSTOR_ARCH_LOCAL_APIC_H
#define VSTOR_ARCH_LOCAL_APIC_H

#include <vstor/types.h>

/** The vector for interrupts that have vanished by the time they are asked for; never acknowledged.
 * Its four lowest bits are ones, as old APICs want. */
#define ARCH_APIC_SPURIOUS_VECTOR 0xffu

/** The highest id that memory-mapped registers and MSI addresses can name; 0xff is everybody. */
#define ARCH_APIC_LAST_SHORT_ID 0xfeu

/**
 * Chooses the mode and switches the local APIC of the boot CPU on. `map` makes the registers
 * reachable. False if there is none. `long_ids`: there are CPUs with ids above
 * ARCH_APIC_LAST_SHORT_ID.
 */
bool arch_apic_start(void *(*map)(uint64_t physical, uint64_t bytes), bool long_ids) VST_MUST_USE;

/** The same for this further CPU, in the mode chosen. */
void arch_apic_start_cpu(void);

/** True in x2APIC mode. */
bool arch_apic_is_x2(void);

/** This CPU's id. */
uint32_t arch_apic_id(void);

/** Lets the next interrupt of this or lower priority come. */
void arch_apic_end_of_interrupt(void);

/** Sends an interrupt to a CPU, this one included. Interrupts must be off. */
void arch_apic_send(uint32_t id, uint8_t vector);

/**
 * Interrupts this CPU again and again, with a period that is not calibrated: tenths of a second, a
 * few seconds on slow clocks. Interrupts must be off.
 */
void arch_apic_start_ticking(uint8_t vector);

/** Ends that. Interrupts must be off. */
void arch_apic_stop_ticking(void);

/** Makes a CPU wait for a start-up message, whatever it does. (10.4.4) */
void arch_apic_send_init(uint32_t id);

/** Starts a CPU that waits at page `page` / 4096, below 1 MiB; one that runs takes no notice. */
void arch_apic_send_startup(uint32_t id, uint64_t page);

#endif
