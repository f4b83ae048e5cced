/* SPDX-License-Identifier: BSD-2-Clause */
/* Entry of the driver as an image of its own. */
#include "boot/efi/driver.h"

/* An option ROM's image has the device that brought it; a file's has a file system. */
static bool came_from_device(EFI_HANDLE device)
{
    VOID *interface;

    return device != NULL &&
           !EFI_ERROR(firmware->HandleProtocol(device, &guid_pci_io, &interface)) &&
           driver_is_for(device);
}

static EFI_STATUS EFIAPI unload(EFI_HANDLE ImageHandle)
{
    (void)ImageHandle;
    return driver_uninstall();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
    EFI_LOADED_IMAGE_PROTOCOL *loaded;

    firmware = system_table->BootServices;
    EFI_STATUS status = firmware->HandleProtocol(image, &guid_loaded_image, (VOID **)&loaded);
    if (EFI_ERROR(status))
        return status;
    if (came_from_device(loaded->DeviceHandle))
        driver_only_handle = loaded->DeviceHandle;
    status = driver_install(image);
    if (EFI_ERROR(status))
        return status;
    loaded->Unload = unload;
    driver_take_over_all(false);
    return EFI_SUCCESS;
}
