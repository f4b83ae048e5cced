/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "boot/efi/driver.h"
#include "boot/efi/loader/arguments.h"
#include "boot/efi/loader/console.h"
#include "boot/efi/loader/device_path.h"
#include "boot/efi/loader/heap.h"
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

static void tell(void)
{
    disks_tell();
    for (const struct volume *volume = volumes_first(); volume != NULL; volume = volume->next)
        say("%-5s %s%s%s\n", volume->name, vst_files_kind_name(volume->files.kind),
            volume->files.label[0] != '\0' ? ", label " : "", volume->files.label);
}

/* The status of commands, 1 to 255, as that of a program. */
static EFI_STATUS status_of(int exit_status)
{
    return exit_status == 0 ? EFI_SUCCESS : EFIERR((UINTN)(exit_status & 0xff));
}

static EFI_STATUS do_what_is_wanted(void)
{
    struct arguments arguments = arguments_read();
    EFI_STATUS status = EFI_SUCCESS;

    if (arguments.kind == ARGUMENTS_COMMANDS)
        status = status_of(console_run(arguments.commands));
    else if (arguments.kind == ARGUMENTS_SHELL)
        status = status_of(console_interact());
    else if (arguments.kind == ARGUMENTS_NONE)
        tell();
    else
        say("vstor: what stands behind -c is no line of commands\n");
    free(arguments.commands);
    return arguments.kind == ARGUMENTS_BAD ? EFI_INVALID_PARAMETER : status;
}

static EFI_STATUS run(void)
{
    EFI_DEVICE_PATH_PROTOCOL *own = copy_own_path();

    enumerate_buses();
    driver_take_over_all(true);
    if (!volumes_find(own))
        say("vstor: not enough memory for all disks and volumes\n");
    if (disks_first() == NULL)
        say("vstor: no virtio disk\n");
    EFI_STATUS status = do_what_is_wanted();
    volumes_forget();
    disks_forget();
    pool_give(own);
    return status;
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
    status = run();
    end();
    heap_free_all();
    return status;
}
