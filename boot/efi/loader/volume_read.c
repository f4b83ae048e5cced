/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole files, by requests straight to the device: where a file stands is looked up through the cache,
 * its data go past it, into the caller's memory. So fragments of one file, and many small files, cost
 * the time of a few answers of the device, not of one each.
 */
#include <arch/cpu.h>
#include <string.h>

#include "block/request_list.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/volumes.h"
#include "boot/efi/loader/watch.h"
#include "boot/shell/marks.h"

#define N_REQUESTS      64u
#define POLL_BATCH      16u
#define LOOKS_TILL_POLL 4096u        /* time-outs are noticed by polls alone */
#define PIECE_BYTES     (4ull << 20) /* of one request; the queue divides it further */

struct read_request {
    struct vst_block_request request;
    struct vst_block_segment segment;
    struct volume_file *file;
    struct read_request *next; /* not in use */
};

struct reading {
    struct volume *volume;
    struct vst_block_queue *queue;
    struct volume_file *files;
    size_t n_files, current;
    uint64_t offset;   /* in the current one: what has been asked for */
    uint64_t at, left; /* of the run that comes there: where it is on the disk, bytes */
    uint64_t done_bytes;
    uint32_t n_in_flight;
    bool (*told)(void *ctx, uint64_t done_bytes);
    void *ctx;
    bool stopped;
    struct read_request *unused;
    struct vst_block_request_list others; /* the cache's, that a poll here has met */
    struct read_request requests[N_REQUESTS];
};

static uint64_t block_mask(const struct volume *volume)
{
    return volume->disk != NULL ? volume->disk->device->limits.logical_block_bytes - 1 : 0;
}

uint64_t volume_room(const struct volume *volume, uint64_t bytes)
{
    return (bytes + block_mask(volume)) & ~block_mask(volume);
}

/* ---------------------------------------------------------------- requests */

static void take_back(struct reading *reading, struct vst_block_request *done)
{
    struct read_request *request = (struct read_request *)(void *)done;

    if (request < reading->requests || request >= reading->requests + N_REQUESTS) {
        request_list_append(&reading->others, done);
        return;
    }
    if (done->status != VST_OK && request->file->status == VST_OK)
        request->file->status = done->status;
    reading->n_in_flight--;
    request->next = reading->unused;
    reading->unused = request;
}

/* Others have their turn, with requests in flight, and whoever watches may stop us. */
static void look_around(struct reading *reading)
{
    bool was_there = disks_step_aside();

    if (reading->told != NULL && !reading->stopped)
        reading->stopped = !reading->told(reading->ctx, reading->done_bytes);
    disks_step_back(was_there);
}

static void wait(struct reading *reading)
{
    struct vst_block_request *done[POLL_BATCH];
    uint32_t n_looks = 0;

    vst_block_kick(reading->queue);
    MARK(MARK_SPIN);
    while (!vst_block_ready(reading->queue) && ++n_looks < LOOKS_TILL_POLL)
        arch_pause();
    watch_look();
    MARK(MARK_SPIN | MARK_END);
    size_t n = vst_block_poll(reading->queue, done, POLL_BATCH);
    if (n > 0)
        watch_progress();
    for (size_t i = 0; i < n; i++)
        take_back(reading, done[i]);
    look_around(reading);
}

/* What the cache has in flight is given back to it when nothing of ours is left. */
static void wait_for_all(struct reading *reading)
{
    while (reading->n_in_flight > 0)
        wait(reading);
    while (reading->others.first != NULL)
        request_list_append(&reading->queue->ready, request_list_take(&reading->others));
}

static enum vst_status ask(struct reading *reading, struct volume_file *file, void *to,
                           uint64_t bytes)
{
    while (reading->unused == NULL)
        wait(reading);
    struct read_request *request = reading->unused;
    request->file = file;
    request->segment = (struct vst_block_segment){to, bytes};
    request->request = (struct vst_block_request){
        .op = VST_BLOCK_READ,
        .n_segments = 1,
        .segments = &request->segment,
        .start_sector = reading->at >> VST_SECTOR_SHIFT,
        .n_sectors = bytes >> VST_SECTOR_SHIFT,
    };
    enum vst_status status = vst_block_submit(reading->queue, &request->request);
    while (status == VST_ERR_FULL) { /* a full ring empties: every command ends */
        wait(reading);
        status = vst_block_submit(reading->queue, &request->request);
    }
    if (status != VST_OK)
        return status;
    reading->unused = request->next;
    reading->n_in_flight++;
    return VST_OK;
}

/* ---------------------------------------------------------------- pieces of files */

/* How much of the run goes by a request of ours: whole blocks, with what follows the file's end if
 * there is room for that. */
