/* SPDX-License-Identifier: BSD-2-Clause */
/* A device that may lie with every register and at every load: attach, transfers, detach. */
#include "drivers/virtio_spec.h"
#include "tests/fuzz/fuzz_zones.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_input input = {data, bytes};
    uint8_t how = fuzz_u8(&input), surroundings = fuzz_u8(&input);
    struct fuzz_io *io = fuzz_io_begin(&input, how & 1);

    io->virtio.offered_features = fuzz_bytes(&input, 6) | VIRTIO_BIT(VIRTIO_F_VERSION_1);
    io->fp.allocs_until_failure = how & 2 ? fuzz_u8(&input) % 8 : 0;
    io->virtio.never_resets = (how & 0x1c) == 0x1c;
    io->is_silent = (how & 0x1c) == 0x18;
    io->virtio.notify_off = how & 0x20 ? fuzz_u16(&input) : 0;
    io->virtio.races = how & 0x40;
    io->virtio.lies = true;
    io->answers_in_the_end = how & 0x80;
    fuzz_io_surround(io, surroundings);
    if (surroundings & 16)
        fuzz_io_offer_ranges(io, 255, 4);
    if ((surroundings & 0x18) == 0x18)
        fuzz_zones_offer(io, 1, 16);
    io->virtio.n_vectors = surroundings % 5;
    (void)!fuzz_io_attach(io);
    fuzz_io_run(io, 2000);
    fuzz_io_end(io);
    return 0;
}
