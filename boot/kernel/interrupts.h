/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts: message-signalled ones for any CPU, and INTx through the 8259 for the boot CPU (how
 * else a line is routed only AML could tell, which is not run).
 *
 * Handlers: see vectors.h. Giving out and taking back is for CPU 0. Nested interrupts do not occur;
 * the console stays polled; nothing interrupts unless it was asked to, so interrupts are enabled on
 * all CPUs all the time.
 */
#ifndef VSTOR_KERNEL_INTERRUPTS_H
#define VSTOR_KERNEL_INTERRUPTS_H

#include "boot/kernel/acpi.h"
#include "boot/kernel/vectors.h"

/** An interrupt of one CPU, and the memory write by which a device raises it (for
 * vst_pci_msix_set). */
struct interrupt {
    unsigned cpu, vector;
    uint64_t message_address;
    uint32_t message_data;
};

/** Starts the controllers of the boot CPU and enables interrupts. */
void interrupts_start(const struct acpi_info *acpi);

/** The same on this further CPU, which stays disabled. */
void interrupts_start_cpu(void);

/** For good, and only on the boot CPU, once no other runs: nothing interrupts it any more. */
void interrupts_stop(void);

/** True if there are local APICs, hence messages and further CPUs. */
bool interrupts_have_apic(void);

/**
 * Has `handler` called on `cpu` whenever the message is written. VST_ERR_NOT_FOUND if there is no
 * such CPU, VST_ERR_UNSUPPORTED if messages can't reach it (no APIC, or an id above 254),
 * VST_ERR_FULL if its 192 vectors are given out.
 */
enum vst_status interrupts_allocate(unsigned cpu, interrupt_handler *handler, void *ctx,
                                    struct interrupt *interrupt) VST_MUST_USE;

/**
 * Takes it back; the source must have been masked. Returns after a handler that still runs, unless
 * that takes a second: then false, and ctx must not be freed.
 */
bool interrupts_free(const struct interrupt *interrupt) VST_MUST_USE;

/** Ends the sleep of a CPU, this one included. From any CPU, handlers too. */
void interrupts_wake(unsigned cpu);

/** Raises it in software. From any CPU. */
void interrupts_send(const struct interrupt *interrupt);

/**
 * Has `handler` called on the boot CPU when line `line` (vst_pci_function.interrupt_line) is
 * active. VST_ERR_UNSUPPORTED if firmware left no usable line or there is no 8259, VST_ERR_FULL if
 * too many share it. A line that nobody claims 1000 times in a row is masked. The function's INTx
 * is allowed afterwards, by vst_pci_intx_enable.
 */
enum vst_status interrupts_allocate_intx(uint8_t line, interrupt_line_handler *handler,
                                         void *ctx) VST_MUST_USE;
void interrupts_free_intx(uint8_t line, interrupt_line_handler *handler, void *ctx);

/** How often a vector has interrupted a CPU; since it was given out. */
uint64_t interrupts_count(unsigned cpu, unsigned vector);
/** How often a line of the 8259 has. */
uint64_t interrupts_count_intx(uint8_t line);
/** Interrupts of a CPU that nobody had asked for, spurious ones included. */
uint64_t interrupts_count_strays(unsigned cpu);

/**
 * Sleeps until the next interrupt of this CPU, whichever it is, unless ready(ctx), which is called
 * with interrupts off: an interrupt between the look and the sleep ends the sleep at once. What
 * `ready` looks at must be set by a handler of this CPU, or its setter must interrupt this CPU
 * afterwards. There is no timer: who needs a deadline polls. Returns with interrupts on.
 */
void interrupts_idle_unless(bool (*ready)(void *ctx), void *ctx);

/**
 * The same, but also ends after tenths of a second (seconds on slow machines) if nothing interrupts:
 * for what must be looked at now and then. From the first call on this CPU is woken that often.
 * Without a local APIC it does not sleep.
 */
void interrupts_doze_unless(bool (*ready)(void *ctx), void *ctx);

#endif
