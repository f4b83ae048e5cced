/* SPDX-License-Identifier: BSD-2-Clause */
/* Driver Binding. (UEFI 2.9, 11.1) */
#include "boot/efi/disk.h"
#include "boot/efi/driver.h"
#include "boot/efi/scsi.h"

/* Higher than that of drivers that come with firmware (0x10), lower than a platform vendor's own. */
#define DRIVER_VERSION 0x100

EFI_HANDLE driver_only_handle;

static EFI_STATUS open_pci(const EFI_DRIVER_BINDING_PROTOCOL *binding, EFI_HANDLE handle,
                           EFI_PCI_IO_PROTOCOL **pci_io)
{
    return firmware->OpenProtocol(handle, &guid_pci_io, (VOID **)pci_io,
                                  binding->DriverBindingHandle, handle,
                                  EFI_OPEN_PROTOCOL_BY_DRIVER);
}

static void close_pci(const EFI_DRIVER_BINDING_PROTOCOL *binding, EFI_HANDLE handle)
{
    (void)firmware->CloseProtocol(handle, &guid_pci_io, binding->DriverBindingHandle, handle);
}

/* ---------------------------------------------------------------- Supported */

/* An end node asks for no child, any other for the one it names. */
static bool names_no_child(const EFI_DEVICE_PATH_PROTOCOL *path)
{
    return path != NULL && path->Type == END_DEVICE_PATH_TYPE;
}

static bool is_ours(EFI_PCI_IO_PROTOCOL *pci_io, const EFI_DEVICE_PATH_PROTOCOL *remaining)
{
    struct vst_pci_function function;

    if (EFI_ERROR(platform_ids(pci_io, &function)))
        return false;
    if (vst_virtio_blk_matches(&function))
        return true;
    return vst_virtio_scsi_matches(&function) &&
           (remaining == NULL || names_no_child(remaining) || scsi_is_node(remaining));
}

/* One that runs may be asked for more of its units, or for those that have come since. */
static EFI_STATUS supported_again(EFI_HANDLE handle, const EFI_DEVICE_PATH_PROTOCOL *remaining)
{
    const struct controller *controller = controller_find(handle);

    return controller != NULL && controller->hba != NULL && !names_no_child(remaining)
               ? EFI_SUCCESS
               : EFI_ALREADY_STARTED;
}

static EFI_STATUS EFIAPI supported(EFI_DRIVER_BINDING_PROTOCOL *This, EFI_HANDLE ControllerHandle,
                                   EFI_DEVICE_PATH *RemainingDevicePath)
{
    EFI_PCI_IO_PROTOCOL *pci_io;

    if (driver_only_handle != NULL && ControllerHandle != driver_only_handle)
        return EFI_UNSUPPORTED;
    EFI_STATUS status = open_pci(This, ControllerHandle, &pci_io);
    if (status == EFI_ALREADY_STARTED)
        return supported_again(ControllerHandle, RemainingDevicePath);
    if (EFI_ERROR(status))
        return status;
    status = is_ours(pci_io, RemainingDevicePath) ? EFI_SUCCESS : EFI_UNSUPPORTED;
    close_pci(This, ControllerHandle);
    return status;
}

/* ---------------------------------------------------------------- Start */

static const SCSI_DEVICE_PATH *child_named(const EFI_DEVICE_PATH_PROTOCOL *remaining)
{
    return remaining == NULL ? NULL : (const SCSI_DEVICE_PATH *)(const void *)remaining;
}

static EFI_STATUS install(struct controller *controller, EFI_HANDLE binding,
                          const EFI_DEVICE_PATH_PROTOCOL *remaining)
{
    if (controller->hba == NULL)
        return disk_install(controller->disks);
    EFI_STATUS status = pass_thru_install(controller, binding);
    if (EFI_ERROR(status) || names_no_child(remaining))
        return status;
    /* Units that can't be shown don't take the others with them. */
    (void)scsi_make_disks(controller, binding, child_named(remaining));
    return EFI_SUCCESS;
}

static EFI_STATUS start_again(EFI_HANDLE handle, EFI_HANDLE binding,
                              const EFI_DEVICE_PATH_PROTOCOL *remaining)
{
    struct controller *controller = controller_find(handle);

    if (controller == NULL || controller->hba == NULL || names_no_child(remaining))
        return EFI_ALREADY_STARTED;
    scsi_rescan(controller);
    return scsi_make_disks(controller, binding, child_named(remaining));
}

static EFI_STATUS EFIAPI start(EFI_DRIVER_BINDING_PROTOCOL *This, EFI_HANDLE ControllerHandle,
                               EFI_DEVICE_PATH *RemainingDevicePath)
{
    struct controller *controller;
    EFI_PCI_IO_PROTOCOL *pci_io;

    EFI_STATUS status = open_pci(This, ControllerHandle, &pci_io);
    if (status == EFI_ALREADY_STARTED)
        return start_again(ControllerHandle, This->DriverBindingHandle, RemainingDevicePath);
    if (EFI_ERROR(status))
        return status;
    status = controller_open(ControllerHandle, pci_io, &controller);
    if (!EFI_ERROR(status)) {
        status = install(controller, This->DriverBindingHandle, RemainingDevicePath);
        if (EFI_ERROR(status))
            controller_close(controller);
    }
    if (EFI_ERROR(status))
        close_pci(This, ControllerHandle);
    return status;
}

/* ---------------------------------------------------------------- Stop */

static EFI_STATUS stop_children(struct controller *controller, EFI_HANDLE binding, UINTN n,
                                EFI_HANDLE *children)
{
    EFI_STATUS outcome = EFI_SUCCESS;

    for (UINTN i = 0; i < n; i++)
        if (EFI_ERROR(scsi_unmake_disk(controller, binding, children[i])))
            outcome = EFI_DEVICE_ERROR;
    return outcome;
}

static EFI_STATUS uninstall(struct controller *controller, EFI_HANDLE binding)
{
    if (controller->hba == NULL)
        return disk_uninstall(controller->disks);
    return controller->disks != NULL ? EFI_DEVICE_ERROR : pass_thru_uninstall(controller, binding);
}

static EFI_STATUS EFIAPI stop(EFI_DRIVER_BINDING_PROTOCOL *This, EFI_HANDLE ControllerHandle,
                              UINTN NumberOfChildren, EFI_HANDLE *ChildHandleBuffer)
{
    struct controller *controller = controller_find(ControllerHandle);

    if (controller == NULL || controllers_in_use)
        return EFI_DEVICE_ERROR;
    if (NumberOfChildren > 0)
        return stop_children(controller, This->DriverBindingHandle, NumberOfChildren,
                             ChildHandleBuffer);
    if (EFI_ERROR(uninstall(controller, This->DriverBindingHandle)))
        return EFI_DEVICE_ERROR;
    controller_close(controller);
    close_pci(This, ControllerHandle);
    return EFI_SUCCESS;
}

EFI_DRIVER_BINDING_PROTOCOL driver_binding = {
    .Supported = supported,
    .Start = start,
    .Stop = stop,
    .Version = DRIVER_VERSION,
};
