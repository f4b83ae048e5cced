/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/virtio_pieces.h"

struct vst_block_segment vst_virtio_next_piece(struct virtio_piece_walk *walk)
{
    size_t bytes = walk->segment->bytes - walk->skip_bytes;
    struct vst_block_segment piece = {.buffer = (char *)walk->segment->buffer + walk->skip_bytes};

    if (bytes > walk->max_bytes)
        bytes = walk->max_bytes;
    if (bytes > walk->left_bytes)
        bytes = walk->left_bytes;
    piece.bytes = bytes;
    walk->left_bytes -= bytes;
    walk->skip_bytes += bytes;
    if (walk->skip_bytes == walk->segment->bytes) {
        walk->segment++;
        walk->skip_bytes = 0;
    }
    return piece;
}

__attribute__((cold)) void vst_virtio_unmap_pieces(const struct vst_platform *platform,
                                                   const struct virtio_mapping *mappings,
                                                   uint32_t n, enum vst_dma_direction direction)
{
    for (; n > 0; n--, mappings++)
        platform->dma_unmap(platform->ctx, mappings->buffer, mappings->bytes, direction,
                            mappings->bus_addr);
}

__attribute__((cold)) enum vst_status
vst_virtio_map_pieces(const struct vst_platform *platform, struct virtio_mapping *mappings,
                      struct virtio_piece_walk walk, uint32_t n, enum vst_dma_direction direction)
{
    for (uint32_t i = 0; i < n; i++) {
        struct vst_block_segment piece = vst_virtio_next_piece(&walk);
        mappings[i].buffer = piece.buffer;
        mappings[i].bytes = piece.bytes;
        enum vst_status status = platform->dma_map(platform->ctx, piece.buffer, piece.bytes,
                                                   direction, &mappings[i].bus_addr);
        if (status != VST_OK) {
            vst_virtio_unmap_pieces(platform, mappings, i, direction);
            return status;
        }
    }
    return VST_OK;
}
