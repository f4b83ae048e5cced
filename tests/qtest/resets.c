/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices that are reset, or met running, while requests are in flight. The disk is slow (a throttle
 * of some requests a second), so that most of them are in flight for sure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio_blk.h"
#include "tests/qtest/disk.h"

/** The device as the driver's transport sees it: modern and legacy are reset alike. */
static struct virtio_device *device_of(struct disk *disk)
{
    return &VST_CONTAINER_OF(disk->device, struct blk_device, base)->virtio;
}

/** Takes all requests back, whatever became of them; returns how many ended with `status`. */
static unsigned take_all(struct disk *disk, enum vst_status status)
{
    unsigned n_with_status = 0;

    while (disk->n_in_flight > 0) {
        struct vst_block_request *done[8];
        size_t n = vst_block_poll(disk->queue, done, VST_ARRAY_LENGTH(done));
        for (size_t i = 0; i < n; i++) {
            struct disk_slot *slot = VST_CONTAINER_OF(done[i], struct disk_slot, request);
            CHECK(slot->busy);
            CHECK(done[i]->status == VST_OK || done[i]->status == status);
            slot->busy = false;
            disk->n_in_flight--;
            n_with_status += done[i]->status == status;
        }
        if (n == 0)
            disk->machine->platform.relax(disk->machine);
    }
    return n_with_status;
}

static void wait_ms(struct disk *disk, uint64_t ms)
{
    const struct vst_platform *platform = &disk->machine->platform;
    uint64_t start = platform->time_ns(platform->ctx);

    while (platform->time_ns(platform->ctx) - start < ms * 1000000u)
        platform->relax(platform->ctx);
}

static void mark_buffers(struct disk *disk)
{
    for (unsigned i = 0; i < disk->options.depth; i++)
        memset(disk->slots[i].buffer, 0x5a, disk->slot_bytes);
}

/** No device wrote into buffers that their owner had back (kvm-guest-drivers-windows#965). */
static void check_marks(const struct disk *disk)
{
    for (unsigned i = 0; i < disk->options.depth; i++)
        for (size_t b = 0; b < disk->slot_bytes; b++)
            if (disk->slots[i].buffer[b] != 0x5a)
                FAIL("late write into buffer %u at %#zx", i, b);
}

/**
 * Somebody resets the device under the driver: requests end by the time-out, none is lost. What the
 * device had begun to work on it may finish before it confirms (QEMU does); the rest it never sees.
 */
static void reset_under_load(struct disk *disk)
{
    disk->options.config.recovery = VST_RECOVERY_NONE;
    disk_attach(disk);
    struct virtio_device *device = device_of(disk);
    disk_fill(disk, disk->options.depth / 4, true);
    unsigned n_seen = disk->n_in_flight;
    vst_block_kick(disk->queue);
    device->transport->set_status(device, 0);
    CHECK_EQUAL(device->transport->status(device), 0);
    disk_fill(disk, disk->options.depth,
              true); /* or as many as the ring takes: there are long ones */
    unsigned n = disk->n_in_flight;
    CHECK(n > n_seen);
    vst_block_kick(disk->queue);
    unsigned n_late = take_all(disk, VST_ERR_TIMEOUT);
    printf("in_flight=%u\nlate=%u\n", n, n_late);
    CHECK(n_late >= n - n_seen);
    CHECK(disk->device->broken);
    mark_buffers(disk);
    wait_ms(disk, 100);
    check_marks(disk);
    CHECK_EQUAL(disk_transfer(disk, VST_BLOCK_READ, 0, 1, NULL), VST_ERR_BROKEN);
    disk_detach(disk);
}

/**
 * The disk is slower than the time-out: the driver resets a device that works on requests, gives
 * them back, and the device has let go of their buffers. If the machine keeps this process waiting
 * until all is answered there is no time-out to be seen: then once more.
 */
static void timeout_under_load(struct disk *disk)
{
    unsigned n_late = 0;

    disk_attach(disk);
    for (unsigned tries = 0; tries < 10 && n_late == 0; tries++) {
        disk_fill(disk, disk->options.depth, true);
        vst_block_kick(disk->queue);
        n_late = take_all(disk, VST_ERR_TIMEOUT);
        printf("late_slow=%u\n", n_late);
    }
    CHECK(n_late > 0);
    mark_buffers(disk);
    wait_ms(disk, 300);
    check_marks(disk);
    CHECK_EQUAL(disk->queue->stats.timeouts, 1);
    disk_detach(disk);
}

/**
 * The same reset from outside as above, and the driver recovers: every request is done in the end,
 * and every byte is right. The time-out is long enough for the throttle to let the replay through.
 */
static void recover_under_load(struct disk *disk)
{
    uint64_t timeout_ns = disk->options.config.timeout_ns;

    disk->options.config.recovery = VST_RECOVERY_DEVICE;
    disk->options.config.timeout_ns = 4000000000u;
    disk_attach(disk);
    struct virtio_device *device = device_of(disk);
    disk_fill(disk, disk->options.depth, false);
    device->transport->set_status(device, 0);
    CHECK_EQUAL(device->transport->status(device), 0); /* only now it sees no ring any more */
    disk_traffic(disk, 0);                             /* takes back what is in flight */
    CHECK(disk->queue->stats.device_resets > 0); /* one, or more where QEMU does not get to run */
    CHECK(disk->queue->stats.replays > 0);
    disk_traffic(disk, 10);
    CHECK_EQUAL(disk->queue->stats.errors, 0);
    disk_detach(disk);
    disk->options.config.timeout_ns = timeout_ns;
    disk->options.config.recovery = VST_RECOVERY_NONE;
}

static void forget(struct disk *disk)
{
    for (unsigned i = 0; i < disk->options.depth; i++)
        disk->slots[i].busy = false;
    disk->n_in_flight = 0;
}

/**
 * A driver before us left the device running, with requests in flight (Solo5#483): attaching resets
 * it first. What the other driver had stays allocated until the device is known to be reset.
 */
static void warm_start(struct disk *disk)
{
    disk_attach(disk);
    struct vst_block_device *left_behind = disk->device;
    disk_fill(disk, disk->options.depth, true);
    vst_block_kick(disk->queue);
    disk->options.config.timeout_ns = 0; /* the throttle makes the next one wait for all of these */
    disk_attach(disk);
    forget(disk);
    mark_buffers(disk);
    wait_ms(disk, 100);
    check_marks(disk);
    CHECK_EQUAL(disk_transfer(disk, VST_BLOCK_READ, 0, 8, NULL), VST_OK);
    CHECK(memcmp(disk->slots[0].buffer, disk->model, 8 * 512) == 0);
    /* The first one's memory goes back by its own detach, which resets the device a last time. */
    vst_virtio_blk_detach(disk->device);
    vst_virtio_blk_detach(left_behind);
    machine_forget_mappings(disk->machine);
    disk->device = NULL;
}

int main(int argc, char **argv)
{
    static struct disk disk;
    struct options options = options_parse(argc, argv);
    struct machine *machine = machine_start(options.dma, options.access, options.qemu);

    disk_open(&disk, machine, &options);
    recover_under_load(&disk);
    reset_under_load(&disk);
    timeout_under_load(&disk);
    warm_start(&disk);
    machine_stop(machine);
    disk_compare_and_close(&disk);
    puts("passed=1");
    return 0;
}
