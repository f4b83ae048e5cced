/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "boot/kernel/acpi.h"
#include "boot/kernel/address_space.h"
#include "boot/kernel/log.h"

#define BIOS_AREA_FIRST     0xe0000ull
#define BIOS_AREA_BYTES     0x20000ull
#define EBDA_SEARCHED_BYTES 1024u
#define EBDA_LOWEST         0x80000ull
#define EBDA_END            0xa0000ull
#define RSDP_STEP           16u
#define RSDP_1_BYTES        20u
#define MAX_TABLE_BYTES     0x1000000u
#define MAX_TABLES          256u
#define MAX_ECAM_BUSES      256u
#define ECAM_BYTES_PER_BUS  0x100000u

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t bytes; /* from here on: revision 2 */
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
} __attribute__((packed));

struct table_header {
    char signature[4];
    uint32_t bytes;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));

struct generic_address {
    uint8_t space, bits, bit_offset, access;
    uint64_t address;
} __attribute__((packed));

struct fadt {
    struct table_header header;
    uint32_t facs, dsdt;
    uint8_t reserved0, profile;
    uint16_t sci_interrupt;
    uint32_t smi_command;
    uint8_t acpi_enable, acpi_disable, s4bios, pstate;
    uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
    uint8_t pm1_event_bytes, pm1_control_bytes, pm2_control_bytes, pm_timer_bytes;
    uint8_t misc0[20];
    uint32_t flags;
    struct generic_address reset;
    uint8_t reset_value;
    uint16_t arm_flags;
    uint8_t minor_revision;
    uint64_t x_facs, x_dsdt;
    struct generic_address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control,
        x_pm2_control, x_pm_timer;
    struct generic_address x_gpe0, x_gpe1, sleep_control, sleep_status;
} __attribute__((packed));

_Static_assert(offsetof(struct fadt, flags) == 112, "ACPI 6.4, table 5.9");
_Static_assert(offsetof(struct fadt, x_dsdt) == 140, "ACPI 6.4, table 5.9");
_Static_assert(offsetof(struct fadt, sleep_control) == 244, "ACPI 6.4, table 5.9");

enum { FADT_TIMER_32_BIT = 1 << 8, FADT_HAS_RESET = 1 << 10, FADT_HARDWARE_REDUCED = 1 << 20 };

struct mcfg_entry {
    uint64_t base;
    uint16_t segment;
    uint8_t first_bus, last_bus;
    uint32_t reserved;
} __attribute__((packed));

#define MCFG_ENTRIES_OFFSET (sizeof(struct table_header) + 8)

static bool sum_is_zero(const void *bytes, size_t n_bytes)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < n_bytes; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)bytes)[i]);
    return sum == 0;
}

/* ---------------------------------------------------------------- tables */

/* Maps a table as a whole and checks it. NULL, with a line in the log, if it is not what it says.
 */
static const struct table_header *map_table(uint64_t physical)
{
    const struct table_header *header = address_space_map_firmware(physical, sizeof(*header));

    if (header == NULL) {
        log_printf(VST_LOG_WARNING, "acpi: table at 0x%llx is out of reach",
                   (unsigned long long)physical);
        return NULL;
    }
    uint32_t bytes = header->bytes;
    if (bytes < sizeof(*header) || bytes > MAX_TABLE_BYTES ||
        address_space_map_firmware(physical, bytes) == NULL || !sum_is_zero(header, bytes)) {
        log_printf(VST_LOG_WARNING, "acpi: table at 0x%llx has a wrong length or checksum; ignored",
                   (unsigned long long)physical);
        return NULL;
    }
    return header;
}

static bool is_named(const struct table_header *table, const char *signature)
{
    return memcmp(table->signature, signature, sizeof(table->signature)) == 0;
}

static struct acpi_register register_of(struct generic_address generic)
{
    static const uint8_t spaces[] = {[0] = ACPI_MEMORY, [1] = ACPI_PORT, [2] = ACPI_PCI_CONFIG};
    struct acpi_register reg = {ACPI_NOWHERE, generic.address};

