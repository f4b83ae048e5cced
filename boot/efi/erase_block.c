/* SPDX-License-Identifier: BSD-2-Clause */
/* Erase Block. (UEFI 2.9, 13.12) */
#include "boot/efi/transfer.h"

/*
 * What is erased reads as zeroes where the device can do that; where it can but forget them, as
 * anything.
 */
static bool find_operation(const struct disk *disk, enum vst_block_op *op,
                           const struct vst_block_range_limits **limits)
{
    if (disk->device == NULL)
        return false;
    const struct vst_block_limits *all = &disk->device->limits;
    bool zeroes = all->zeroes.max_sectors > 0;
    *op = zeroes ? VST_BLOCK_WRITE_ZEROES : VST_BLOCK_DISCARD;
    *limits = zeroes ? &all->zeroes : &all->discard;
    return (*limits)->max_sectors > 0;
}

static EFI_STATUS start(struct disk *disk, enum vst_block_op op, EFI_LBA lba, UINTN bytes,
                        EFI_ERASE_BLOCK_TOKEN *token)
{
    if (transfer_is_waited_for(token)) {
        struct transfer transfer;
        transfer_init(disk, &transfer);
        transfer_range(disk, &transfer, op, lba, bytes);
        return transfer_run(&transfer);
    }
    EFI_STATUS status = EFI_OUT_OF_RESOURCES;
    EFI_TPL before = lock();
    struct transfer *transfer = transfer_new(disk);
    if (transfer != NULL) {
        transfer_range(disk, transfer, op, lba, bytes);
        status = transfer_start(transfer, token);
    }
    unlock(before);
    return status;
}

static EFI_STATUS EFIAPI erase_blocks(EFI_ERASE_BLOCK_PROTOCOL *This, UINT32 MediaId, EFI_LBA Lba,
                                      EFI_ERASE_BLOCK_TOKEN *Token, UINTN Size)
{
    struct disk *disk = VST_CONTAINER_OF(This, struct disk, erase_block);
    const struct vst_block_range_limits *limits;
    enum vst_block_op op;

    disk_look(disk);
    EFI_STATUS status = disk_check(disk, MediaId, true);
    if (EFI_ERROR(status))
        return status;
    status = disk_check_range(disk, Lba, Size);
    if (EFI_ERROR(status)) /* of sizes that cut a block, too, this protocol says so */
        return EFI_INVALID_PARAMETER;
    if (Size == 0)
        return transfer_end_now(Token);
    if (!find_operation(disk, &op, &limits))
        return EFI_UNSUPPORTED;
    return start(disk, op, Lba, Size, Token);
}

void erase_block_fill(struct disk *disk)
{
    const struct vst_block_range_limits *limits;
    enum vst_block_op op;

    if (!find_operation(disk, &op, &limits))
        return;
    uint32_t block_sectors = disk->media.BlockSize / VST_SECTOR_BYTES;
    uint32_t blocks = limits->alignment_sectors / block_sectors;
    disk->erase_block = (EFI_ERASE_BLOCK_PROTOCOL){
        .Revision = EFI_ERASE_BLOCK_PROTOCOL_REVISION,
        .EraseLengthGranularity = blocks > 1 ? blocks : 1,
        .EraseBlocks = erase_blocks,
    };
}
