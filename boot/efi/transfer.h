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
    struct vst_block_request request;
    union {
        struct vst_block_segment segment;
        struct vst_block_range range;
    };
    struct disk *disk;
    struct transfer *next;      /**< waiting */
    EFI_BLOCK_IO2_TOKEN *token; /**< NULL: somebody waits for `ended` */
    uint32_t generation;
    bool ended; /**< read at any TPL */
    EFI_STATUS status;
};

/*
 * Preparing one: nothing of it need be set before. The range has been checked.
 */
void transfer_data(struct disk *disk, struct transfer *transfer, enum vst_block_op op, EFI_LBA lba,
                   void *buffer, UINTN bytes);
void transfer_flush(struct disk *disk, struct transfer *transfer);
void transfer_range(struct disk *disk, struct transfer *transfer, enum vst_block_op op, EFI_LBA lba,
                    UINTN bytes);

/** Runs a prepared transfer, whose memory is the caller's, to its end. */
EFI_STATUS transfer_run(struct transfer *transfer);

/**
 * Memory for one that ends with an event: to be prepared and started, nothing else. NULL: none. Both
 * at TPL_NOTIFY, which is cheaper to enter once.
 */
struct transfer *transfer_new(struct disk *disk);

/** Starts it; its end is told by the token. An error: it was not started, and there is no event. */
EFI_STATUS transfer_start(struct transfer *transfer, EFI_BLOCK_IO2_TOKEN *token);

/** Nobody looks at the token's event: the call is to wait. */
static inline bool transfer_is_waited_for(const EFI_BLOCK_IO2_TOKEN *token)
{
    return token == NULL || token->Event == NULL;
}

/** There was nothing to do, which is told as any end. */
EFI_STATUS transfer_end_now(EFI_BLOCK_IO2_TOKEN *token);

/** What of the disk's has ended is told; what waits is given to the device. At TPL_NOTIFY. */
void transfer_poll(struct disk *disk);

/**
 * Whatever has not ended ends with EFI_ABORTED: at once if it waits, else when the device lets go of
 * it. At TPL_NOTIFY.
 */
void transfer_abort(struct disk *disk);

#endif
