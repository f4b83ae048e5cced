/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/driver.h"
#include "boot/efi/loader/disks.h"
#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/say.h"

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

static void run(void)
{
    enumerate_buses();
    driver_take_over_all(true);
    if (!disks_find())
        say("vstor: not enough memory for all disks\n");
    if (disks_first() == NULL)
        say("vstor: no virtio disk\n");
    disks_tell();
    disks_forget();
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
