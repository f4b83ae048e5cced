/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/cpu.h>
#include <arch/system.h>

#include "boot/kernel/address_space.h"
#include "boot/kernel/log.h"
#include "boot/kernel/memory.h"
#include "boot/kernel/pci_host.h"

#define BYTES_PER_BUS     0x100000ull
#define FOUR_GIB          0x100000000ull
#define LOW_WINDOW_ALIGN  0x100000ull
#define HIGH_WINDOW_ALIGN 0x40000000ull

/*
 * Below 4 GiB, chipsets route to PCI from the end of RAM on, but some virtual ones (QEMU's microvm)
 * only from 3 GiB on; from 0xfec00000 on lie interrupt controllers and firmware.
 */
#define LOW_WINDOW_FIRST 0xc0000000ull
#define LOW_WINDOW_END   0xfec00000ull

/* Above what firmware and mainboard devices use (QEMU's PM registers, ACPI hotplug at 0xae00). */
#define IO_WINDOW_FIRST 0xc000u
#define IO_WINDOW_LAST  0xffffu

#define MAX_LOCK_POLLS 1000000u

#define CPUID_ADDRESS_SIZES  0x80000008u
#define DEFAULT_ADDRESS_BITS 36u
#define MAX_ADDRESS_BITS     46u

static struct vst_pci_ecam ecams[ACPI_MAX_ECAMS];
static size_t n_ecams;
static bool ports_taken; /* atomic */

/* ---------------------------------------------------------------- configuration access */

/* A stale MCFG leads into nowhere: the host bridge must look the same through ports, if ports show
 * one at all. */
static bool ports_disagree(const struct vst_pci_ecam *ecam)
{
    const struct vst_pci_address host_bridge = {0, 0, 0, 0};

    if (ecam->first_bus != 0)
        return false;
    uint32_t by_port = vst_pci_port_read(host_bridge, 0, 4);
    return by_port != 0xffffffff && by_port != vst_pci_ecam_read(ecam, host_bridge, 0, 4);
}

static void add_ecam(const struct acpi_ecam *found)
{
    uint64_t first = found->base + found->first_bus * BYTES_PER_BUS;
    uint64_t bytes = (found->last_bus - found->first_bus + 1u) * BYTES_PER_BUS;

    if (found->segment != 0) {
        log_printf(VST_LOG_WARNING, "pci: segment %u is not looked at", found->segment);
        return;
    }
    struct vst_pci_ecam ecam = {
        .base = address_space_map_device(first, bytes),
        .first_bus = found->first_bus,
        .last_bus = found->last_bus,
    };
    if (ecam.base == NULL || ports_disagree(&ecam))
        log_printf(VST_LOG_WARNING, "pci: no configuration space at 0x%llx, though ACPI says so",
                   (unsigned long long)first);
    else
        ecams[n_ecams++] = ecam;
}

void pci_host_start(const struct acpi_info *acpi)
{
    for (size_t i = 0; i < acpi->n_ecams; i++)
        add_ecam(&acpi->ecams[i]);
}

static const struct vst_pci_ecam *ecam_of(struct vst_pci_address address)
{
    for (size_t i = 0; i < n_ecams; i++)
        if (address.segment == ecams[i].segment && address.bus >= ecams[i].first_bus &&
            address.bus <= ecams[i].last_bus)
            return &ecams[i];
    return NULL;
}

/*
 * Address and data are two ports, for all CPUs together, and for interrupt handlers. Who has been
 * stopped in between (by a trap) keeps nobody waiting for ever.
 */
static bool take_ports(void)
{
    bool enabled = arch_interrupts_save();

    for (uint32_t i = 0; i < MAX_LOCK_POLLS; i++) {
        if (!__atomic_exchange_n(&ports_taken, true, __ATOMIC_ACQUIRE))
            break;
        arch_pause();
    }
    return enabled;
}

static void give_ports(bool interrupts_enabled)
{
    __atomic_store_n(&ports_taken, false, __ATOMIC_RELEASE);
    arch_interrupts_restore(interrupts_enabled);
}

