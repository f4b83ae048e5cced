/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring in all its shapes, behind every front: chains without indirect tables, flags instead of
 * event index, order kept, doorbells with data, buffers that the platform maps, small segments,
 * many queues of every size, with and without interrupts, and with zones. */
#include "drivers/virtio_spec.h"
#include "tests/fuzz/fuzz_zones.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_input input = {data, bytes};
    uint8_t shape = fuzz_u8(&input), ring = fuzz_u8(&input), block = fuzz_u8(&input);
    uint8_t surroundings = fuzz_u8(&input), more = fuzz_u8(&input);
    struct fuzz_io *io = fuzz_io_begin(&input, shape & 1);
    struct fuzz_virtio *virtio = &io->virtio;

    virtio->offered_features = VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_BIT(VIRTIO_F_VERSION_1) |
                               (uint64_t)(shape >> 1 & 1) << VIRTIO_F_INDIRECT_DESC |
                               (uint64_t)(shape >> 2 & 1) << VIRTIO_F_EVENT_IDX |
                               (uint64_t)(shape >> 3 & 1) << VIRTIO_F_RING_PACKED |
                               (uint64_t)(shape >> 4 & 1) << VIRTIO_BLK_F_FLUSH |
                               (uint64_t)(shape >> 4 & 1) << VIRTIO_BLK_F_CONFIG_WCE |
                               (uint64_t)(shape >> 5 & 1) << VIRTIO_BLK_F_SIZE_MAX |
                               (uint64_t)(shape >> 6 & 1) << VIRTIO_BLK_F_BLK_SIZE;
    virtio->offered_features |= (uint64_t)(more & 1) << VIRTIO_F_IN_ORDER |
                                (uint64_t)(more >> 1 & 1) << VIRTIO_F_NOTIFICATION_DATA |
                                (uint64_t)(more >> 2 & 1) << VIRTIO_F_RING_RESET |
                                (uint64_t)(more >> 3 & 1) << VIRTIO_BLK_F_RO;
    io->answers_in_the_end = more & 16;
    fuzz_io_surround(io, surroundings);
    fuzz_io_offer_ranges(io, block, block & 15);
    if (more & 0x60)
        fuzz_zones_offer(io, more >> 5 & 3, more & 0x80 ? 2000 : 16);
    virtio->races = shape >> 7;
    virtio->offered_queue_size = (uint16_t)((ring & 63) + 1);
    io->config.queue_size = (uint16_t)(4u << (ring >> 6));
    io->config.max_segments = (uint16_t)((block & 7) + 1);
    io->fp.maps_may_fail = block & 8;
    virtio->config[VIRTIO_BLK_CONFIG_SEG_MAX] = (uint8_t)((block >> 4 & 3) + 1);
    virtio->config[VIRTIO_BLK_CONFIG_SIZE_MAX + 1] = (uint8_t)(2u << (block >> 6)); /* 512.. */
    virtio->config[VIRTIO_BLK_CONFIG_BLK_SIZE + 1] = block & 1 ? 2 : 16;
    (void)!fuzz_io_attach(io);
    fuzz_io_run(io, 2000);
    fuzz_io_end(io);
    return 0;
}
