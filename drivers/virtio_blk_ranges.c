/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk: discard, write zeroes, secure erase. (5.2.6.2) */
#include "drivers/virtio_blk.h"

/* ------------------------------------------------------------------ configuration */

static uint32_t field(struct virtio_device *device, uint32_t offset)
{
    return vst_virtio_config_field(device, offset, 4, 0);
}

void vst_virtio_blk_read_ranges(struct virtio_device *device, struct blk_limits_read *read)
{
    read->discard = read->zeroes = read->erase = (struct blk_ranges_read){0};
    read->zeroes_may_unmap = 0;
    if (virtio_has(device, VIRTIO_BLK_F_DISCARD))
        read->discard = (struct blk_ranges_read){
            .offered = true,
            .max_sectors = field(device, VIRTIO_BLK_CONFIG_MAX_DISCARD_SECTORS),
            .max_ranges = field(device, VIRTIO_BLK_CONFIG_MAX_DISCARD_SEG),
            .alignment_sectors = field(device, VIRTIO_BLK_CONFIG_DISCARD_ALIGNMENT),
        };
    if (virtio_has(device, VIRTIO_BLK_F_WRITE_ZEROES)) {
        read->zeroes = (struct blk_ranges_read){
            .offered = true,
            .max_sectors = field(device, VIRTIO_BLK_CONFIG_MAX_ZEROES_SECTORS),
            .max_ranges = field(device, VIRTIO_BLK_CONFIG_MAX_ZEROES_SEG),
        };
        read->zeroes_may_unmap =
            (uint8_t)vst_virtio_config_field(device, VIRTIO_BLK_CONFIG_ZEROES_MAY_UNMAP, 1, 0);
    }
    if (virtio_has(device, VIRTIO_BLK_F_SECURE_ERASE))
        read->erase = (struct blk_ranges_read){
            .offered = true,
            .max_sectors = field(device, VIRTIO_BLK_CONFIG_MAX_ERASE_SECTORS),
            .max_ranges = field(device, VIRTIO_BLK_CONFIG_MAX_ERASE_SEG),
            .alignment_sectors = field(device, VIRTIO_BLK_CONFIG_ERASE_ALIGNMENT),
        };
}

/** How many ranges one slot has room for. */
static uint16_t range_room(const struct blk_device *blk, const struct vst_block_limits *limits)
{
    if (!virtio_has(&blk->virtio, VIRTIO_F_INDIRECT_DESC))
        return BLK_DIRECT_RANGES;
    return (uint16_t)(vst_virtio_blk_table_entries(limits) - BLK_RANGE_CHAIN_ENTRIES);
}

/**
 * A limit of 0 would be a command that can carry nothing, and devices say so that mean "not told"
 * (cloud-hypervisor#7852): one range per command, as long as its field can say.
 */
static struct vst_block_range_limits checked(const struct blk_device *blk,
                                             const struct vst_block_limits *limits,
                                             const struct blk_ranges_read *read, const char *what)
{
    uint32_t block_sectors = limits->logical_block_bytes / VST_SECTOR_BYTES;
    uint32_t max_ranges = read->max_ranges == 0 ? 1 : read->max_ranges;
    uint32_t max_sectors = read->max_sectors == 0 ? UINT32_MAX : read->max_sectors;
    uint16_t room = range_room(blk, limits);

    if (!read->offered)
        return (struct vst_block_range_limits){0};
    if (read->max_sectors == 0 || read->max_ranges == 0)
        vst_log(blk->base.platform, VST_LOG_INFO, "%s: %s: a limit of 0 is taken for none",
                blk->virtio.name, what);
    max_sectors -= max_sectors % block_sectors;
    if (max_sectors == 0) {
        vst_log(blk->base.platform, VST_LOG_WARNING,
                "%s: %s: not even one block of %u bytes at once; not used", blk->virtio.name, what,
                limits->logical_block_bytes);
        return (struct vst_block_range_limits){0};
    }
    return (struct vst_block_range_limits){
        .max_sectors = max_sectors,
        .max_ranges = (uint16_t)(max_ranges < room ? max_ranges : room),
        /* A hint only: what is no multiple of the block can't be kept. */
        .alignment_sectors =
            read->alignment_sectors % block_sectors == 0 ? read->alignment_sectors : 0,
    };
}

void vst_virtio_blk_range_limits(const struct blk_device *blk, const struct blk_limits_read *read,
                                 struct vst_block_limits *limits)
{
    limits->discard = checked(blk, limits, &read->discard, "discard");
    limits->zeroes = checked(blk, limits, &read->zeroes, "write zeroes");
    limits->erase = checked(blk, limits, &read->erase, "secure erase");
    limits->zeroes_may_unmap = limits->zeroes.max_ranges > 0 && read->zeroes_may_unmap != 0;
}

/* ------------------------------------------------------------------ requests */

uint64_t vst_virtio_blk_put_ranges(struct blk_queue *q, uint16_t id,
                                   const struct vst_block_part *part)
{
    const struct vst_block_range_limits *limits =
        vst_block_range_limits_of(&q->base.device->limits, part->op);
    struct blk_header *header = q->vq.slots[id].shared;
    struct virtq_desc *place = &header->table[q->vq.indirect ? BLK_RANGE_CHAIN_ENTRIES : 0];
    struct blk_range *out = (struct blk_range *)(void *)place;
    const struct vst_block_range *range = part->ranges;
    uint64_t skip_sectors = part->skip_bytes;
    uint32_t flags = part->op == VST_BLOCK_WRITE_ZEROES && q->base.device->limits.zeroes_may_unmap
                         ? VIRTIO_BLK_RANGE_F_UNMAP
                         : 0;

    for (uint32_t i = 0; i < part->n_pieces; i++) {
        struct vst_block_range piece = vst_block_range_piece(range, skip_sectors, limits);
        drv_le64_put(&out[i].sector, piece.start_sector);
        drv_le32_put(&out[i].n_sectors, (uint32_t)piece.n_sectors);
        drv_le32_put(&out[i].flags, flags);
        skip_sectors += piece.n_sectors;
        if (skip_sectors == range->n_sectors) {
            range++;
            skip_sectors = 0;
        }
    }
    return virtq_shared_bus_addr(&q->vq, id) + (uint64_t)((char *)out - (char *)header);
}
