/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring in all its shapes: chains without indirect tables, flags instead of event index, buffers
 * that the platform maps, small segments, queues of every size. */
#include "drivers/virtio_spec.h"
#include "tests/fuzz/fuzz_io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_input input = {data, bytes};
    uint8_t shape = fuzz_u8(&input), ring = fuzz_u8(&input), block = fuzz_u8(&input);
    struct fuzz_io *io = fuzz_io_begin(&input, shape & 1);
    struct fuzz_virtio *virtio = &io->virtio;

    virtio->offered_features = VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_BIT(VIRTIO_F_VERSION_1) |
                               (uint64_t)(shape >> 1 & 1) << VIRTIO_F_INDIRECT_DESC |
                               (uint64_t)(shape >> 2 & 1) << VIRTIO_F_EVENT_IDX |
                               (uint64_t)(shape >> 3 & 1) << VIRTIO_F_RING_PACKED |
                               (uint64_t)(shape >> 4 & 1) << VIRTIO_BLK_F_FLUSH |
                               (uint64_t)(shape >> 5 & 1) << VIRTIO_BLK_F_SIZE_MAX |
                               (uint64_t)(shape >> 6 & 1) << VIRTIO_BLK_F_BLK_SIZE;
    virtio->races = shape >> 7;
    virtio->offered_queue_size = virtio->queue_size = (uint16_t)((ring & 63) + 1);
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
