/* SPDX-License-Identifier: BSD-2-Clause */
/* A caller's memory as pieces that a device takes, and made reachable where the platform maps. */
#ifndef VSTOR_DRIVERS_VIRTIO_PIECES_H
#define VSTOR_DRIVERS_VIRTIO_PIECES_H

#include <vstor/block.h>

/** A piece as the platform mapped it, to be unmapped with the same values. */
struct virtio_mapping {
    void *buffer;
    size_t bytes;
    uint64_t bus_addr;
};

/** Walks the pieces of a transfer: the caller's segments, cut at max_bytes and at its ends. */
struct virtio_piece_walk {
    const struct vst_block_segment *segment;
    size_t skip_bytes, left_bytes;
    uint32_t max_bytes;
};

struct vst_block_segment vst_virtio_next_piece(struct virtio_piece_walk *walk);

/**
 * Makes n pieces reachable for the device, or none. To be done before the first descriptor is
 * written: what stands in a packed ring can't be taken back, and the device would come upon it
 * behind the next chain. Errors: those of the platform's dma_map.
 */
enum vst_status vst_virtio_map_pieces(const struct vst_platform *platform,
                                      struct virtio_mapping *mappings,
                                      struct virtio_piece_walk walk, uint32_t n,
                                      enum vst_dma_direction direction) VST_MUST_USE;
void vst_virtio_unmap_pieces(const struct vst_platform *platform,
                             const struct virtio_mapping *mappings, uint32_t n,
                             enum vst_dma_direction direction);

#endif
