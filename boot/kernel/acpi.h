/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few things the kernel wants of ACPI (6.4): where PCI configuration space is mapped, the PM
 * timer, which CPUs and which VT-d units there are, how to switch off and how to reset, where virtio-mmio devices stand, and the registers of PCI hot-plug.
 * No AML is run. Tables are untrusted: checksums,
 * lengths and counts are checked, and what is wrong is left out with a line in the log.
 */
#ifndef VSTOR_KERNEL_ACPI_H
#define VSTOR_KERNEL_ACPI_H

#include "boot/kernel/acpi_dmar.h"
#include "boot/kernel/acpi_hotplug.h"
#include "boot/kernel/acpi_madt.h"
#include "boot/kernel/boot_info.h"
#include "boot/kernel/mmio_places.h"

#define ACPI_MAX_ECAMS 16u

/** Memory-mapped configuration space of some buses. `base` is where bus 0 would lie. (MCFG) */
struct acpi_ecam {
    uint64_t base;
    uint16_t segment;
    uint8_t first_bus, last_bus;
};

enum acpi_space { ACPI_NOWHERE, ACPI_MEMORY, ACPI_PORT, ACPI_PCI_CONFIG };

/** A register that firmware names; `address` of ACPI_PCI_CONFIG: device << 32 | function << 16 |
 * offset, on bus 0. */
struct acpi_register {
    enum acpi_space space;
    uint64_t address;
};

struct acpi_info {
    bool present;
    uint64_t root_physical; /**< where the root pointer (RSDP) lies; 0 if only a copy is known */
    uint8_t root[BOOT_RSDP_BYTES];
    size_t root_bytes; /**< 0 if there is none */
    size_t n_ecams;
    struct acpi_ecam ecams[ACPI_MAX_ECAMS];
    struct acpi_register pm_timer; /**< 32 bits wide, of which 24 or 32 count */
    bool pm_timer_is_32_bit;
    uint16_t smi_command_port; /**< writing acpi_enable there leaves legacy mode; 0 if there is no
                                  legacy mode */
    uint8_t acpi_enable;
    bool has_soft_off; /**< sleep types of state S5 are known */
    uint8_t soft_off_types[2];
    uint16_t control_ports[2];          /**< PM1a, PM1b; 0 if absent */
    struct acpi_register sleep_control; /**< instead of them on hardware-reduced machines */
    struct mmio_places virtio_mmio;
    struct acpi_register reset;
    uint8_t reset_value;
    struct acpi_cpus cpus;
    struct acpi_dmar dmar;
    struct acpi_hotplug hotplug;
};

/** Reads all tables that the root pointer leads to; *info is valid, and empty, where there is none.
 */
void acpi_read(struct acpi_info *info, const struct boot_info *boot);

#endif
