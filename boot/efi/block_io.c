/* SPDX-License-Identifier: BSD-2-Clause */
/* Block IO and Block IO 2. (UEFI 2.9, 13.9, 13.10) */
#include "boot/efi/transfer.h"

static struct disk *of(EFI_BLOCK_IO_PROTOCOL *this)
{
    return VST_CONTAINER_OF(this, struct disk, block_io);
}

static struct disk *of2(EFI_BLOCK_IO2_PROTOCOL *this)
{
    return VST_CONTAINER_OF(this, struct disk, block_io2);
}

/* ---------------------------------------------------------------- data */

static inline EFI_STATUS check(struct disk *disk, enum vst_block_op op, UINT32 media_id,
                               EFI_LBA lba, UINTN bytes, const void *buffer)
{
    EFI_STATUS status = disk_check(disk, media_id, op == VST_BLOCK_WRITE);

    if (EFI_ERROR(status))
        return status;
    if (buffer == NULL && bytes > 0)
        return EFI_INVALID_PARAMETER;
    return disk_check_range(disk, lba, bytes);
}

/* Arguments as transfer_start_data has them; there is nobody to look at the token. */
static __attribute__((noinline)) EFI_STATUS EFIAPI transfer_and_wait(struct disk *disk,
                                                                     enum vst_block_op op,
                                                                     EFI_LBA lba,
                                                                     EFI_BLOCK_IO2_TOKEN *token,
                                                                     UINTN bytes, void *buffer)
{
    struct transfer transfer;

    (void)token;
    transfer_init(disk, &transfer);
    transfer_data(disk, &transfer, op, lba, buffer, bytes);
    EFI_STATUS status = transfer_run(&transfer);
    if (status == EFI_MEDIA_CHANGED || status == EFI_NO_MEDIA)
        disk_look_again(disk);
    return status;
}

static EFI_STATUS transfer_blocks(struct disk *disk, enum vst_block_op op, UINT32 media_id,
                                  EFI_LBA lba, UINTN bytes, void *buffer)
{
    disk_look(disk);
    EFI_STATUS status = check(disk, op, media_id, lba, bytes, buffer);
    if (EFI_ERROR(status) || bytes == 0)
        return status;
    return transfer_and_wait(disk, op, lba, NULL, bytes, buffer);
}

static inline __attribute__((always_inline)) EFI_STATUS
transfer_blocks_ex(struct disk *disk, enum vst_block_op op, UINT32 media_id, EFI_LBA lba,
                   EFI_BLOCK_IO2_TOKEN *token, UINTN bytes, void *buffer)
{
    EFI_STATUS status = check(disk, op, media_id, lba, bytes, buffer);

    if (VST_UNLIKELY(EFI_ERROR(status)))
        return status;
    if (VST_UNLIKELY(bytes == 0))
        return transfer_end_now(token);
    if (transfer_is_waited_for(token))
        return transfer_and_wait(disk, op, lba, token, bytes, buffer);
    return transfer_start_data(disk, op, lba, token, bytes, buffer);
}

static EFI_STATUS EFIAPI read_blocks(EFI_BLOCK_IO_PROTOCOL *This, UINT32 MediaId, EFI_LBA LBA,
                                     UINTN BufferSize, VOID *Buffer)
{
    return transfer_blocks(of(This), VST_BLOCK_READ, MediaId, LBA, BufferSize, Buffer);
}

static EFI_STATUS EFIAPI write_blocks(EFI_BLOCK_IO_PROTOCOL *This, UINT32 MediaId, EFI_LBA LBA,
                                      UINTN BufferSize, VOID *Buffer)
{
    return transfer_blocks(of(This), VST_BLOCK_WRITE, MediaId, LBA, BufferSize, Buffer);
}

/* Looking is what these two do now and then; else they have nothing to save on the stack. */
static __attribute__((noinline)) EFI_STATUS EFIAPI look_and_read(EFI_BLOCK_IO2_PROTOCOL *this,
                                                                 UINT32 media_id, EFI_LBA lba,
                                                                 EFI_BLOCK_IO2_TOKEN *token,
                                                                 UINTN bytes, VOID *buffer)
{
    disk_look_again(of2(this));
    return transfer_blocks_ex(of2(this), VST_BLOCK_READ, media_id, lba, token, bytes, buffer);
}

