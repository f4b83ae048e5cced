/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/virtio_transports.h"

enum vst_status vst_virtio_pci_open_any(union virtio_any_device *device,
                                        const struct vst_platform *platform,
                                        const struct vst_pci_function *function,
                                        const struct vst_virtio_pci_choice *choice)
{
    enum vst_status status = VST_ERR_UNSUPPORTED;

    if (choice->way != VST_VIRTIO_PCI_LEGACY)
        status = vst_virtio_pci_open(&device->pci, platform, function, choice);
    if (status == VST_OK || choice->way == VST_VIRTIO_PCI_WINDOW)
        return status;
    if (choice->way == VST_VIRTIO_PCI_LEGACY || vst_virtio_pci_has_legacy(function))
        return vst_virtio_pci_legacy_open(&device->pci_legacy, platform, function);
    if (status == VST_ERR_UNSUPPORTED)
        vst_log(platform, VST_LOG_ERROR, "%s: no virtio structures", device->virtio.name);
    return status == VST_ERR_UNSUPPORTED ? VST_ERR_NOT_FOUND : status;
}
