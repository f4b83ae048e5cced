/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "boot/efi/clock.h"
#include "boot/efi/driver.h"
#include "boot/efi/loader/arguments.h"
#include "boot/efi/loader/boot.h"
#include "boot/efi/loader/console.h"
#include "boot/efi/loader/device_path.h"
#include "boot/efi/loader/heap.h"
#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/menu.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/say.h"
#include "boot/efi/loader/utf16.h"
#include "boot/efi/loader/variables.h"
#include "boot/efi/loader/watch.h"

#define GIVE_BACK_TRIES 5u
#define OWN_FILE_BYTES  300u

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

/* ---------------------------------------------------------------- where we come from */

static EFI_DEVICE_PATH_PROTOCOL
    *own_device;                      /* a copy: handles do not outlive the change of drivers */
static char own_file[OWN_FILE_BYTES]; /* "/EFI/BOOT/BOOTX64.EFI"; "" if that is not known */

static char folded(char c)
{
    return c == '\\' ? '/' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool loader_is_own_file(const char *path)
{
    const char *own = own_file;

    for (; *own != '\0' && folded(*own) == folded(*path); own++)
        path++;
    return own != own_file && *own == '\0' && *path == '\0';
}

static void take_own_file(const EFI_DEVICE_PATH_PROTOCOL *node)
{
    CHAR16 units[OWN_FILE_BYTES];
    UINTN bytes = (UINTN)node->Length[0] | (UINTN)node->Length[1] << 8;

    if (node->Type != MEDIA_DEVICE_PATH || node->SubType != MEDIA_FILEPATH_DP ||
        bytes <= sizeof(*node) || bytes - sizeof(*node) > sizeof(units))
        return;
    bytes -= sizeof(*node);
    __builtin_memcpy(units, node + 1, bytes);
    if (!utf8_of(units, bytes / sizeof(CHAR16), own_file, sizeof(own_file)))
        own_file[0] = '\0';
}

static void find_own(void)
{
    EFI_LOADED_IMAGE_PROTOCOL *loaded;
    EFI_DEVICE_PATH_PROTOCOL *path = NULL;

    if (EFI_ERROR(firmware->HandleProtocol(loader_image, &guid_loaded_image, (VOID **)&loaded)))
        return;
    if (loaded->DeviceHandle != NULL)
        path = device_path_of(loaded->DeviceHandle);
    if (path != NULL)
        own_device = device_path_copy(path);
    if (loaded->FilePath != NULL)
        take_own_file(loaded->FilePath);
}

/* ---------------------------------------------------------------- menu */

static struct boot_choice choice;

bool loader_find_volumes(void)
{
    return volumes_find(own_device);
}

static void find_disks(void)
{
    clock_start();
    platform_waits = watch_look;
    watch_begin("virtio disks");
    driver_take_over_all(true);
    watch_end();
    if (!loader_find_volumes())
        say("vstor: not enough memory for all disks and volumes\n");
    if (disks_first() == NULL)
        say("vstor: no virtio disk\n");
}

static void tell_about_us(void)
{
    const struct volume *volume = volumes_first();

    variables_begin(own_file, volume != NULL && volume->is_own ? volume->partition_id : NULL);
}

/* What has come back or failed is not tried again by itself. What was said of disks and entries at
 * first is not said in the menu again, where it would take the place of why that failed. */
static void run_menu(void)
{
    static struct menu_answer answer;
    bool by_itself = true;

    do {
        say_keep(by_itself);
        if (!by_itself)
            find_disks();
        entries_find(&choice);
        say_keep(true);
        menu_run(&choice, by_itself, &answer);
        if (answer.what == MENU_BOOT) {
            entries_save(&choice, answer.entry);
            boot_entry(answer.entry, answer.options);
        }
        entries_forget(&choice);
        if (answer.what == MENU_CONSOLE)
            (void)console_interact();
        by_itself = false;
    } while (answer.what != MENU_LEAVE);
}

/* ---------------------------------------------------------------- all of it */

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
        run_menu();
    else
        say("vstor: what stands behind -c is no line of commands\n");
    free(arguments.commands);
    return arguments.kind == ARGUMENTS_BAD ? EFI_INVALID_PARAMETER : status;
}

static EFI_STATUS run(void)
{
    enumerate_buses();
    find_own();
    find_disks();
    tell_about_us();
    EFI_STATUS status = do_what_is_wanted();
    volumes_forget();
    disks_forget();
    pool_give(own_device);
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
    clock_start();
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
