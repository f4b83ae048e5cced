/* SPDX-License-Identifier: BSD-2-Clause */
/* Which VT-d units there are, as ACPI says. (Intel VT-d specification 4.0, 8) */
#ifndef VSTOR_KERNEL_ACPI_DMAR_H
#define VSTOR_KERNEL_ACPI_DMAR_H

#include <vstor/types.h>

#define ACPI_MAX_DMAR_UNITS 16u

struct acpi_dmar {
    unsigned n_units;
    unsigned n_left_out;                     /**< beyond ACPI_MAX_DMAR_UNITS */
    uint64_t registers[ACPI_MAX_DMAR_UNITS]; /**< each unit's, a page at least */
    bool malformed; /**< an entry makes no sense; what came before it is kept */
};

/** Reads the table of `bytes` bytes, header included, all of which can be read. */
void acpi_dmar_read(struct acpi_dmar *dmar, const void *table, size_t bytes);

#endif
