/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/transfer.h"

#include <arch/cpu.h>

#include "block/request_list.h"
#include "boot/shell/marks.h"

#define POLL_BATCH      64u
#define MANY            16u
#define SOME            8u
#define LOOKS_TILL_POLL 4096u /* time-outs are noticed by polls alone */

/* ---------------------------------------------------------------- making */

void transfer_flush(struct transfer *transfer)
{
    struct vst_block_request *request = &transfer->request;

    request->op = VST_BLOCK_FLUSH;
    request->n_segments = 0;
    request->start_sector = request->n_sectors = 0;
}

void transfer_range(struct disk *disk, struct transfer *transfer, enum vst_block_op op, EFI_LBA lba,
                    UINTN bytes)
{
    struct vst_block_request *request = &transfer->request;

    transfer->range =
        (struct vst_block_range){transfer_sector(disk, lba), bytes / VST_SECTOR_BYTES};
    request->op = op;
    request->n_segments = 1;
    request->ranges = &transfer->range;
    request->start_sector = 0;
    request->n_sectors = transfer->range.n_sectors;
}

/* ---------------------------------------------------------------- ending */

static void put_away(struct disk *disk, struct transfer *transfer)
{
    transfer->next = disk->unused;
    disk->unused = transfer;
}

/* The token is the caller's again once its event is signalled. */
static inline void end(struct disk *disk, struct transfer *transfer, EFI_STATUS status)
{
    EFI_BLOCK_IO2_TOKEN *token = transfer->token;

    if (token == NULL) {
        transfer->status = status;
        __atomic_store_n(&transfer->ended, true, __ATOMIC_RELEASE);
        return;
    }
    put_away(disk, transfer);
    token->TransactionStatus = status;
    (void)firmware->SignalEvent(token->Event);
}

static __attribute__((noinline)) EFI_STATUS status_of(const struct disk *disk,
                                                      const struct transfer *transfer)
{
    return transfer->generation != disk->generation ? EFI_ABORTED
                                                    : efi_status_of(transfer->request.status);
}

static inline void take_back(struct disk *disk, struct transfer *transfer)
{
    EFI_STATUS status = EFI_SUCCESS;

    if (VST_UNLIKELY(transfer->generation != disk->generation ||
                     transfer->request.status != VST_OK))
        status = status_of(disk, transfer);
    end(disk, transfer, status);
}

/* ---------------------------------------------------------------- giving to the device */

static bool must_wait(const struct disk *disk, const struct transfer *transfer)
{
    return transfer->request.op == VST_BLOCK_FLUSH && disk->n_in_device > 0;
}

static enum vst_status give(struct disk *disk, struct transfer *transfer)
{
    if (must_wait(disk, transfer))
        return VST_ERR_FULL;
    enum vst_status status = vst_block_submit(disk->queue, &transfer->request);
    disk->n_in_device += status == VST_OK;
    return status;
}

static void wait_in_line(struct disk *disk, struct transfer *transfer)
{
    transfer->next = NULL;
    *disk->waiting_end = transfer;
    disk->waiting_end = &transfer->next;
}

static struct transfer *leave_line(struct disk *disk)
{
    struct transfer *first = disk->waiting;

    disk->waiting = first->next;
    if (disk->waiting == NULL)
        disk->waiting_end = &disk->waiting;
    return first;
}

/* VST_OK: it is on its way, or waits in line. */
static inline enum vst_status start(struct disk *disk, struct transfer *transfer)
{
    enum vst_status status = VST_ERR_FULL;

    transfer->generation = disk->generation;
    if (disk->waiting == NULL)
        status = give(disk, transfer);
    if (status == VST_OK)
        vst_block_kick(disk->queue);
    if (status != VST_ERR_FULL)
        return status;
    wait_in_line(disk, transfer);
    return VST_OK;
}

static void advance_line(struct disk *disk)
{
    bool any = false;

    while (disk->waiting != NULL) {
        enum vst_status status = give(disk, disk->waiting);
        if (status == VST_ERR_FULL)
            break;
        struct transfer *first = leave_line(disk);
        any = true;
        if (status != VST_OK)
            end(disk, first, efi_status_of(status));
    }
    if (any)
        vst_block_kick(disk->queue);
}

/* Those given to the queue by others, who have let us come in between, are kept for them. */
static __attribute__((noinline, cold)) size_t set_aside(struct disk *disk,
                                                        struct vst_block_request **done, size_t n)
{
    size_t n_ours = 0;

    for (size_t i = 0; i < n; i++)
        if (done[i]->user == disk)
            done[n_ours++] = done[i];
        else
            request_list_append(&disk->others, done[i]);
    return n_ours;
}

