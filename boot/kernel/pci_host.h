/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's PCI: how configuration space is reached and where BARs may be placed. */
#ifndef VSTOR_KERNEL_PCI_HOST_H
#define VSTOR_KERNEL_PCI_HOST_H

#include <vstor/pci.h>

#include "boot/kernel/acpi.h"

/**
 * Maps memory-mapped configuration space that ACPI names. Where ports reach the same functions and
 * disagree, ports are believed. Only segment 0 is used.
 */
void pci_host_start(const struct acpi_info *acpi);

/** Bodies of vst_platform.pci_config_read and _write. */
uint32_t pci_host_config_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                              uint8_t width_bytes);
void pci_host_config_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                           uint8_t width_bytes, uint32_t value);

/** Windows come from the memory map: what is neither RAM nor reserved nor configuration space. */
struct vst_pci_host pci_host_describe(const struct vst_platform *platform,
                                      const struct boot_info *boot);

#endif
