/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IOMMUs that stand between disks and memory: VT-d, which ACPI names, and virtio-iommu.
 *
 * The kernel maps memory one to one and drives no IOMMU, so it wants them to let devices through. As
 * a machine starts most do: VT-d until somebody turns translation on, virtio-iommu if its field
 * `bypass` says so. What does not is made to, or named, for a disk behind it gets no answer to
 * anything: its requests never reach it.
 *
 * virtio-iommu is found as the PCI function that it is; ACPI's VIOT would only say the same again.
 */
#ifndef VSTOR_KERNEL_IOMMU_H
#define VSTOR_KERNEL_IOMMU_H

#include <vstor/pci.h>
#include "boot/kernel/acpi.h"

/**
 * Looks at all IOMMUs and has them let devices through; `keep`: only looks. Before any disk is
 * attached, the BARs placed. What is in the way afterwards stands in the log.
 */
void iommu_start(const struct acpi_info *acpi, const struct vst_pci_function *functions,
                 size_t n_functions, bool keep);

/** Why a disk may not reach memory, to be added to an error; "" if nothing is known to be in the way. */
const char *iommu_obstacle(void);

#endif
