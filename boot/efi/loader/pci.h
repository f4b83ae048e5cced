/* SPDX-License-Identifier: BSD-2-Clause */
/* All functions of PCI as the firmware knows them, for people to see: nothing of them is changed. */
#ifndef VSTOR_EFI_LOADER_PCI_H
#define VSTOR_EFI_LOADER_PCI_H

#include <vstor/pci.h>

/** Finds them anew; valid until called again. In order of their addresses. Memory from malloc. */
const struct vst_pci_function *pci_find(size_t *n);

/** vst_platform.pci_config_read for those that were found; all ones for what is none of them. */
uint32_t pci_config_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                         uint8_t width_bytes);

#endif
