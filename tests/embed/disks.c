/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The smallest complete embedding: every disk of the machine, behind virtio-blk and virtio-scsi, is
 * found, named, read, checked, and its last 64 KiB rewritten where it can be written.
 */
#include "content.h"
#include "machine.h"

#define CHUNK_BYTES 65536u

static char memory[8 << 20];
static struct vst_pci_function functions[64];
static struct vst_block_registry registry;
static uint64_t words[CHUNK_BYTES / 8];

/* ------------------------------------------------------------------ finding */

static void attach_blk(const struct vst_platform *platform, const struct vst_pci_function *function)
{
    const struct vst_virtio_blk_config config = {0};
    struct vst_block_device *device;

    enum vst_status status = vst_virtio_blk_attach(platform, function, &config, &device);
    if (status == VST_OK)
        vst_block_register(&registry, device, "vd");
    else
        say("virtio-blk: %s", vst_status_text(status));
}

/** A unit of an adapter: a disk or CD becomes a block device, others stay units. */
static void found(void *ctx, struct vst_scsi_unit *unit)
{
    struct vst_block_device *device;

    (void)ctx;
    if (vst_scsi_disk_attach_unit(unit, &device) == VST_OK)
        vst_block_register(&registry, device, unit->type == VST_SCSI_TYPE_CD ? "sr0" : "sd");
}

static void lost(void *ctx, struct vst_scsi_unit *unit)
{
    (void)ctx;
    if (unit->block == NULL)
        return;
    vst_block_unregister(&registry, unit->block);
    vst_scsi_disk_detach(unit->block);
}

static struct vst_scsi_units units = {.found = found, .lost = lost};

static void attach_scsi(const struct vst_platform *platform,
                        const struct vst_pci_function *function)
{
    const struct vst_virtio_scsi_config config = {0};
    struct vst_scsi_hba *hba;

    enum vst_status status = vst_virtio_scsi_attach(platform, function, &config, &hba);
    if (status == VST_OK) {
        vst_scsi_units_add(&units, hba);
        status = vst_scsi_units_scan(&units, hba);
    }
    if (status != VST_OK)
        say("virtio-scsi: %s", vst_status_text(status));
}

static void find_disks(const struct vst_platform *platform)
{
    size_t n = machine_scan(platform, functions, VST_ARRAY_LENGTH(functions));

    for (size_t i = 0; i < n; i++) {
        bool blk = vst_virtio_blk_matches(&functions[i]);
        if (!blk && !vst_virtio_scsi_matches(&functions[i]))
            continue;
        vst_pci_enable(platform, functions, &functions[i]);
        if (blk)
            attach_blk(platform, &functions[i]);
        else
            attach_scsi(platform, &functions[i]);
    }
}

/* ------------------------------------------------------------------ using */

static bool check(struct vst_block_queue *queue, uint64_t from, uint64_t to, uint64_t flip)
{
    for (uint64_t at = from; at < to; at += CHUNK_BYTES)
        if (vst_block_read_bytes(queue, at, words, CHUNK_BYTES, NULL, 0, NULL) != VST_OK ||
            !content_is_right(words, CHUNK_BYTES, at, flip))
            return false;
    return true;
}

static bool use(struct vst_block_device *device)
{
    struct vst_block_queue *queue = device->queues[0];
    uint64_t end = device->limits.n_sectors * VST_SECTOR_BYTES, tail = end - CHUNK_BYTES;

    if (!check(queue, 0, end, 0))
        return false;
    if (device->read_only)
        return true;
    content_make(words, CHUNK_BYTES, tail, UINT64_MAX);
    return vst_block_write_bytes(queue, tail, words, CHUNK_BYTES, NULL, 0, NULL) == VST_OK &&
           vst_block_flush(queue) == VST_OK && check(queue, tail, end, UINT64_MAX);
}

/* ------------------------------------------------------------------ letting go */

static void let_go(void)
{
    while (units.hbas != NULL) {
        struct vst_scsi_hba *hba = units.hbas;
        while (!vst_scsi_units_forget(&units, hba))
            ;
        vst_virtio_scsi_detach(hba);
    }
    while (registry.first != NULL) {
        struct vst_block_device *device = registry.first;
        vst_block_unregister(&registry, device);
        vst_virtio_blk_detach(device);
    }
}

int program(void)
{
    struct arena arena;
    const struct vst_platform platform = machine_platform(&arena, memory, sizeof(memory));
    bool sound = true;
    unsigned n = 0;

    find_disks(&platform);
    for (struct vst_block_device *device = registry.first; device != NULL; device = device->next) {
        bool right = use(device);
        say("%s %s %s, %lu sectors, memory %lu: %s", device->name, device->path,
            device->transport_name, (unsigned long)device->limits.n_sectors,
            (unsigned long)device->memory_bytes, right ? "right" : "wrong");
        sound &= right;
        n++;
    }
    let_go();
    say("%u disks, memory held %lu, at most %lu, mapped %u", n, (unsigned long)arena.held_bytes,
        (unsigned long)arena.most_bytes, arena.n_mapped);
    return sound && n > 0 && arena.held_bytes == 0 && arena.n_mapped == 0 ? 0 : 1;
}