uint32_t pci_host_config_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                              uint8_t width_bytes)
{
    const struct vst_pci_ecam *ecam = ecam_of(address);

    (void)ctx;
    if (ecam != NULL)
        return vst_pci_ecam_read(ecam, address, offset, width_bytes);
    bool enabled = take_ports();
    uint32_t value = vst_pci_port_read(address, offset, width_bytes);
    give_ports(enabled);
    return value;
}

void pci_host_config_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                           uint8_t width_bytes, uint32_t value)
{
    const struct vst_pci_ecam *ecam = ecam_of(address);

    (void)ctx;
    if (ecam != NULL) {
        vst_pci_ecam_write(ecam, address, offset, width_bytes, value);
        return;
    }
    bool enabled = take_ports();
    vst_pci_port_write(address, offset, width_bytes, value);
    give_ports(enabled);
}

/* ---------------------------------------------------------------- windows */

static uint64_t end_of_ram_below(uint64_t limit)
{
    const struct range_set *ram = memory_ram();
    uint64_t end = 0;

    for (size_t i = 0; i < ram->n_ranges; i++)
        if (ram->ranges[i].first < limit)
            end = ram->ranges[i].end;
    return end;
}

/* The longest hole in [first, end) between what the memory map and ACPI name, on whole units. */
static struct vst_pci_window longest_hole(uint64_t first, uint64_t end, uint64_t unit,
                                          const struct boot_info *boot)
{
    struct range_set holes = {0};
    bool complete = range_set_add(&holes, round_up(first, unit), round_down(end, unit));

    for (size_t i = 0; i < boot->n_memory_ranges; i++) {
        const struct boot_range *range = &boot->memory_ranges[i];
        complete &=
            range_set_remove(&holes, round_down(range->first, unit),
                             round_up(vst_add_saturated_u64(range->first, range->bytes), unit));
    }
    for (size_t i = 0; i < n_ecams; i++) {
        uint64_t base = (uintptr_t)ecams[i].base;
        uint64_t bytes = (ecams[i].last_bus - ecams[i].first_bus + 1u) * BYTES_PER_BUS;
        complete &= range_set_remove(&holes, round_down(base, unit), round_up(base + bytes, unit));
    }
    struct range longest = range_set_longest(&holes);
    if (!complete || longest.first == longest.end)
        return (struct vst_pci_window){1, 0};
    return (struct vst_pci_window){longest.first, longest.end - 1};
}

static uint64_t address_space_end(void)
{
    unsigned bits = arch_cpuid_checked(CPUID_ADDRESS_SIZES).eax & 0xff;

    if (bits < 32)
        bits = DEFAULT_ADDRESS_BITS;
    return 1ull << (bits < MAX_ADDRESS_BITS ? bits : MAX_ADDRESS_BITS);
}

static uint8_t last_bus(void)
{
    uint8_t last = 0;

    for (size_t i = 0; i < n_ecams; i++)
        last = ecams[i].last_bus > last ? ecams[i].last_bus : last;
    return n_ecams > 0 ? last : 255;
}

struct vst_pci_host pci_host_describe(const struct vst_platform *platform,
                                      const struct boot_info *boot)
{
    uint64_t low_first = end_of_ram_below(FOUR_GIB), high_first = end_of_ram_below(UINT64_MAX);

    if (low_first < LOW_WINDOW_FIRST)
        low_first = LOW_WINDOW_FIRST;
    if (high_first < FOUR_GIB)
        high_first = FOUR_GIB;
    return (struct vst_pci_host){
        .platform = platform,
        .last_bus = last_bus(),
        .io = {IO_WINDOW_FIRST, IO_WINDOW_LAST},
        .memory_below_4g = longest_hole(low_first, LOW_WINDOW_END, LOW_WINDOW_ALIGN, boot),
        .memory_above_4g = longest_hole(high_first, address_space_end(), HIGH_WINDOW_ALIGN, boot),
    };
}
