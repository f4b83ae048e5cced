/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a real device model answers when something is wrong: blkdebug fails reads of sector bad_read
 * and writes of bad_write for ever, and one flush.
 */
#include <stdio.h>

#include "tests/qtest/disk.h"

static void failing_sectors(struct disk *disk)
{
    uint64_t at, bad_read = disk->options.bad_read, bad_write = disk->options.bad_write;

    CHECK_EQUAL(disk_transfer(disk, VST_BLOCK_READ, bad_read, 1, &at), VST_ERR_IO);
    CHECK_EQUAL(at, bad_read);
    CHECK_EQUAL(disk_transfer(disk, VST_BLOCK_READ, bad_read - 3, 8, &at), VST_ERR_IO);
    CHECK_EQUAL(at, bad_read - 3);
    CHECK_EQUAL(disk_transfer(disk, VST_BLOCK_READ, bad_read - 1, 1, NULL), VST_OK);
    CHECK_EQUAL(disk_transfer(disk, VST_BLOCK_READ, bad_read + 1, 1, NULL), VST_OK);
    CHECK_EQUAL(disk_transfer(disk, VST_BLOCK_WRITE, bad_write, 1, &at), VST_ERR_IO);
    CHECK_EQUAL(at, bad_write);
    CHECK_EQUAL(disk_transfer(disk, VST_BLOCK_READ, bad_write, 1, NULL), VST_OK);
    CHECK_EQUAL(disk->queue->stats.errors, 3);
}

/** More pieces than a command takes: the error names the part that holds the bad sector. */
static void failing_part(struct disk *disk)
{
    struct disk_slot *slot = &disk->slots[0];
    uint32_t n = disk->device->limits.max_segments + 5;
    uint64_t start = disk->options.bad_read - n + 2; /* it lies in the second part */

    CHECK(n <= DISK_MAX_SEGMENTS);
    for (uint32_t i = 0; i < n; i++)
        slot->segments[i] = (struct vst_block_segment){slot->buffer + i * 512, 512};
    slot->request = (struct vst_block_request){.op = VST_BLOCK_READ,
                                               .n_segments = n,
                                               .segments = slot->segments,
                                               .start_sector = start,
                                               .n_sectors = n};
    CHECK_EQUAL(vst_block_execute(disk->queue, &slot->request), VST_ERR_IO);
    CHECK_EQUAL(slot->request.error_sector, start + disk->device->limits.max_segments);
}

/** The block layer would refuse it: here the device is asked. */
static void beyond_the_end(struct disk *disk)
{
    uint64_t end = disk->device->limits.n_sectors, at;

    CHECK_EQUAL(disk_transfer(disk, VST_BLOCK_READ, end, 1, NULL), VST_ERR_RANGE);
    disk->device->limits.n_sectors += 64;
    vst_block_limits_changed(disk->device);
    CHECK_EQUAL(disk_transfer(disk, VST_BLOCK_READ, end, 1, &at), VST_ERR_IO);
    CHECK_EQUAL(at, end);
    CHECK_EQUAL(disk_transfer(disk, VST_BLOCK_READ, end - 1, 2, NULL), VST_ERR_IO);
    disk->device->limits.n_sectors = end;
    vst_block_limits_changed(disk->device);
    CHECK_EQUAL(disk_transfer(disk, VST_BLOCK_READ, end - 1, 1, NULL), VST_OK);
}

/** The first flush that has something to do fails: the writer is told, and may try again. */
static void failing_flush(struct disk *disk)
{
    CHECK_EQUAL(disk_transfer(disk, VST_BLOCK_READ, 0, 1, NULL), VST_OK);
    CHECK_EQUAL(disk_transfer(disk, VST_BLOCK_WRITE, 0, 1, NULL), VST_OK); /* what was there */
    CHECK_EQUAL(vst_block_flush(disk->queue), VST_ERR_IO);
    CHECK_EQUAL(vst_block_flush(disk->queue), VST_OK);
}

int main(int argc, char **argv)
{
    static struct disk disk;
    struct options options = options_parse(argc, argv);
    struct machine *machine = machine_start(options.dma, options.access, options.qemu);

    disk_open(&disk, machine, &options);
    disk_attach(&disk);
    CHECK_EQUAL(vst_block_flush(disk.queue),
                VST_OK); /* nothing was written: blkdebug is not asked */
    failing_sectors(&disk);
    failing_part(&disk);
    failing_flush(&disk);
    beyond_the_end(&disk);
    CHECK(!disk.device->broken);
    disk_detach(&disk);
    machine_stop(machine);
    disk_compare_and_close(&disk);
    puts("passed=1");
    return 0;
}
