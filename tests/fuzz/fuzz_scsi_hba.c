/* SPDX-License-Identifier: BSD-2-Clause */
/* A whole virtio-scsi adapter that may lie with every register and at every load. */
#include "drivers/virtio_spec.h"
#include "tests/fuzz/fuzz_hba.h"

/** Rings as most devices make them; beside that what the fuzzer wants. */
static uint64_t features(struct fuzz_input *input, uint8_t how)
{
    uint64_t usual = VIRTIO_BIT(VIRTIO_SCSI_F_HOTPLUG) | VIRTIO_BIT(VIRTIO_SCSI_F_CHANGE) |
                     VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC) | VIRTIO_BIT(VIRTIO_F_EVENT_IDX) |
                     VIRTIO_BIT(VIRTIO_F_VERSION_1) | VIRTIO_BIT(VIRTIO_SCSI_F_INOUT);

    return how & 0x10 ? fuzz_bytes(input, 6) | VIRTIO_BIT(VIRTIO_F_VERSION_1) : usual;
}

/** Registers and configuration that are the fuzzer's from the beginning on. */
static void distort(struct fuzz_hba *io, struct fuzz_input *input)
{
    uint8_t how = fuzz_u8(input);

    io->virtio.lies = how & 1;
    io->virtio.races = how & 2;
    io->virtio.never_resets = (how & 12) == 12;
    io->fp.allocs_until_failure = how & 0x10 ? fuzz_u8(input) % 32 : 0;
    io->virtio.notify_off = how & 0x20 ? fuzz_u16(input) : 0;
    if (how & 0x40)
        io->virtio.offered_queue_size = fuzz_u8(input);
    for (unsigned i = 0; i < VIRTIO_SCSI_CONFIG_BYTES && (how & 0x80) != 0; i++)
        io->virtio.config[i] = fuzz_u8(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_input input = {data, bytes};
    uint8_t how = fuzz_u8(&input);
    struct fuzz_hba *io = fuzz_hba_begin(&input, how & 1);

    fuzz_hba_surround(io, fuzz_u8(&input));
    io->fp.maps_may_fail = how & 2;
    io->answers_in_the_end = how & 4;
    io->config.protection = how & 8;
    io->virtio.offered_features = features(&input, how);
    io->virtio.offered_features |= (uint64_t)(how >> 5 & 1) << VIRTIO_F_RING_PACKED |
                                   (uint64_t)(how >> 6 & 1) << VIRTIO_F_IN_ORDER |
                                   (uint64_t)(how >> 3 & 1) << VIRTIO_SCSI_F_T10_PI;
    if (how & 0x80)
        distort(io, &input);
    (void)!fuzz_hba_attach(io);
    fuzz_hba_run(io, 2000);
    fuzz_hba_end(io);
    return 0;
}
