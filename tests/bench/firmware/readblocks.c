/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An EFI program that measures the firmware's reader: ReadBlocks of a disk's Block IO in a loop
 * between marks. Its options are "READS BLOCKS", e.g. "2000 8", each block of 512 bytes; the disk is
 * the one whole disk of a gibibyte or more.
 */
#include <efi.h>
#include <efilib.h>

#include "boot/shell/marks.h"

static UINTN next_number(CHAR16 **text)
{
    UINTN value = 0;

    while (**text != 0 && (**text < '0' || **text > '9'))
        (*text)++;
    for (; **text >= '0' && **text <= '9'; (*text)++)
        value = value * 10 + (**text - '0');
    return value;
}

/* Firmware that starts a kernel at once may not have looked at the disks. */
static void connect_all(void)
{
    EFI_HANDLE *handles = NULL;
    UINTN n = 0;

    LibLocateHandle(AllHandles, NULL, NULL, &n, &handles);
    for (UINTN i = 0; i < n; i++)
        uefi_call_wrapper(BS->ConnectController, 4, handles[i], NULL, NULL, TRUE);
}

static EFI_BLOCK_IO *find_disk(void)
{
    EFI_HANDLE *handles = NULL;
    EFI_BLOCK_IO *io;
    UINTN n = 0;

    LibLocateHandle(ByProtocol, &BlockIoProtocol, NULL, &n, &handles);
    for (UINTN i = 0; i < n; i++) {
        uefi_call_wrapper(BS->HandleProtocol, 3, handles[i], &BlockIoProtocol, (void **)&io);
        if (!io->Media->LogicalPartition && io->Media->LastBlock + 1 >= 1u << 21)
            return io;
    }
    return NULL;
}

static EFI_STATUS read_many(EFI_BLOCK_IO *io, UINTN n_reads, UINTN n_blocks, void *buffer)
{
    EFI_STATUS status = EFI_SUCCESS;
    UINTN bytes = n_blocks * io->Media->BlockSize;
    EFI_LBA place = 0;

    for (UINTN i = 0; i < n_reads && !EFI_ERROR(status); i++) {
        place = (place * 5 + 8) & 0xfffff;
        status = uefi_call_wrapper(io->ReadBlocks, 5, io, io->Media->MediaId, place, bytes, buffer);
    }
    return status;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
    EFI_LOADED_IMAGE *self;
    EFI_STATUS status;
    EFI_BLOCK_IO *io;
    void *buffer;

    InitializeLib(image, system);
    uefi_call_wrapper(BS->HandleProtocol, 3, image, &LoadedImageProtocol, (void **)&self);
    CHAR16 *text = self->LoadOptions;
    connect_all();
    UINTN n_reads = next_number(&text), n_blocks = next_number(&text);

    io = find_disk();
    buffer = AllocatePool(n_blocks * 512 + 4096);
    if (io == NULL || buffer == NULL) {
        Print(L"no disk\n");
        return EFI_NOT_FOUND;
    }
    status = read_many(io, n_reads / 10 + 1, n_blocks, buffer);
    MARK(MARK_BENCH);
    if (!EFI_ERROR(status))
        status = read_many(io, n_reads, n_blocks, buffer);
    MARK(MARK_BENCH | MARK_END);
    Print(EFI_ERROR(status) ? L"\nREADS FAILED %r\n" : L"\nREADS DONE\n", status);
    uefi_call_wrapper(RT->ResetSystem, 4, EfiResetShutdown, EFI_SUCCESS, 0, NULL);
    return status;
}
