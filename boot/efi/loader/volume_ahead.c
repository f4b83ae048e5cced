/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Directories that stand in many places, read into the cache all at once: who lists one would wait for
 * an answer of the device for each place.
 */
#include <arch/cpu.h>

#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/volumes.h"
#include "boot/efi/loader/watch.h"
#include "boot/shell/marks.h"

#define N_PIECES        64u
#define PIECE_BYTES     4096u
#define LOOKS_TILL_POLL 4096u /* time-outs are noticed by polls alone */

struct ahead {
    size_t n, n_ended;
    struct vst_cache_request requests[N_PIECES];
    uint8_t memory[PIECE_BYTES]; /* of all of them, and of no use to anybody */
};

static void wait(struct ahead *ahead, const struct loader_disk *disk)
{
    struct vst_cache_request *done[N_PIECES];
    uint32_t n_looks = 0;

    vst_cache_kick(disk->cache);
    while (ahead->n_ended < ahead->n) {
        MARK(MARK_SPIN);
        while (!vst_block_ready(disk->queue) && ++n_looks % LOOKS_TILL_POLL != 0)
            arch_pause();
        watch_look();
        MARK(MARK_SPIN | MARK_END);
        ahead->n_ended += vst_cache_poll(disk->cache, done, N_PIECES);
    }
}

static bool ask(struct ahead *ahead, const struct volume *volume, uint64_t at, uint64_t bytes)
{
    struct vst_cache_request *request = &ahead->requests[ahead->n];

    *request = (struct vst_cache_request){.op = VST_BLOCK_READ,
                                          .offset_bytes = volume->offset_bytes + at,
                                          .buffer = ahead->memory,
                                          .bytes = bytes};
    if (vst_cache_submit(volume->disk->cache, request) != VST_OK)
        return false;
    ahead->n++;
    return true;
}

/* Errors are told when it is listed. */
void volume_ahead(struct volume *volume, const struct vst_file *directory)
{
    struct ahead *ahead = volume->block_io == NULL ? pool_take(sizeof(*ahead)) : NULL;
    struct vst_file file = *directory;
    uint64_t at, bytes, offset = 0;

    if (ahead == NULL)
        return;
    while (ahead->n < N_PIECES &&
           vst_files_directory_where(&volume->files, &file, offset, &at, &bytes) == VST_OK) {
        bytes = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
        if (!ask(ahead, volume, at, bytes))
            break;
        offset += bytes;
    }
    wait(ahead, volume->disk);
    pool_give(ahead);
}
