/* SPDX-License-Identifier: BSD-2-Clause */
/* Which CPUs there are, as ACPI says. (ACPI 6.4, 5.2.12) */
#ifndef VSTOR_KERNEL_ACPI_MADT_H
#define VSTOR_KERNEL_ACPI_MADT_H

#include <vstor/types.h>

#define ACPI_MAX_CPUS 64u

struct acpi_cpus {
    bool has_pic; /**< a pair of 8259; also true where there is no table */
    unsigned n_cpus;
    unsigned n_left_out;              /**< enabled, but beyond ACPI_MAX_CPUS */
    uint32_t apic_ids[ACPI_MAX_CPUS]; /**< each once, in the table's order; the boot CPU among them,
                                         most likely */
    bool malformed;                   /**< an entry makes no sense; what came before it is kept */
};

/**
 * Reads the table of `bytes` bytes, header included, all of which can be read. CPUs that are not
 * enabled are no CPUs, even if they could be plugged in.
 */
void acpi_madt_read(struct acpi_cpus *cpus, const void *table, size_t bytes);

#endif
