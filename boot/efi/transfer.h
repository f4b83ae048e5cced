/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request of a disk: one that the caller waits for, or one that ends with an event.
 *
 * A flush is given to the device when all before it have ended, and those behind it wait for it to be
 * given; so does what finds no room. They are given in order.
 */
#ifndef VSTOR_EFI_TRANSFER_H
#define VSTOR_EFI_TRANSFER_H

#include "boot/efi/disk.h"

struct transfer {
    struct vst_block_request request; /**< user: the disk, which nobody else's is */
    union {
        struct vst_block_segment segment;
        struct vst_block_range range;
    };
    struct transfer *next;      /**< waiting */
    EFI_BLOCK_IO2_TOKEN *token; /**< NULL: somebody waits for `ended` */
    uint32_t generation;
    bool ended; /**< read at any TPL */
    EFI_STATUS status;
};

static inline struct disk *transfer_disk(const struct transfer *transfer)
{
    return transfer->request.user;
}

/* Preparing one. The range has been checked. */

/** Before all else, once: what is the same for all that it is used for. */
static inline void transfer_init(struct disk *disk, struct transfer *transfer)
{
    transfer->request.user = disk;
    transfer->request.segments = &transfer->segment;
}

static inline uint64_t transfer_sector(const struct disk *disk, EFI_LBA lba)
{
    return lba * (disk->media.BlockSize / VST_SECTOR_BYTES);
}

static inline void transfer_data(struct disk *disk, struct transfer *transfer, enum vst_block_op op,
                                 EFI_LBA lba, void *buffer, UINTN bytes)
{
    struct vst_block_request *request = &transfer->request;

    request->op = op;
    request->n_segments = 1;
    transfer->segment = (struct vst_block_segment){buffer, bytes};
    request->start_sector = transfer_sector(disk, lba);
    request->n_sectors = bytes / VST_SECTOR_BYTES;
}

void transfer_flush(struct transfer *transfer);
void transfer_range(struct disk *disk, struct transfer *transfer, enum vst_block_op op, EFI_LBA lba,
                    UINTN bytes);

/** Runs a prepared transfer, whose memory is the caller's, to its end. */
EFI_STATUS transfer_run(struct transfer *transfer);

/** From the pool. NULL: none. */
struct transfer *transfer_allocate(struct disk *disk);

/**
 * Memory for one that ends with an event: to be prepared and started, nothing else. NULL: none. Both
 * at TPL_NOTIFY, which is cheaper to enter once.
 */
static inline struct transfer *transfer_new(struct disk *disk)
{
    struct transfer *transfer = disk->unused;

    if (VST_UNLIKELY(transfer == NULL))
        return transfer_allocate(disk);
    disk->unused = transfer->next;
    return transfer;
}

/** Starts it; its end is told by the token. An error: it was not started, and there is no event. */
EFI_STATUS transfer_start(struct transfer *transfer, EFI_BLOCK_IO2_TOKEN *token);

/**
 * Prepares and starts one with data. At the caller's TPL. Arguments stand where Block IO 2 has them, so
 * that a call from there is but a jump.
 */
EFI_STATUS EFIAPI transfer_start_data(struct disk *disk, enum vst_block_op op, EFI_LBA lba,
                                      EFI_BLOCK_IO2_TOKEN *token, UINTN bytes, void *buffer);

/** Nobody looks at the token's event: the call is to wait. */
static inline bool transfer_is_waited_for(const EFI_BLOCK_IO2_TOKEN *token)
{
    return token == NULL || token->Event == NULL;
}

/** There was nothing to do, which is told as any end. */
EFI_STATUS EFIAPI transfer_end_now(EFI_BLOCK_IO2_TOKEN *token);

/** What of the disk's has ended is told; what waits is given to the device. At TPL_NOTIFY. */
void transfer_poll(struct disk *disk);

/**
 * Whatever has not ended ends with EFI_ABORTED: at once if it waits, else when the device lets go of
 * it. At TPL_NOTIFY.
 */
void transfer_abort(struct disk *disk);

#endif
