/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "boot/kernel/acpi_dmar.h"

#define STRUCTURES_OFFSET  48u
#define TYPE_HARDWARE_UNIT 0u
#define REGISTERS_ALIGN    4096u

struct structure_header {
    uint16_t type, bytes;
};

/* "DRHD" */
struct hardware_unit {
    struct structure_header header;
    uint8_t flags, size;
    uint16_t segment;
    uint64_t registers;
} __attribute__((packed));

/* False if the structure makes no sense. */
static bool read_structure(struct acpi_dmar *dmar, const void *at, struct structure_header header)
{
    struct hardware_unit unit;

    if (header.type != TYPE_HARDWARE_UNIT)
        return header.bytes >= sizeof(header);
    if (header.bytes < sizeof(unit))
        return false;
    memcpy(&unit, at, sizeof(unit));
    if (unit.registers == 0 || unit.registers % REGISTERS_ALIGN != 0)
        return false;
    if (dmar->n_units == ACPI_MAX_DMAR_UNITS)
        dmar->n_left_out++;
    else
        dmar->registers[dmar->n_units++] = unit.registers;
    return true;
}

void acpi_dmar_read(struct acpi_dmar *dmar, const void *table, size_t bytes)
{
    const char *text = table;
    struct structure_header header;

    *dmar = (struct acpi_dmar){.malformed = bytes < STRUCTURES_OFFSET};
    for (size_t at = STRUCTURES_OFFSET; at < bytes; at += header.bytes) {
        dmar->malformed = bytes - at < sizeof(header);
        if (dmar->malformed)
            return;
        memcpy(&header, text + at, sizeof(header));
        dmar->malformed = header.bytes > bytes - at || !read_structure(dmar, text + at, header);
        if (dmar->malformed)
            return;
    }
}
