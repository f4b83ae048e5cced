/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the driver begins and ends, in an image of its own or in the boot loader's. */
#include "boot/efi/driver.h"

EFI_BOOT_SERVICES *firmware;

EFI_GUID guid_pci_io = EFI_PCI_IO_PROTOCOL_GUID;
EFI_GUID guid_device_path = EFI_DEVICE_PATH_PROTOCOL_GUID;
EFI_GUID guid_driver_binding = EFI_DRIVER_BINDING_PROTOCOL_GUID;
EFI_GUID guid_loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;
EFI_GUID guid_block_io = EFI_BLOCK_IO_PROTOCOL_GUID;
EFI_GUID guid_block_io2 = EFI_BLOCK_IO2_PROTOCOL_GUID;
EFI_GUID guid_component_name2 = EFI_COMPONENT_NAME2_PROTOCOL_GUID;
EFI_GUID guid_disk_info = EFI_DISK_INFO_PROTOCOL_GUID;
EFI_GUID guid_erase_block = EFI_ERASE_BLOCK_PROTOCOL_GUID;
EFI_GUID guid_ext_scsi_pass_thru = EFI_EXT_SCSI_PASS_THRU_PROTOCOL_GUID;
EFI_GUID guid_driver_diagnostics2 = EFI_DRIVER_DIAGNOSTICS2_PROTOCOL_GUID;
EFI_GUID guid_supported_efi_version = EFI_DRIVER_SUPPORTED_EFI_VERSION_PROTOCOL_GUID;

static EFI_DRIVER_SUPPORTED_EFI_VERSION_PROTOCOL supported_efi_version = {
    .Length = sizeof(supported_efi_version),
    .FirmwareVersion = EFI_SYSTEM_TABLE_REVISION_2_90,
};

/* ---------------------------------------------------------------- protocols */

EFI_STATUS driver_install(EFI_HANDLE image)
{
    driver_binding.ImageHandle = image;
    driver_binding.DriverBindingHandle = image;
    return firmware->InstallMultipleProtocolInterfaces(
        &driver_binding.DriverBindingHandle, &guid_driver_binding, &driver_binding,
        &guid_component_name2, &component_name2, &guid_driver_diagnostics2, &driver_diagnostics2,
        &guid_supported_efi_version, &supported_efi_version, NULL);
}

static EFI_STATUS uninstall(void)
{
    return firmware->UninstallMultipleProtocolInterfaces(
        driver_binding.DriverBindingHandle, &guid_driver_binding, &driver_binding,
        &guid_component_name2, &component_name2, &guid_driver_diagnostics2, &driver_diagnostics2,
        &guid_supported_efi_version, &supported_efi_version, NULL);
}

/* ---------------------------------------------------------------- taking over, giving back */

EFI_HANDLE *driver_pci_handles(UINTN *n)
{
    EFI_HANDLE *handles = NULL;

    *n = 0;
    if (EFI_ERROR(firmware->LocateHandleBuffer(ByProtocol, &guid_pci_io, NULL, n, &handles)))
        return NULL;
    return handles;
}

bool driver_is_for(EFI_HANDLE handle)
{
    struct vst_pci_function function;
    EFI_PCI_IO_PROTOCOL *pci_io;

    if (EFI_ERROR(firmware->HandleProtocol(handle, &guid_pci_io, (VOID **)&pci_io)) ||
        EFI_ERROR(platform_ids(pci_io, &function)))
        return false;
    return vst_virtio_blk_matches(&function) || vst_virtio_scsi_matches(&function);
}

/* The agent that has the function open as its driver; NULL: nobody. */
static EFI_HANDLE driver_of(EFI_HANDLE handle)
{
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *entries;
    EFI_HANDLE agent = NULL;
    UINTN n;

    if (EFI_ERROR(firmware->OpenProtocolInformation(handle, &guid_pci_io, &entries, &n)))
        return NULL;
    for (UINTN i = 0; i < n; i++)
        if (entries[i].Attributes & EFI_OPEN_PROTOCOL_BY_DRIVER)
            agent = entries[i].AgentHandle;
    (void)firmware->FreePool(entries);
    return agent;
}

/* Of an adapter: what stands on its units, and then the bus that has made these. */
static void disconnect_bus(EFI_HANDLE handle)
{
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *entries;
    EFI_HANDLE bus = NULL;
    UINTN n;

    if (EFI_ERROR(
            firmware->OpenProtocolInformation(handle, &guid_ext_scsi_pass_thru, &entries, &n)))
        return;
    for (UINTN i = 0; i < n; i++)
        if (entries[i].Attributes & EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER) {
            bus = entries[i].AgentHandle;
            (void)firmware->DisconnectController(entries[i].ControllerHandle, NULL, NULL);
        }
    (void)firmware->FreePool(entries);
    if (bus != NULL)
        (void)firmware->DisconnectController(handle, bus, NULL);
}