static __attribute__((noinline)) EFI_STATUS EFIAPI look_and_write(EFI_BLOCK_IO2_PROTOCOL *this,
                                                                  UINT32 media_id, EFI_LBA lba,
                                                                  EFI_BLOCK_IO2_TOKEN *token,
                                                                  UINTN bytes, VOID *buffer)
{
    disk_look_again(of2(this));
    return transfer_blocks_ex(of2(this), VST_BLOCK_WRITE, media_id, lba, token, bytes, buffer);
}

static EFI_STATUS EFIAPI read_blocks_ex(EFI_BLOCK_IO2_PROTOCOL *This, UINT32 MediaId, EFI_LBA LBA,
                                        EFI_BLOCK_IO2_TOKEN *Token, UINTN BufferSize, VOID *Buffer)
{
    struct disk *disk = of2(This);

    if (VST_UNLIKELY(disk_look_is_due(disk)))
        return look_and_read(This, MediaId, LBA, Token, BufferSize, Buffer);
    return transfer_blocks_ex(disk, VST_BLOCK_READ, MediaId, LBA, Token, BufferSize, Buffer);
}

static EFI_STATUS EFIAPI write_blocks_ex(EFI_BLOCK_IO2_PROTOCOL *This, UINT32 MediaId, EFI_LBA LBA,
                                         EFI_BLOCK_IO2_TOKEN *Token, UINTN BufferSize, VOID *Buffer)
{
    struct disk *disk = of2(This);

    if (VST_UNLIKELY(disk_look_is_due(disk)))
        return look_and_write(This, MediaId, LBA, Token, BufferSize, Buffer);
    return transfer_blocks_ex(disk, VST_BLOCK_WRITE, MediaId, LBA, Token, BufferSize, Buffer);
}

/* ---------------------------------------------------------------- flush */

static EFI_STATUS start_flush(struct disk *disk, EFI_BLOCK_IO2_TOKEN *token)
{
    EFI_STATUS status = EFI_OUT_OF_RESOURCES;
    EFI_TPL before = lock();
    struct transfer *transfer = transfer_new(disk);

    if (transfer != NULL) {
        transfer_flush(transfer);
        status = transfer_start(transfer, token);
    }
    unlock(before);
    return status;
}

/* Nothing can be in a cache of a medium that can't be written. */
static EFI_STATUS flush(struct disk *disk, EFI_BLOCK_IO2_TOKEN *token)
{
    struct transfer transfer;

    disk_look(disk);
    if (!disk->media.MediaPresent)
        return EFI_NO_MEDIA;
    if (disk->media.ReadOnly)
        return transfer_end_now(token);
    if (!transfer_is_waited_for(token))
        return start_flush(disk, token);
    transfer_init(disk, &transfer);
    transfer_flush(&transfer);
    return transfer_run(&transfer);
}

static EFI_STATUS EFIAPI flush_blocks(EFI_BLOCK_IO_PROTOCOL *This)
{
    return flush(of(This), NULL);
}

static EFI_STATUS EFIAPI flush_blocks_ex(EFI_BLOCK_IO2_PROTOCOL *This, EFI_BLOCK_IO2_TOKEN *Token)
{
    return flush(of2(This), Token);
}

/* ---------------------------------------------------------------- reset */

static EFI_STATUS EFIAPI reset(EFI_BLOCK_IO_PROTOCOL *This, BOOLEAN ExtendedVerification)
{
    return disk_reset(of(This), ExtendedVerification);
}

static EFI_STATUS EFIAPI reset_ex(EFI_BLOCK_IO2_PROTOCOL *This, BOOLEAN ExtendedVerification)
{
    return disk_reset(of2(This), ExtendedVerification);
}

void block_io_fill(struct disk *disk)
{
    disk->block_io = (EFI_BLOCK_IO_PROTOCOL){
        .Revision = EFI_BLOCK_IO_PROTOCOL_REVISION3,
        .Media = &disk->media,
        .Reset = reset,
        .ReadBlocks = read_blocks,
        .WriteBlocks = write_blocks,
        .FlushBlocks = flush_blocks,
    };
    disk->block_io2 = (EFI_BLOCK_IO2_PROTOCOL){
        .Media = &disk->media,
        .Reset = reset_ex,
        .ReadBlocksEx = read_blocks_ex,
        .WriteBlocksEx = write_blocks_ex,
        .FlushBlocksEx = flush_blocks_ex,
    };
}