    if (generic.address != 0 && generic.space < VST_ARRAY_LENGTH(spaces))
        reg.space = spaces[generic.space];
    if (reg.space == ACPI_PORT && generic.address > 0xffff)
        reg.space = ACPI_NOWHERE;
    return reg;
}

static uint16_t port_of(uint32_t address)
{
    return address <= 0xffff ? (uint16_t)address : 0;
}

/* ---------------------------------------------------------------- MCFG */

static bool ecam_makes_sense(const struct mcfg_entry *entry)
{
    return entry->base != 0 && entry->base % ECAM_BYTES_PER_BUS == 0 &&
           entry->first_bus <= entry->last_bus &&
           entry->base <= UINT64_MAX - (uint64_t)MAX_ECAM_BUSES * ECAM_BYTES_PER_BUS;
}

static void read_mcfg(struct acpi_info *info, const struct table_header *table)
{
    struct mcfg_entry entry;

    for (size_t at = MCFG_ENTRIES_OFFSET; at + sizeof(entry) <= table->bytes; at += sizeof(entry)) {
        memcpy(&entry, (const char *)table + at, sizeof(entry));
        if (!ecam_makes_sense(&entry) || info->n_ecams == ACPI_MAX_ECAMS) {
            log_line(VST_LOG_WARNING,
                     "acpi: MCFG has an entry that makes no sense, or too many; ignored");
            continue;
        }
        info->ecams[info->n_ecams++] =
            (struct acpi_ecam){entry.base, entry.segment, entry.first_bus, entry.last_bus};
    }
}

/* ---------------------------------------------------------------- \_S5 in the DSDT (or an SSDT) */

enum { AML_ZERO = 0x00, AML_ONE = 0x01, AML_BYTE = 0x0a, AML_PACKAGE = 0x12, AML_NAME = 0x08 };

/* A byte constant at *at, which moves behind it. */
static bool read_aml_byte(const uint8_t *aml, size_t bytes, size_t *at, uint8_t *value)
{
    if (*at < bytes && (aml[*at] == AML_ZERO || aml[*at] == AML_ONE)) {
        *value = aml[(*at)++];
        return true;
    }
    if (*at + 1 < bytes && aml[*at] == AML_BYTE) {
        *value = aml[*at + 1];
        *at += 2;
        return true;
    }
    return false;
}

/* Package() { type a, type b, ... } at `at`: opcode, length in 1 to 4 bytes, number of elements,
 * elements. */
static bool read_sleep_package(struct acpi_info *info, const uint8_t *aml, size_t bytes, size_t at)
{
    uint8_t types[2];

    if (at + 3 > bytes || aml[at] != AML_PACKAGE)
        return false;
    at += 1;                          /* opcode */
    at += 1 + (size_t)(aml[at] >> 6); /* length: the upper two bits count further bytes */
    if (at >= bytes || aml[at] < 1)
        return false;
    uint8_t n_elements = aml[at++];
    if (!read_aml_byte(aml, bytes, &at, &types[0]))
        return false;
    types[1] = types[0];
    if (n_elements >= 2 && !read_aml_byte(aml, bytes, &at, &types[1]))
        return false;
    info->has_soft_off = types[0] <= 7 && types[1] <= 7;
    memcpy(info->soft_off_types, types, sizeof(types));
    return info->has_soft_off;
}

/* Name (_S5, Package...) or Name (\_S5, Package...) anywhere in the byte code. */
static void find_soft_off(struct acpi_info *info, const struct table_header *table)
{
    const uint8_t *aml = (const uint8_t *)table;

    for (size_t at = sizeof(*table) + 2; at + 4 < table->bytes; at++) {
        bool named = aml[at] == '_' && memcmp(aml + at, "_S5_", 4) == 0 &&
                     (aml[at - 1] == AML_NAME || (aml[at - 1] == '\\' && aml[at - 2] == AML_NAME));
        if (named && read_sleep_package(info, aml, table->bytes, at + 4))
            return;
    }
}

