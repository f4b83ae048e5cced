/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Just virtio-blk: reads the whole of the first disk, eight requests in flight, checks it, and
 * rewrites its last 64 KiB.
 */
#include "content.h"
#include "machine.h"

#define DEPTH       8
#define CHUNK_BYTES 65536u
#define TAIL_BYTES  CHUNK_BYTES

static char memory[64 << 10];
static struct vst_pci_function functions[32];

static struct transfer {
    struct vst_block_request request;
    struct vst_block_segment segment;
    uint64_t words[CHUNK_BYTES / 8];
} transfers[DEPTH];

/** Less than the 84 KiB of the usual choice: a ring of 64, and no long lists of pieces. */
static const struct vst_virtio_blk_config config = {.queue_size = 64, .max_segments = 6};

static struct vst_block_device *attach_first(const struct vst_platform *platform)
{
    size_t n = machine_scan(platform, functions, VST_ARRAY_LENGTH(functions));
    struct vst_block_device *device;

    for (size_t i = 0; i < n; i++) {
        if (!vst_virtio_blk_matches(&functions[i]))
            continue;
        vst_pci_enable(platform, functions, &functions[i]);
        enum vst_status status = vst_virtio_blk_attach(platform, &functions[i], &config, &device);
        if (status == VST_OK)
            return device;
        say("disk: %s", vst_status_text(status));
    }
    return NULL;
}

/** Has the queue read the next chunk into a transfer that is free. */
static bool start(struct vst_block_queue *queue, struct transfer *transfer, uint64_t sector)
{
    transfer->segment = (struct vst_block_segment){transfer->words, CHUNK_BYTES};
    transfer->request = (struct vst_block_request){.op = VST_BLOCK_READ,
                                                   .n_segments = 1,
                                                   .segments = &transfer->segment,
                                                   .start_sector = sector,
                                                   .n_sectors = CHUNK_BYTES / VST_SECTOR_BYTES,
                                                   .user = transfer};
    return vst_block_submit(queue, &transfer->request) == VST_OK;
}

static bool is_sound(const struct vst_block_request *request)
{
    const struct transfer *transfer = request->user;

    return request->status == VST_OK &&
           content_is_right(transfer->words, CHUNK_BYTES, request->start_sector * VST_SECTOR_BYTES,
                            0);
}

/** Reads and checks all of the disk, whose size is a multiple of DEPTH chunks. */
static bool read_all(struct vst_block_queue *queue)
{
    const uint64_t chunk_sectors = CHUNK_BYTES / VST_SECTOR_BYTES;
    uint64_t n_sectors = queue->device->limits.n_sectors, next = 0;
    bool sound = true;
    size_t n_in_flight = 0;

    for (size_t i = 0; i < DEPTH; i++, next += chunk_sectors, n_in_flight++)
        if (!start(queue, &transfers[i], next))
            return false;
    while (n_in_flight > 0) {
        struct vst_block_request *done[DEPTH];
        vst_block_kick(queue);
        size_t n = vst_block_poll(queue, done, DEPTH);
        for (size_t i = 0; i < n; i++) {
            sound &= is_sound(done[i]);
            n_in_flight--;
            if (next == n_sectors || !start(queue, done[i]->user, next))
                continue;
            next += chunk_sectors;
            n_in_flight++;
        }
    }
    return sound && next == n_sectors;
}

static bool rewrite_tail(struct vst_block_queue *queue)
{
    uint64_t tail = queue->device->limits.n_sectors * VST_SECTOR_BYTES - TAIL_BYTES;
    uint64_t *words = transfers[0].words;

    content_make(words, TAIL_BYTES, tail, UINT64_MAX);
    return vst_block_write_bytes(queue, tail, words, TAIL_BYTES, NULL, 0, NULL) == VST_OK &&
           vst_block_flush(queue) == VST_OK;
}

int program(void)
{
    struct arena arena;
    struct vst_platform platform = machine_platform(&arena, memory, sizeof(memory));

    platform.dma_map = NULL; /* devices see the addresses that we see */
    platform.dma_unmap = NULL;
    struct vst_block_device *device = attach_first(&platform);
    if (device == NULL)
        return 1;
    say("%s: %lu sectors, memory %lu", device->path, (unsigned long)device->limits.n_sectors,
        (unsigned long)device->memory_bytes);
    bool sound = arena.held_bytes == device->memory_bytes &&
                 arena.held_bytes <= vst_virtio_blk_memory_bytes(&config, false) &&
                 read_all(device->queues[0]) && rewrite_tail(device->queues[0]);
    vst_virtio_blk_detach(device);
    return sound && arena.held_bytes == 0 ? 0 : 2;
}
