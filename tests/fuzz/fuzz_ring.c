/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring as most devices make it, indirect with event index, filled by a device that lies. */
#include "drivers/virtio_spec.h"
#include "tests/fuzz/fuzz_io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_input input = {data, bytes};
    uint8_t packed = fuzz_u8(&input);
    struct fuzz_io *io = fuzz_io_begin(&input, false);

    io->virtio.offered_features =
        VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) |
        VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC) | VIRTIO_BIT(VIRTIO_F_EVENT_IDX) |
        VIRTIO_BIT(VIRTIO_F_VERSION_1) | VIRTIO_BIT(VIRTIO_F_RING_RESET) |
        (uint64_t)(packed & 1) << VIRTIO_F_RING_PACKED;
    io->virtio.config[VIRTIO_BLK_CONFIG_SEG_MAX] = 6;
    fuzz_io_offer_ranges(io, 64, 3);
    FUZZ_CHECK(fuzz_io_attach(io) == VST_OK);
    io->virtio.races = io->virtio.dishonest = packed & 2;
    io->answers_in_the_end = packed & 4;
    fuzz_io_run(io, 2000);
    fuzz_io_end(io);
    return 0;
}