/* ---------------------------------------------------------------- DSDT and SSDTs */

static void search_definitions(struct acpi_info *info, const struct table_header *table)
{
    if (!info->has_soft_off)
        find_soft_off(info, table);
    mmio_places_search(&info->virtio_mmio, (const uint8_t *)(table + 1),
                       table->bytes - sizeof(*table));
    acpi_hotplug_search(&info->hotplug, (const uint8_t *)(table + 1),
                        table->bytes - sizeof(*table));
}

/* ---------------------------------------------------------------- FADT */

static void read_dsdt(struct acpi_info *info, uint64_t physical)
{
    const struct table_header *table = physical != 0 ? map_table(physical) : NULL;

    if (table != NULL && is_named(table, "DSDT"))
        search_definitions(info, table);
}

static void read_fadt(struct acpi_info *info, const struct table_header *table)
{
    struct fadt fadt;

    /* Older tables are shorter: what is missing is zero, which means absent. */
    memset(&fadt, 0, sizeof(fadt));
    memcpy(&fadt, table, table->bytes < sizeof(fadt) ? table->bytes : sizeof(fadt));
    if (fadt.flags & FADT_HARDWARE_REDUCED) {
        info->sleep_control = register_of(fadt.sleep_control);
    } else {
        info->pm_timer = register_of(fadt.x_pm_timer);
        if (info->pm_timer.space == ACPI_NOWHERE && port_of(fadt.pm_timer) != 0)
            info->pm_timer = (struct acpi_register){ACPI_PORT, fadt.pm_timer};
        info->pm_timer_is_32_bit = fadt.flags & FADT_TIMER_32_BIT;
        info->hotplug.gpe_port = port_of(fadt.gpe0);
        info->smi_command_port = port_of(fadt.smi_command);
        info->acpi_enable = fadt.acpi_enable;
        info->control_ports[0] = port_of(fadt.pm1a_control);
        info->control_ports[1] = port_of(fadt.pm1b_control);
    }
    if (fadt.flags & FADT_HAS_RESET) {
        info->reset = register_of(fadt.reset);
        info->reset_value = fadt.reset_value;
    }
    read_dsdt(info, fadt.x_dsdt != 0 ? fadt.x_dsdt : fadt.dsdt);
}

/* ---------------------------------------------------------------- MADT */

static void read_madt(struct acpi_info *info, const struct table_header *table)
{
    acpi_madt_read(&info->cpus, table, table->bytes);
    if (info->cpus.malformed)
        log_line(VST_LOG_WARNING,
                 "acpi: MADT has an entry that makes no sense; the rest is ignored");
    if (info->cpus.n_left_out > 0)
        log_printf(VST_LOG_WARNING, "acpi: %u CPUs more than the %u that are used",
                   info->cpus.n_left_out, ACPI_MAX_CPUS);
}

/* ---------------------------------------------------------------- DMAR */

static void read_dmar(struct acpi_info *info, const struct table_header *table)
{
    acpi_dmar_read(&info->dmar, table, table->bytes);
    if (info->dmar.malformed)
        log_line(VST_LOG_WARNING,
                 "acpi: DMAR has an entry that makes no sense; the rest is ignored");
    if (info->dmar.n_left_out > 0)
        log_printf(VST_LOG_WARNING, "acpi: %u VT-d units more than the %u that are looked at",
                   info->dmar.n_left_out, ACPI_MAX_DMAR_UNITS);
}

/* ---------------------------------------------------------------- root tables */

static void read_table(struct acpi_info *info, uint64_t physical)
{
    const struct table_header *header = address_space_map_firmware(physical, sizeof(*header));

    if (header == NULL ||
        (!is_named(header, "MCFG") && !is_named(header, "FACP") && !is_named(header, "SSDT") &&
         !is_named(header, "APIC") && !is_named(header, "DMAR")))
        return;
    header = map_table(physical);
    if (header == NULL)
        return;
    if (is_named(header, "MCFG"))
        read_mcfg(info, header);
    else if (is_named(header, "APIC"))
        read_madt(info, header);
    else if (is_named(header, "DMAR"))
        read_dmar(info, header);
    else if (is_named(header, "FACP"))
        read_fadt(info, header);
    else
        search_definitions(info, header);
}