/* Firmware turns interrupts off and on for each event that is signalled, unless they are off. */
static void take_back_all(struct disk *disk, struct vst_block_request **done, size_t n)
{
    if (VST_UNLIKELY(controllers_in_use))
        n = set_aside(disk, done, n);
    if (n == 0)
        return;
    EFI_TPL before = firmware->RaiseTPL(TPL_HIGH_LEVEL);
    disk->n_in_device -= (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        take_back(disk, VST_CONTAINER_OF(done[i], struct transfer, request));
    firmware->RestoreTPL(before);
}

void transfer_poll(struct disk *disk)
{
    struct vst_block_request *done[POLL_BATCH];
    size_t n;

    if (disk->queue == NULL)
        return;
    do {
        n = vst_block_poll(disk->queue, done, POLL_BATCH);
        take_back_all(disk, done, n);
    } while (n == POLL_BATCH);
    disk->poll_at = disk->n_in_device + SOME > MANY ? disk->n_in_device + SOME : MANY;
    if (disk->waiting != NULL)
        advance_line(disk);
}

void transfer_abort(struct disk *disk)
{
    disk->generation++;
    while (disk->waiting != NULL)
        end(disk, leave_line(disk), EFI_ABORTED);
}

/* ---------------------------------------------------------------- with somebody waiting */

/* Interrupts come in between, and other events of the firmware: only polling is done at TPL_NOTIFY. */
static void wait_for(struct disk *disk, const struct transfer *transfer)
{
    while (!__atomic_load_n(&transfer->ended, __ATOMIC_ACQUIRE)) {
        uint32_t n_looks = 0;
        MARK(MARK_SPIN);
        while (!vst_block_ready(disk->queue) && ++n_looks < LOOKS_TILL_POLL &&
               !__atomic_load_n(&transfer->ended, __ATOMIC_ACQUIRE))
            arch_pause();
        if (n_looks == LOOKS_TILL_POLL && platform_waits != NULL)
            platform_waits();
        MARK(MARK_SPIN | MARK_END);
        EFI_TPL before = lock();
        transfer_poll(disk);
        unlock(before);
    }
}

EFI_STATUS transfer_run(struct transfer *transfer)
{
    struct disk *disk = transfer_disk(transfer);
    enum vst_status status = VST_ERR_BROKEN;
    EFI_TPL before = lock();

    transfer->token = NULL;
    transfer->ended = false;
    if (disk->device != NULL)
        status = start(disk, transfer);
    unlock(before);
    if (status != VST_OK)
        return efi_status_of(status);
    wait_for(disk, transfer);
    return transfer->status;
}

/* ---------------------------------------------------------------- with an event */

struct transfer *transfer_allocate(struct disk *disk)
{
    struct transfer *transfer;

    if (EFI_ERROR(
            firmware->AllocatePool(EfiBootServicesData, sizeof(*transfer), (VOID **)&transfer)))
        return NULL;
    transfer_init(disk, transfer);
    return transfer;
}

/* Who goes on starting need not wait for the timer. False: there is no device. */
static __attribute__((noinline)) bool look_first(struct disk *disk)
{
    if (disk->device == NULL)
        return false;
    if (disk->poll_at == 0)
        disk->poll_at = MANY;
    else if (vst_block_ready(disk->queue))
        transfer_poll(disk);
    return true;
}

static inline enum vst_status start_with_token(struct disk *disk, struct transfer *transfer,
                                               EFI_BLOCK_IO2_TOKEN *token)
{
    if (VST_UNLIKELY(disk->n_in_device >= disk->poll_at) && !look_first(disk))
        return VST_ERR_BROKEN;
    transfer->token = token;
    token->TransactionStatus = EFI_NOT_READY;
    enum vst_status status = start(disk, transfer);
    if (status == VST_OK)
        controller_run_timer(disk->controller);
    return status;
}

static inline EFI_STATUS start_or_put_away(struct disk *disk, struct transfer *transfer,
                                           EFI_BLOCK_IO2_TOKEN *token)
{
    enum vst_status status = start_with_token(disk, transfer, token);

    if (VST_LIKELY(status == VST_OK))
        return EFI_SUCCESS;
    put_away(disk, transfer);
    return efi_status_of(status);
}

EFI_STATUS transfer_start(struct transfer *transfer, EFI_BLOCK_IO2_TOKEN *token)
{
    return start_or_put_away(transfer_disk(transfer), transfer, token);
}

EFI_STATUS EFIAPI transfer_start_data(struct disk *disk, enum vst_block_op op, EFI_LBA lba,
                                      EFI_BLOCK_IO2_TOKEN *token, UINTN bytes, void *buffer)
{
    EFI_STATUS status = EFI_OUT_OF_RESOURCES;
    EFI_TPL before = lock();
    struct transfer *transfer = transfer_new(disk);

    if (VST_LIKELY(transfer != NULL)) {
        transfer_data(disk, transfer, op, lba, buffer, bytes);
        status = start_or_put_away(disk, transfer, token);
    }
    unlock(before);
    return status;
}

EFI_STATUS EFIAPI transfer_end_now(EFI_BLOCK_IO2_TOKEN *token)
{
    if (transfer_is_waited_for(token))
        return EFI_SUCCESS;
    token->TransactionStatus = EFI_SUCCESS;
    return firmware->SignalEvent(token->Event);
}
