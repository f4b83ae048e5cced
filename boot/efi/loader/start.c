/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/driver.h"
#include "boot/efi/loader/device_path.h"
#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/say.h"
#include "boot/efi/loader/volumes.h"

#define GIVE_BACK_TRIES 5u

EFI_SYSTEM_TABLE *loader_system;
EFI_HANDLE loader_image;

/* Firmware that has started us from one disk may not have looked at the rest of the machine yet. */
static void enumerate_buses(void)
{
    EFI_GUID guid_root_bridge = EFI_PCI_ROOT_BRIDGE_IO_PROTOCOL_GUID;
    EFI_HANDLE *handles = NULL;
    UINTN n = 0;

    if (EFI_ERROR(firmware->LocateHandleBuffer(ByProtocol, &guid_root_bridge, NULL, &n, &handles)))
        return;
    for (UINTN i = 0; i < n; i++)
        (void)firmware->ConnectController(handles[i], NULL, NULL, FALSE);
    (void)firmware->FreePool(handles);
}

/* Where this program came from; the handle does not outlive the change of drivers. */
static EFI_DEVICE_PATH_PROTOCOL *copy_own_path(void)
{
    EFI_LOADED_IMAGE_PROTOCOL *loaded;
    EFI_DEVICE_PATH_PROTOCOL *path = NULL;

    if (!EFI_ERROR(firmware->HandleProtocol(loader_image, &guid_loaded_image, (VOID **)&loaded)) &&
        loaded->DeviceHandle != NULL)
        path = device_path_of(loaded->DeviceHandle);
    return path != NULL ? device_path_copy(path) : NULL;
}

static void run(void)
{
    EFI_DEVICE_PATH_PROTOCOL *own = copy_own_path();

    enumerate_buses();
    driver_take_over_all(true);
    if (!volumes_find(own))
        say("vstor: not enough memory for all disks and volumes\n");
    if (disks_first() == NULL)
        say("vstor: no virtio disk\n");
    disks_tell();
    for (const struct volume *volume = volumes_first(); volume != NULL; volume = volume->next)
        say("%-5s %s%s%s\n", volume->name, vst_files_kind_name(volume->files.kind),
            volume->files.label[0] != '\0' ? ", label " : "", volume->files.label);
    volumes_forget();
    disks_forget();
    pool_give(own);
}

/* Our code is gone when we return, so nobody may go on to use it: better a machine that starts anew. */
static void end(void)
{
    for (unsigned i = 0; i < GIVE_BACK_TRIES; i++) {
        if (!EFI_ERROR(driver_uninstall()))
            return;
        say("vstor: a disk is in use and can't be given back; the machine starts again in %u s\n",
            GIVE_BACK_TRIES - i);
        firmware->Stall(1000000);
    }
    loader_system->RuntimeServices->ResetSystem(EfiResetCold, EFI_DEVICE_ERROR, 0, NULL);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
    firmware = system_table->BootServices;
    loader_system = system_table;
    loader_image = image;
    EFI_STATUS status = driver_install(image);
    if (EFI_ERROR(status))
        return status;
    /* It may be long until somebody chooses. (UEFI 2.9, 7.5) */
    (void)firmware->SetWatchdogTimer(0, 0, 0, NULL);
    run();
    end();
    return EFI_SUCCESS;
}
