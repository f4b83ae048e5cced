/* SPDX-License-Identifier: BSD-2-Clause */
/* Component Name 2. (UEFI 2.9, 11.5) */
#include "boot/efi/disk.h"
#include "boot/efi/driver.h"

static CHAR8 languages[] = "en";
static CHAR16 driver_name[] = L"vstor virtio storage driver";
static CHAR16 disk_name[] = L"virtio-blk disk";
static CHAR16 adapter_name[] = L"virtio-scsi host adapter";
static CHAR16 scsi_disk_name[] = L"virtio-scsi disk";
static CHAR16 scsi_drive_name[] = L"virtio-scsi CD or DVD drive";

bool driver_speaks(const CHAR8 *language)
{
    return language[0] == 'e' && language[1] == 'n' && (language[2] == '\0' || language[2] == '-');
}

EFI_STATUS driver_find(EFI_HANDLE controller_handle, EFI_HANDLE child_handle,
                       struct controller **found, struct disk **disk)
{
    struct controller *controller = controller_find(controller_handle);

    *found = controller;
    *disk = NULL;
    if (controller == NULL)
        return EFI_UNSUPPORTED;
    if (controller->hba == NULL) {
        *disk = controller->disks;
        return child_handle == NULL ? EFI_SUCCESS : EFI_UNSUPPORTED;
    }
    if (child_handle == NULL)
        return EFI_SUCCESS;
    for (*disk = controller->disks; *disk != NULL; *disk = (*disk)->next)
        if ((*disk)->handle == child_handle)
            return EFI_SUCCESS;
    return EFI_UNSUPPORTED;
}

static EFI_STATUS EFIAPI get_driver_name(EFI_COMPONENT_NAME2_PROTOCOL *This, CHAR8 *Language,
                                         CHAR16 **DriverName)
{
    (void)This;
    if (Language == NULL || DriverName == NULL)
        return EFI_INVALID_PARAMETER;
    if (!driver_speaks(Language))
        return EFI_UNSUPPORTED;
    *DriverName = driver_name;
    return EFI_SUCCESS;
}

static CHAR16 *name_of(const struct controller *controller, const struct disk *disk)
{
    if (controller->hba == NULL)
        return disk_name;
    if (disk == NULL)
        return adapter_name;
    return disk->unit->type == VST_SCSI_TYPE_CD ? scsi_drive_name : scsi_disk_name;
}

static EFI_STATUS EFIAPI get_controller_name(EFI_COMPONENT_NAME2_PROTOCOL *This,
                                             EFI_HANDLE ControllerHandle, EFI_HANDLE ChildHandle,
                                             CHAR8 *Language, CHAR16 **ControllerName)
{
    struct controller *controller;
    struct disk *disk;

    (void)This;
    if (ControllerHandle == NULL || Language == NULL || ControllerName == NULL)
        return EFI_INVALID_PARAMETER;
    if (!driver_speaks(Language))
        return EFI_UNSUPPORTED;
    EFI_STATUS status = driver_find(ControllerHandle, ChildHandle, &controller, &disk);
    if (!EFI_ERROR(status))
        *ControllerName = name_of(controller, disk);
    return status;
}

EFI_COMPONENT_NAME2_PROTOCOL component_name2 = {
    .GetDriverName = get_driver_name,
    .GetControllerName = get_controller_name,
    .SupportedLanguages = languages,
};
