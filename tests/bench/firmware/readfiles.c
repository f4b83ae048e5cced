/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An EFI program that measures the firmware's own way to files: its driver of the disk is started
 * anew, as a loader would find it, and all files of one folder are read whole, one after the other,
 * between marks. Its option is the folder, e.g. "\loader\entries", on the first volume that has it.
 */
#include <efi.h>
#include <efilib.h>

#include "boot/shell/marks.h"

static UINTN n_files, n_bytes;

static EFI_HANDLE *handles_of(EFI_GUID *protocol, UINTN *n)
{
    EFI_HANDLE *handles = NULL;

    *n = 0;
    LibLocateHandle(protocol == NULL ? AllHandles : ByProtocol, protocol, NULL, n, &handles);
    return handles;
}

/* Firmware that starts a kernel at once may not have looked at the disks. */
static void connect_all(void)
{
    UINTN n;
    EFI_HANDLE *handles = handles_of(NULL, &n);

    for (UINTN i = 0; i < n; i++)
        uefi_call_wrapper(BS->ConnectController, 4, handles[i], NULL, NULL, TRUE);
}

static void start_virtio_anew(void)
{
    UINTN n;
    EFI_HANDLE *handles = handles_of(&gEfiPciIoProtocolGuid, &n);
    EFI_PCI_IO *pci_io;
    UINT32 ids;

    for (UINTN i = 0; i < n; i++) {
        uefi_call_wrapper(BS->HandleProtocol, 3, handles[i], &gEfiPciIoProtocolGuid, (void **)&pci_io);
        uefi_call_wrapper(pci_io->Pci.Read, 5, pci_io, EfiPciIoWidthUint32, 0, 1, &ids);
        if ((ids & 0xffff) != 0x1af4)
            continue;
        uefi_call_wrapper(BS->DisconnectController, 3, handles[i], NULL, NULL);
        uefi_call_wrapper(BS->ConnectController, 4, handles[i], NULL, NULL, TRUE);
    }
}

static EFI_FILE *open_folder(CHAR16 *path)
{
    UINTN n;
    EFI_HANDLE *handles = handles_of(&FileSystemProtocol, &n);
    EFI_FILE *folder;

    for (UINTN i = 0; i < n; i++) {
        EFI_FILE *root = LibOpenRoot(handles[i]);
        if (root != NULL && !EFI_ERROR(uefi_call_wrapper(root->Open, 5, root, &folder, path, EFI_FILE_MODE_READ, 0)))
            return folder;
    }
    return NULL;
}

static EFI_STATUS read_file(EFI_FILE *folder, const EFI_FILE_INFO *info)
{
    EFI_PHYSICAL_ADDRESS pages;
    UINTN bytes = info->FileSize, n_pages = EFI_SIZE_TO_PAGES(bytes) + 1;
    EFI_FILE *file;

    EFI_STATUS status = uefi_call_wrapper(folder->Open, 5, folder, &file, (CHAR16 *)info->FileName, EFI_FILE_MODE_READ, 0);
    if (EFI_ERROR(status))
        return status;
    status = uefi_call_wrapper(BS->AllocatePages, 4, AllocateAnyPages, EfiLoaderData, n_pages, &pages);
    if (!EFI_ERROR(status)) {
        status = uefi_call_wrapper(file->Read, 3, file, &bytes, (void *)pages);
        uefi_call_wrapper(BS->FreePages, 2, pages, n_pages);
    }
    uefi_call_wrapper(file->Close, 1, file);
    n_files++;
    n_bytes += bytes;
    return status;
}

static EFI_STATUS read_all(CHAR16 *path)
{
    static UINT64 room[128];
    EFI_FILE_INFO *info = (EFI_FILE_INFO *)room;
    EFI_STATUS status = EFI_SUCCESS;
    EFI_FILE *folder = open_folder(path);

    if (folder == NULL)
        return EFI_NOT_FOUND;
    while (!EFI_ERROR(status)) {
        UINTN bytes = sizeof(room);
        status = uefi_call_wrapper(folder->Read, 3, folder, &bytes, info);
        if (EFI_ERROR(status) || bytes == 0)
            break;
        if ((info->Attribute & EFI_FILE_DIRECTORY) == 0)
            status = read_file(folder, info);
    }
    return status;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
    EFI_LOADED_IMAGE *self;

    InitializeLib(image, system);
    uefi_call_wrapper(BS->HandleProtocol, 3, image, &LoadedImageProtocol, (void **)&self);
    connect_all();
    MARK(MARK_BENCH);
    start_virtio_anew();
    EFI_STATUS status = read_all(self->LoadOptions);
    MARK(MARK_BENCH | MARK_END);
    Print(L"\n%d FILES, %ld BYTES, %r\n", n_files, (UINT64)n_bytes, status);
    uefi_call_wrapper(RT->ResetSystem, 4, EfiResetShutdown, EFI_SUCCESS, 0, NULL);
    return status;
}