static uint64_t whole_bytes(const struct reading *reading, const struct volume_file *file)
{
    uint64_t mask = block_mask(reading->volume);
    uint64_t rounded = (reading->left + mask) & ~mask;
    bool is_last = reading->offset + reading->left == file->file.bytes;

    if ((reading->at & mask) != 0)
        return 0;
    if (reading->left > PIECE_BYTES)
        return PIECE_BYTES;
    return is_last && rounded <= file->room - reading->offset ? rounded : reading->left & ~mask;
}

/* The cut block at the end of a run, or all of a file that does not stand on whole blocks. */
static enum vst_status read_cut(struct reading *reading, struct volume_file *file, uint64_t bytes)
{
    size_t n;

    return vst_files_read(&reading->volume->files, &file->file, reading->offset,
                          (uint8_t *)file->to + reading->offset, bytes, &n);
}

/* The next piece of the run that was found last, or of the one behind it. */
static enum vst_status next_piece(struct reading *reading, struct volume_file *file)
{
    enum vst_status status = VST_OK;

    if (reading->left == 0) {
        status = vst_files_where(&reading->volume->files, &file->file, reading->offset,
                                 &reading->at, &reading->left);
        reading->at += reading->volume->offset_bytes;
    }
    if (status != VST_OK)
        return status;
    uint64_t bytes = whole_bytes(reading, file);
    if (bytes > 0) {
        status = ask(reading, file, (uint8_t *)file->to + reading->offset, bytes);
        bytes = bytes < reading->left ? bytes : reading->left;
    } else {
        bytes = reading->left < PIECE_BYTES ? reading->left : PIECE_BYTES;
        status = read_cut(reading, file, bytes);
        look_around(reading);
    }
    reading->offset += bytes;
    reading->done_bytes += bytes;
    reading->at += bytes;
    reading->left -= bytes;
    return status;
}

/* ---------------------------------------------------------------- all of it */

static void next_file(struct reading *reading)
{
    reading->current++;
    reading->offset = reading->left = 0;
}

static void read_files(struct reading *reading)
{
    while (reading->current < reading->n_files && !reading->stopped) {
        struct volume_file *file = &reading->files[reading->current];
        if (file->status == VST_OK && reading->offset < file->file.bytes)
            file->status = next_piece(reading, file);
        if (file->status != VST_OK || reading->offset >= file->file.bytes)
            next_file(reading);
    }
}

/* What has not been asked for when all comes to an end. */
static void leave_rest(struct reading *reading, enum vst_status status)
{
    for (; reading->current < reading->n_files; next_file(reading))
        reading->files[reading->current].status = status;
}

/* The disk stays until all is read, and a medium in its drive. */
static void read_by_library(struct reading *reading)
{
    EFI_TPL before;

    if (!volume_enter(reading->volume, &before)) {
        leave_rest(reading, VST_ERR_GONE);
        return;
    }
    reading->queue = reading->volume->disk->queue;
    vst_block_hold(reading->queue->device);
    read_files(reading);
    wait_for_all(reading);
    leave_rest(reading, VST_ERR_NOT_READY);
    vst_block_let_go(reading->queue->device);
    volume_leave(reading->volume, before);
}

static void read_by_firmware(struct reading *reading)
{
    for (; reading->current < reading->n_files && !reading->stopped; next_file(reading)) {
        struct volume_file *file = &reading->files[reading->current];
        while (file->status == VST_OK && reading->offset < file->file.bytes) {
            uint64_t left = file->file.bytes - reading->offset;
            uint64_t bytes = left < PIECE_BYTES ? left : PIECE_BYTES;
            file->status = read_cut(reading, file, bytes);
            reading->offset += bytes;
            reading->done_bytes += bytes;
            look_around(reading);
            if (reading->stopped)
                file->status = VST_ERR_NOT_READY;
        }
    }
    leave_rest(reading, VST_ERR_NOT_READY);
}

enum vst_status volume_read(struct volume *volume, struct volume_file *files, size_t n,
                            bool (*told)(void *ctx, uint64_t done_bytes), void *ctx)
{
    struct reading *reading = pool_take(sizeof(*reading));
    enum vst_status status = VST_OK;

    for (size_t i = 0; i < n; i++)
        files[i].status = reading != NULL ? VST_OK : VST_ERR_NO_MEMORY;
    if (reading == NULL)
        return VST_ERR_NO_MEMORY;
    reading->volume = volume;
    reading->files = files;
    reading->n_files = n;
    reading->told = told;
    reading->ctx = ctx;
    for (unsigned i = 0; i < N_REQUESTS; i++) {
        reading->requests[i].next = reading->unused;
        reading->unused = &reading->requests[i];
    }
    if (volume->block_io != NULL)
        read_by_firmware(reading);
    else
        read_by_library(reading);
    pool_give(reading);
    for (size_t i = n; i-- > 0;)
        if (files[i].status != VST_OK)
            status = files[i].status;
    return status;
}
