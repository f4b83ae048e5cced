/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk: what a device tells that is only passed on: topology, geometry, how worn it is. */
#include "drivers/virtio_blk.h"

#include <vstor/virtio.h>

/* ------------------------------------------------------------------ hints (5.2.4) */

static uint32_t field(struct virtio_device *device, uint32_t offset)
{
    return vst_virtio_config_field(device, offset, 4, 0);
}

static void read_topology(struct virtio_device *device, struct blk_limits_read *read)
{
    bool told = virtio_has(device, VIRTIO_BLK_F_TOPOLOGY);

    read->alignment_offset =
        told ? (uint8_t)vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_ALIGNMENT, 1, 0) : 0;
    read->min_io_blocks =
        told ? (uint16_t)vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_MIN_IO, 2, 0) : 0;
    read->opt_io_blocks = told ? field(device, VIRTIO_BLK_CONFIG_OPT_IO) : 0;
}

static void read_geometry(struct virtio_device *device, struct blk_limits_read *read)
{
    read->geometry = (struct vst_block_geometry){0};
    if (virtio_has(device, VIRTIO_BLK_F_GEOMETRY))
        read->geometry = (struct vst_block_geometry){
            (uint16_t)vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_CYLINDERS, 2, 0),
            (uint8_t)vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_HEADS, 1, 0),
            (uint8_t)vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_TRACK_SECTORS, 1, 0),
        };
}

void vst_virtio_blk_read_hints(struct virtio_device *device, struct blk_limits_read *read)
{
    read_topology(device, read);
    read_geometry(device, read);
}

/** A hint in logical blocks, in bytes; 0 if it makes no sense. */
static uint32_t hint_bytes(const struct vst_block_limits *limits, uint32_t blocks)
{
    return blocks <= UINT32_MAX / limits->logical_block_bytes ? blocks * limits->logical_block_bytes
                                                              : 0;
}

void vst_virtio_blk_hints(const struct blk_limits_read *read, struct vst_block_limits *limits)
{
    limits->min_io_bytes = hint_bytes(limits, read->min_io_blocks);
    limits->opt_io_bytes = hint_bytes(limits, read->opt_io_blocks);
    limits->geometry = read->geometry;
    limits->first_physical_sector =
        (uint32_t)read->alignment_offset * (limits->logical_block_bytes / VST_SECTOR_BYTES);
}

/* ------------------------------------------------------------------ wear (5.2.6: GET_LIFETIME) */

#define MOST_PRE_EOL_INFO 3u
#define MOST_LIFETIME_EST 11u

/** A little-endian field of the answer, each byte read once: the device may still write. */
static uint16_t answer_field(const uint8_t *at)
{
    return (uint16_t)(__atomic_load_n(&at[0], __ATOMIC_RELAXED) |
                      __atomic_load_n(&at[1], __ATOMIC_RELAXED) << 8);
}

enum vst_status vst_virtio_blk_lifetime(struct vst_block_queue *queue,
                                        struct vst_virtio_blk_lifetime *lifetime)
{
    uint8_t answer[VIRTIO_BLK_LIFETIME_BYTES];
    struct vst_block_segment segment = {answer, sizeof(answer)};
    struct vst_block_request request = {
        .op = VST_BLOCK_LIFETIME, .n_segments = 1, .segments = &segment};

    __builtin_memset(answer, 0xff, sizeof(answer)); /* what no device may say */
    enum vst_status status = vst_block_execute(queue, &request);
    if (status != VST_OK)
        return status;
    struct vst_virtio_blk_lifetime read = {answer_field(answer), answer_field(answer + 2),
                                           answer_field(answer + 4)};
    if (read.pre_eol_info > MOST_PRE_EOL_INFO ||
        read.device_lifetime_est_typ_a > MOST_LIFETIME_EST ||
        read.device_lifetime_est_typ_b > MOST_LIFETIME_EST)
        return VST_ERR_MALFORMED;
    *lifetime = read;
    return VST_OK;
}
