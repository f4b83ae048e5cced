/* SPDX-License-Identifier: BSD-2-Clause */
/* A range of a block device as a source of files. */
#include <vstor/block.h>
#include <vstor/files.h>

static enum vst_status read_device(void *ctx, uint64_t offset_bytes, void *buffer, size_t bytes)
{
    const struct vst_files_device *device = ctx;

    return vst_block_read_bytes(device->queue, device->offset_bytes + offset_bytes, buffer, bytes,
                                device->bounce, device->bounce_bytes, NULL);
}

void vst_files_source_of_device(struct vst_files_source *source, struct vst_files_device *device)
{
    uint32_t block_bytes = device->queue->device->limits.logical_block_bytes;

    *source = (struct vst_files_source){
        .ctx = device, .bytes = device->bytes, .block_bytes = block_bytes, .read = read_device};
    /* A disk that was copied to one of larger blocks has partitions that cut those. */
    if (((device->offset_bytes | device->bytes) & (block_bytes - 1)) != 0)
        source->block_bytes = VST_SECTOR_BYTES;
}