static bool read_root(struct acpi_info *info, uint64_t physical, const char *signature,
                      size_t pointer_bytes)
{
    const struct table_header *root = physical != 0 ? map_table(physical) : NULL;

    if (root == NULL || !is_named(root, signature))
        return false;
    size_t n_tables = (root->bytes - sizeof(*root)) / pointer_bytes;
    for (size_t i = 0; i < n_tables && i < MAX_TABLES; i++) {
        uint64_t table = 0;
        memcpy(&table, (const char *)(root + 1) + i * pointer_bytes, pointer_bytes);
        read_table(info, table);
    }
    return true;
}

static bool rsdp_is_sound(const struct rsdp *rsdp, size_t bytes)
{
    return bytes >= RSDP_1_BYTES &&
           memcmp(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature)) == 0 &&
           sum_is_zero(rsdp, RSDP_1_BYTES);
}

/* *rsdp gets the pointer at `physical`, what is missing of it zero, and *found the address. */
static bool take_rsdp(struct rsdp *rsdp, uint64_t physical, uint64_t *found)
{
    const void *there = address_space_map_firmware(physical, sizeof(*rsdp));

    if (there == NULL || !rsdp_is_sound(there, RSDP_1_BYTES))
        return false;
    memcpy(rsdp, there, sizeof(*rsdp));
    *found = physical;
    return true;
}

static bool search_rsdp(struct rsdp *rsdp, uint64_t first, uint64_t bytes, uint64_t *found)
{
    if (address_space_map_firmware(first, bytes) == NULL)
        return false;
    for (uint64_t at = first; at + sizeof(*rsdp) <= first + bytes; at += RSDP_STEP)
        if (memcmp((const void *)(uintptr_t)at, "RSD ", 4) == 0 &&
            take_rsdp(rsdp, at, found))
            return true;
    return false;
}

static bool find_rsdp(struct rsdp *rsdp, const struct boot_info *boot, uint64_t *found)
{
    uint64_t ebda = boot->extended_bios_data;

    memset(rsdp, 0, sizeof(*rsdp));
    if (rsdp_is_sound((const void *)boot->rsdp, boot->rsdp_bytes)) {
        memcpy(rsdp, boot->rsdp, boot->rsdp_bytes);
        return true;
    }
    if (boot->rsdp_physical != 0 && take_rsdp(rsdp, boot->rsdp_physical, found))
        return true;
    if (ebda >= EBDA_LOWEST && ebda <= EBDA_END - EBDA_SEARCHED_BYTES &&
        search_rsdp(rsdp, ebda, EBDA_SEARCHED_BYTES, found))
        return true;
    return search_rsdp(rsdp, BIOS_AREA_FIRST, BIOS_AREA_BYTES, found);
}

void acpi_read(struct acpi_info *info, const struct boot_info *boot)
{
    struct rsdp rsdp;

    memset(info, 0, sizeof(*info));
    info->cpus.has_pic = true;
    if (!find_rsdp(&rsdp, boot, &info->root_physical)) {
        log_line(VST_LOG_INFO, "acpi: no root pointer found");
        return;
    }
    bool newer =
        rsdp.revision >= 2 && rsdp.bytes >= sizeof(rsdp) && sum_is_zero(&rsdp, sizeof(rsdp));
    info->root_bytes = newer ? sizeof(rsdp) : RSDP_1_BYTES;
    memcpy(info->root, &rsdp, sizeof(rsdp));
    info->present = (newer && read_root(info, rsdp.xsdt, "XSDT", sizeof(uint64_t))) ||
                    read_root(info, rsdp.rsdt, "RSDT", sizeof(uint32_t));
}
