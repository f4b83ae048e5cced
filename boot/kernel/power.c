/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/cpu.h>
#include <arch/mmio.h>
#include <arch/port_io.h>
#include <arch/system.h>
#include <arch/traps.h>

#include "boot/kernel/address_space.h"
#include "boot/kernel/console.h"
#include "boot/kernel/power.h"

#define DEBUG_EXIT_PORT 0xf4

#define PM1_SCI_ENABLED      0x0001u /* the machine is in ACPI mode */
#define PM1_SLEEP_TYPE_SHIFT 10
#define PM1_SLEEP_TYPE_MASK  (7u << PM1_SLEEP_TYPE_SHIFT)
#define PM1_SLEEP_ENABLE     (1u << 13)
#define SLEEP_TYPE_SHIFT     2
#define SLEEP_ENABLE         (1u << 5)

#define RESET_CONTROL_PORT   0xcf9
#define RESET_HARD           0x02
#define RESET_NOW            0x06
#define KEYBOARD_PORT        0x64
#define KEYBOARD_BUSY        0x02
#define KEYBOARD_PULSE_RESET 0xfe

#define PCI_ADDRESS_PORT   0xcf8
#define PCI_DATA_PORT      0xcfc
#define PCI_ADDRESS_ENABLE 0x80000000u

#define MAX_POLLS 1000000u

static const struct acpi_info *acpi;

void power_start(const struct acpi_info *info)
{
    acpi = info;
}

/* Gives hardware a moment: some registers act milliseconds later. */
static void wait_a_moment(void)
{
    for (uint32_t i = 0; i < MAX_POLLS; i++)
        arch_pause();
}

static void write_pci_config(uint64_t address, uint8_t value)
{
    uint32_t device = (uint32_t)(address >> 32) & 31, function = (uint32_t)(address >> 16) & 7;
    uint32_t offset = (uint32_t)address & 0xff;

    port_write32(PCI_ADDRESS_PORT,
                 PCI_ADDRESS_ENABLE | device << 11 | function << 8 | (offset & 0xfc));
    port_write8((uint16_t)(PCI_DATA_PORT + (offset & 3)), value);
}

static void write_register(struct acpi_register reg, uint8_t value)
{
    mmio_u8 *mapped;

    switch (reg.space) {
    case ACPI_PORT:
        port_write8((uint16_t)reg.address, value);
        break;
    case ACPI_MEMORY:
        mapped = address_space_map_device(reg.address, 1);
        if (mapped != NULL)
            mmio_u8_write(mapped, value);
        break;
    case ACPI_PCI_CONFIG:
        write_pci_config(reg.address, value);
        break;
    case ACPI_NOWHERE:
        return;
    }
    wait_a_moment();
}

/* PM1 control only works in ACPI mode; firmware leaves some machines in legacy mode.
 * (ACPI 6.4, 4.8.2.5) */
static void enter_acpi_mode(void)
{
    if ((port_read16(acpi->control_ports[0]) & PM1_SCI_ENABLED) || acpi->smi_command_port == 0 ||
        acpi->acpi_enable == 0)
        return;
    port_write8(acpi->smi_command_port, acpi->acpi_enable);
    for (uint32_t i = 0; i < MAX_POLLS && !(port_read16(acpi->control_ports[0]) & PM1_SCI_ENABLED);
         i++)
        arch_pause();
}

static void write_sleep_type(uint16_t port, uint8_t type)
{
    uint32_t kept = port_read16(port) & ~(PM1_SLEEP_TYPE_MASK | PM1_SLEEP_ENABLE);

    port_write16(port,
                 (uint16_t)(kept | (uint32_t)type << PM1_SLEEP_TYPE_SHIFT | PM1_SLEEP_ENABLE));
}

static void switch_off(void)
{
    if (acpi == NULL || !acpi->has_soft_off)
        return;
    write_register(acpi->sleep_control,
                   (uint8_t)(acpi->soft_off_types[0] << SLEEP_TYPE_SHIFT | SLEEP_ENABLE));
    if (acpi->control_ports[0] == 0)
        return;
    enter_acpi_mode();
    write_sleep_type(acpi->control_ports[0], acpi->soft_off_types[0]);
    if (acpi->control_ports[1] != 0)
        write_sleep_type(acpi->control_ports[1], acpi->soft_off_types[1]);
    wait_a_moment();
}

void power_exit(uint8_t status)
{
    console_drain();
    port_write8(DEBUG_EXIT_PORT, status);
    switch_off();
    console_printf("vstor: ended with status %u; this machine can be switched off now\n", status);
    for (;;) {
        arch_interrupts_disable();
        arch_halt();
    }
}

void power_reboot(void)
{
    console_drain();
    if (acpi != NULL)
        write_register(acpi->reset, acpi->reset_value);
    port_write8(RESET_CONTROL_PORT, RESET_HARD);
    port_write8(RESET_CONTROL_PORT, RESET_NOW);
    wait_a_moment();
    for (uint32_t i = 0; i < MAX_POLLS && (port_read8(KEYBOARD_PORT) & KEYBOARD_BUSY); i++)
        arch_pause();
    port_write8(KEYBOARD_PORT, KEYBOARD_PULSE_RESET);
    wait_a_moment();
    arch_triple_fault();
}