/*
 * From the top down: asked to let go of the adapter alone, OVMF's drivers (2022.11) refuse, and asked
 * again the firmware crashes.
 */
static void disconnect_others(EFI_HANDLE handle)
{
    disconnect_bus(handle);
    (void)firmware->DisconnectController(handle, driver_of(handle), NULL);
}

/*
 * Alone on the handle, which ConnectController can't be told: drivers that are named to it only come
 * before all others, which follow, and a virtio-blk function is the very handle that firmware's
 * partition driver looks for. (UEFI 2.9, 7.3.12; to call Start is allowed behind Supported: 11.1)
 */
static EFI_STATUS start_alone(EFI_HANDLE handle)
{
    EFI_STATUS status = driver_binding.Supported(&driver_binding, handle, NULL);

    return EFI_ERROR(status) ? status : driver_binding.Start(&driver_binding, handle, NULL);
}

static EFI_STATUS connect_us(EFI_HANDLE handle)
{
    EFI_HANDLE us_first[] = {driver_binding.DriverBindingHandle, NULL};

    return firmware->ConnectController(handle, us_first, NULL, TRUE);
}

/*
 * Loaded late, other drivers have the disks already, and no Version makes them give way. One that does
 * not let go, for somebody uses the disk, keeps it.
 */
static void take_over(EFI_HANDLE handle, bool for_loader)
{
    EFI_HANDLE other = driver_of(handle);

    if (other == driver_binding.DriverBindingHandle || (other == NULL && !for_loader))
        return;
    if (other != NULL)
        disconnect_others(handle);
    if (EFI_ERROR(for_loader ? start_alone(handle) : connect_us(handle)))
        (void)firmware->ConnectController(handle, NULL, NULL, TRUE);
}

/* Visits all that it can drive, or those of n handles: the driver's own option ROM drives but one. */
static void visit(const EFI_HANDLE *handles, UINTN n, void (*each)(EFI_HANDLE handle))
{
    for (UINTN i = 0; i < n; i++)
        if ((driver_only_handle == NULL || handles[i] == driver_only_handle) &&
            driver_is_for(handles[i]))
            each(handles[i]);
}

static void visit_all(void (*each)(EFI_HANDLE handle))
{
    UINTN n;
    EFI_HANDLE *handles = driver_pci_handles(&n);

    if (handles == NULL)
        return;
    visit(handles, n, each);
    (void)firmware->FreePool(handles);
}

static void take_over_for_firmware(EFI_HANDLE handle)
{
    take_over(handle, false);
}

static void take_over_for_loader(EFI_HANDLE handle)
{
    take_over(handle, true);
}

void driver_take_over_all(bool for_loader)
{
    visit_all(for_loader ? take_over_for_loader : take_over_for_firmware);
}

static void find_units(EFI_HANDLE handle)
{
    if (driver_of(handle) == driver_binding.DriverBindingHandle)
        (void)start_alone(handle);
}

void driver_find_units(void)
{
    visit_all(find_units);
}

static void connect_whole(EFI_HANDLE handle)
{
    (void)firmware->ConnectController(handle, NULL, NULL, TRUE);
}

void driver_connect_children(void)
{
    visit_all(connect_whole);
}

/* ---------------------------------------------------------------- unloading */

/*
 * EFI_DEVICE_ERROR: one of them is in use. Those that were let go of are the first of the list then;
 * functions that nobody drove stay so.
 */
static EFI_STATUS let_go_of_all(EFI_HANDLE *handles, UINTN n, UINTN *n_let_go)
{
    for (UINTN i = 0; i < n; i++) {
        EFI_HANDLE handle = handles[i];
        if (controller_find(handle) == NULL)
            continue;
        if (EFI_ERROR(
                firmware->DisconnectController(handle, driver_binding.DriverBindingHandle, NULL)))
            return EFI_DEVICE_ERROR;
        handles[(*n_let_go)++] = handle;
    }
    return EFI_SUCCESS;
}

static void connect_others(EFI_HANDLE handle)
{
    if (driver_of(handle) == NULL)
        connect_whole(handle);
}

EFI_STATUS driver_uninstall(void)
{
    UINTN n, n_let_go = 0;
    EFI_HANDLE *handles = driver_pci_handles(&n);

    EFI_STATUS status = handles == NULL ? EFI_SUCCESS : let_go_of_all(handles, n, &n_let_go);
    if (!EFI_ERROR(status))
        status = uninstall();
    /* With our protocols gone it is others that come. */
    visit(handles, n_let_go, connect_others);
    if (handles != NULL)
        (void)firmware->FreePool(handles);
    return status;
}
