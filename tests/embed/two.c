/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two instances side by side: each has a platform, memory, a registry and a disk of its own, and
 * they take turns with every request. Neither takes a byte of the other's memory.
 */
#include "content.h"
#include "machine.h"

#define CHUNK_BYTES  16384u
#define MEMORY_BYTES (512u << 10)
#define DEPTH        4

static struct vst_pci_function functions[32];

static struct instance {
    char memory[MEMORY_BYTES];
    struct arena arena;
    struct vst_platform platform;
    struct vst_block_registry registry;
    struct vst_block_queue *queue;
    struct vst_block_request requests[DEPTH];
    struct vst_block_segment segments[DEPTH];
    uint64_t words[DEPTH][CHUNK_BYTES / 8];
    uint64_t next_sector;
    unsigned n_right, n_wrong;
} instances[2];

/** The instance takes the n-th disk, whatever others there are. */
static bool begin(struct instance *instance, unsigned n)
{
    const struct vst_virtio_blk_config config = {0};
    struct vst_block_device *device = NULL;

    instance->platform =
        machine_platform(&instance->arena, instance->memory, sizeof(instance->memory));
    size_t n_functions = machine_scan(&instance->platform, functions, VST_ARRAY_LENGTH(functions));
    for (size_t i = 0; i < n_functions; i++) {
        if (!vst_virtio_blk_matches(&functions[i]) || n-- > 0)
            continue;
        vst_pci_enable(&instance->platform, functions, &functions[i]);
        if (vst_virtio_blk_attach(&instance->platform, &functions[i], &config, &device) != VST_OK)
            return false;
        vst_block_register(&instance->registry, device, "vd");
        instance->queue = device->queues[0];
        say("instance %lu: %s %s, memory %lu of its own, %lu said",
            (unsigned long)(instance - instances), device->name, device->path,
            (unsigned long)instance->arena.held_bytes, (unsigned long)device->memory_bytes);
        return instance->arena.held_bytes == device->memory_bytes;
    }
    return false;
}

static void submit(struct instance *instance, unsigned slot)
{
    if (instance->next_sector == instance->queue->device->limits.n_sectors)
        return;
    instance->segments[slot] = (struct vst_block_segment){instance->words[slot], CHUNK_BYTES};
    instance->requests[slot] =
        (struct vst_block_request){.op = VST_BLOCK_READ,
                                   .n_segments = 1,
                                   .segments = &instance->segments[slot],
                                   .start_sector = instance->next_sector,
                                   .n_sectors = CHUNK_BYTES / VST_SECTOR_BYTES};
    if (vst_block_submit(instance->queue, &instance->requests[slot]) != VST_OK)
        instance->n_wrong++;
    instance->next_sector += CHUNK_BYTES / VST_SECTOR_BYTES;
}

/** Takes back one request, looks at what it brought, and gives the next. The disks differ. */
static void turn(struct instance *instance)
{
    struct vst_block_request *done;

    vst_block_kick(instance->queue);
    if (vst_block_poll(instance->queue, &done, 1) == 0)
        return;
    unsigned slot = (unsigned)(done - instance->requests);
    bool right =
        done->status == VST_OK &&
        content_is_right(instance->words[slot], CHUNK_BYTES, done->start_sector * VST_SECTOR_BYTES,
                         instance == &instances[0] ? 0 : UINT64_MAX);
    *(right ? &instance->n_right : &instance->n_wrong) += 1;
    submit(instance, slot);
}

static bool has_work(const struct instance *instance)
{
    uint64_t n_chunks =
        instance->queue->device->limits.n_sectors / (CHUNK_BYTES / VST_SECTOR_BYTES);

    return instance->n_right + instance->n_wrong < n_chunks;
}

static bool end(struct instance *instance)
{
    struct vst_block_device *device = instance->queue->device;

    vst_block_unregister(&instance->registry, device);
    vst_virtio_blk_detach(device);
    say("instance %lu: %u right, %u wrong, memory held %lu", (unsigned long)(instance - instances),
        instance->n_right, instance->n_wrong, (unsigned long)instance->arena.held_bytes);
    return instance->n_wrong == 0 && instance->n_right > 0 && instance->arena.held_bytes == 0 &&
           instance->arena.n_mapped == 0;
}

int program(void)
{
    if (!begin(&instances[0], 0) || !begin(&instances[1], 1))
        return 1;
    for (unsigned slot = 0; slot < DEPTH; slot++)
        for (unsigned i = 0; i < 2; i++)
            submit(&instances[i], slot);
    while (has_work(&instances[0]) || has_work(&instances[1]))
        for (unsigned i = 0; i < 2; i++)
            turn(&instances[i]);
    bool first = end(&instances[0]);
    /* The other one still works when the first has gone. */
    bool alone = vst_block_read_bytes(instances[1].queue, 0, instances[1].words[0], CHUNK_BYTES,
                                      NULL, 0, NULL) == VST_OK;
    return end(&instances[1]) && first && alone ? 0 : 2;
}
