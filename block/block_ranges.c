/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Discard, write zeroes, secure erase. A range is cut into pieces that the device takes; a part is
 * as many pieces as one command carries. The pieces are not stored: whoever walks a part cuts them
 * anew by vst_block_range_piece, from the caller's ranges.
 */
#include "block/ranges.h"
#include "block/zones.h"

const struct vst_block_range_limits *
vst_block_range_limits_of(const struct vst_block_limits *limits, enum vst_block_op op)
{
    switch (op) {
    case VST_BLOCK_DISCARD:
        return &limits->discard;
    case VST_BLOCK_SECURE_ERASE:
        return &limits->erase;
    default:
        return &limits->zeroes;
    }
}

struct vst_block_range vst_block_range_piece(const struct vst_block_range *range,
                                             uint64_t skip_sectors,
                                             const struct vst_block_range_limits *limits)
{
    struct vst_block_range piece = {range->start_sector + skip_sectors,
                                    range->n_sectors - skip_sectors};

    if (piece.n_sectors <= limits->max_sectors)
        return piece;
    uint64_t end = piece.start_sector + limits->max_sectors;
    if (limits->alignment_sectors > 1) {
        uint64_t aligned = end - end % limits->alignment_sectors;
        if (aligned > piece.start_sector)
            end = aligned;
    }
    piece.n_sectors = end - piece.start_sector;
    return piece;
}

/** One range: inside the device, whole blocks, not empty. */
static enum vst_status check_range(const struct vst_block_limits *limits,
                                   const struct vst_block_range *range)
{
    uint64_t block_mask = limits->logical_block_bytes / VST_SECTOR_BYTES - 1;

    if (range->n_sectors == 0 || ((range->start_sector | range->n_sectors) & block_mask) != 0)
        return VST_ERR_INVALID;
    if (range->n_sectors > limits->n_sectors ||
        range->start_sector > limits->n_sectors - range->n_sectors)
        return VST_ERR_RANGE;
    return VST_OK;
}

/** VIRTIO 1.3, 5.2.6.2: where there are zones, whole ones are erased. */
static bool is_whole_zones(const struct vst_block_limits *limits,
                           const struct vst_block_range *range)
{
    uint32_t zone_sectors = limits->zones.zone_sectors;

    return range->start_sector % zone_sectors == 0 &&
           (range->n_sectors % zone_sectors == 0 ||
            range->start_sector + range->n_sectors == limits->n_sectors);
}

enum vst_status vst_block_check_ranges(const struct vst_block_device *device,
                                       const struct vst_block_request *request)
{
    const struct vst_block_limits *limits = &device->limits;
    uint64_t n_sectors = 0;

    if (vst_block_range_limits_of(limits, request->op)->max_ranges == 0)
        return VST_ERR_UNSUPPORTED;
    if (device->read_only)
        return VST_ERR_READ_ONLY;
    if (request->n_segments == 0 || request->start_sector != 0)
        return VST_ERR_INVALID;
    for (uint32_t i = 0; i < request->n_segments; i++) {
        enum vst_status status = check_range(limits, &request->ranges[i]);
        if (status != VST_OK)
            return status;
        if (request->op == VST_BLOCK_SECURE_ERASE && limits->zones.model != VST_ZONE_MODEL_NONE &&
            !is_whole_zones(limits, &request->ranges[i]))
            return VST_ERR_INVALID;
        n_sectors = vst_add_saturated_u64(n_sectors, request->ranges[i].n_sectors);
    }
    return n_sectors == request->n_sectors ? VST_OK : VST_ERR_INVALID;
}

/** Where the next piece is. */
struct walk {
    const struct vst_block_range *range;
    uint64_t skip_sectors;
};

/** Takes the piece at the walk and goes on behind it. */
static struct vst_block_range next_piece(struct walk *walk,
                                         const struct vst_block_range_limits *limits)
{
    struct vst_block_range piece = vst_block_range_piece(walk->range, walk->skip_sectors, limits);

    walk->skip_sectors += piece.n_sectors;
    if (walk->skip_sectors == walk->range->n_sectors) {
        walk->range++;
        walk->skip_sectors = 0;
    }
    return piece;
}

uint64_t vst_block_next_range_sector(const struct vst_block_request *request)
{
    const struct vst_block_request_private *priv = &request->priv;

    return request->ranges[priv->segment_index].start_sector + priv->segment_skip_bytes;
}

struct vst_block_part vst_block_next_range_part(const struct vst_block_request *request,
                                                const struct vst_block_limits *limits)
{
    const struct vst_block_range_limits *bounds = vst_block_range_limits_of(limits, request->op);
    const struct vst_block_request_private *priv = &request->priv;
    struct walk walk = {request->ranges + priv->segment_index, priv->segment_skip_bytes};
    struct vst_block_part part = {.op = request->op,
                                  .start_sector = walk.range->start_sector + walk.skip_sectors,
                                  .ranges = walk.range,
                                  .skip_bytes = walk.skip_sectors};

    while (part.n_pieces < bounds->max_ranges &&
           priv->issued_sectors + part.n_sectors < request->n_sectors) {
        uint64_t sum = part.n_sectors + next_piece(&walk, bounds).n_sectors;
        if (part.n_pieces > 0 && bounds->max_sum_sectors != 0 && sum > bounds->max_sum_sectors)
            break;
        part.n_sectors = sum;
        part.n_pieces++;
    }
    return part;
}

void vst_block_advance_ranges(struct vst_block_request *request, const struct vst_block_part *part,
                              const struct vst_block_limits *limits)
{
    const struct vst_block_range_limits *bounds = vst_block_range_limits_of(limits, request->op);
    struct walk walk = {part->ranges, part->skip_bytes};

    for (uint32_t i = 0; i < part->n_pieces; i++)
        next_piece(&walk, bounds);
    request->priv.issued_sectors += part->n_sectors;
    request->priv.segment_index = (uint32_t)(walk.range - request->ranges);
    request->priv.segment_skip_bytes = walk.skip_sectors;
    request->priv.n_parts_in_flight++;
}
