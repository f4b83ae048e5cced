/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI hot-plug by ACPI as QEMU's machines have it (its docs/specs/acpi_pci_hotplug): on `pc`, and on
 * `q35` unless it is told to leave that to the ports. AML is not run: its bytes are searched for the
 * registers, which are few and always the same.
 *
 * Which of the machine's buses has which selector only AML would tell. It need not be known: a
 * device that is to leave is ejected, and then seen to be gone.
 */
#ifndef VSTOR_KERNEL_ACPI_HOTPLUG_H
#define VSTOR_KERNEL_ACPI_HOTPLUG_H

#include <vstor/types.h>

struct acpi_hotplug {
    uint16_t port;     /**< of the registers; 0: there are none */
    uint16_t gpe_port; /**< status of the general-purpose events, of which number 1 is for these */
};

/** Looks for the registers in a definition block. */
void acpi_hotplug_search(struct acpi_hotplug *hotplug, const uint8_t *aml, size_t bytes);

/**
 * Whether devices have come or gone since the last call; ejects those that are to leave, which ends
 * their use of memory. `n_buses`: as many selectors are looked at. Cheap if nothing has happened.
 */
bool acpi_hotplug_poll(const struct acpi_hotplug *hotplug, unsigned n_buses);

#endif
