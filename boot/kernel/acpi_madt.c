/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "boot/kernel/acpi_madt.h"

#define FLAGS_OFFSET   40u
#define ENTRIES_OFFSET 44u
#define FLAG_PIC       1u

#define TYPE_LOCAL_APIC   0u
#define TYPE_LOCAL_X2APIC 9u
#define CPU_ENABLED       1u
#define ID_EVERYBODY      0xffu
#define ID_EVERYBODY_X2   0xffffffffu

struct entry_header {
    uint8_t type, bytes;
};

struct local_apic {
    struct entry_header header;
    uint8_t uid, id;
    uint32_t flags;
} __attribute__((packed));

struct local_x2apic {
    struct entry_header header;
    uint16_t reserved;
    uint32_t id, flags, uid;
} __attribute__((packed));

static bool is_known(const struct acpi_cpus *cpus, uint32_t id)
{
    for (unsigned i = 0; i < cpus->n_cpus; i++)
        if (cpus->apic_ids[i] == id)
            return true;
    return false;
}

/* Firmware may list a CPU in both forms. */
static void add_cpu(struct acpi_cpus *cpus, uint32_t id, uint32_t flags)
{
    if (!(flags & CPU_ENABLED) || is_known(cpus, id))
        return;
    if (cpus->n_cpus == ACPI_MAX_CPUS)
        cpus->n_left_out++;
    else
        cpus->apic_ids[cpus->n_cpus++] = id;
}

/* False if the entry is too short for what it says to be. */
static bool read_entry(struct acpi_cpus *cpus, const void *at, struct entry_header header)
{
    struct local_apic apic;
    struct local_x2apic x2apic;

    switch (header.type) {
    case TYPE_LOCAL_APIC:
        if (header.bytes < sizeof(apic))
            return false;
        memcpy(&apic, at, sizeof(apic));
        if (apic.id != ID_EVERYBODY)
            add_cpu(cpus, apic.id, apic.flags);
        return true;
    case TYPE_LOCAL_X2APIC:
        if (header.bytes < sizeof(x2apic))
            return false;
        memcpy(&x2apic, at, sizeof(x2apic));
        if (x2apic.id != ID_EVERYBODY_X2)
            add_cpu(cpus, x2apic.id, x2apic.flags);
        return true;
    default:
        return header.bytes >= sizeof(header);
    }
}

void acpi_madt_read(struct acpi_cpus *cpus, const void *table, size_t bytes)
{
    const char *text = table;
    struct entry_header header;
    uint32_t flags;

    *cpus = (struct acpi_cpus){.has_pic = true};
    if (bytes < ENTRIES_OFFSET) {
        cpus->malformed = true;
        return;
    }
    memcpy(&flags, text + FLAGS_OFFSET, sizeof(flags));
    cpus->has_pic = flags & FLAG_PIC;
    for (size_t at = ENTRIES_OFFSET; at < bytes; at += header.bytes) {
        cpus->malformed = bytes - at < sizeof(header);
        if (cpus->malformed)
            return;
        memcpy(&header, text + at, sizeof(header));
        cpus->malformed = header.bytes > bytes - at || !read_entry(cpus, text + at, header);
        if (cpus->malformed)
            return;
    }
}
