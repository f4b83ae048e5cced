/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaving the machine. */
#ifndef VSTOR_KERNEL_POWER_H
#define VSTOR_KERNEL_POWER_H

#include "boot/kernel/acpi.h"

/** Status of a trap or a panic. */
#define POWER_STATUS_FAILURE 0x7fu

/** Tells how to switch off and reset; until then only what needs no ACPI is tried. */
void power_start(const struct acpi_info *acpi);

/** Ends QEMU with process status (status << 1) | 1 if it has isa-debug-exit, else switches off,
 * else stops. */
_Noreturn void power_exit(uint8_t status);

/** Starts the machine anew. */
_Noreturn void power_reboot(void);

#endif
