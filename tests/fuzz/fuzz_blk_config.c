/* SPDX-License-Identifier: BSD-2-Clause */
/* What a block device says of itself: capabilities, BARs, features, configuration. Attach either
 * refuses it or comes to limits that can be worked with, and then works. */
#include "drivers/virtio_spec.h"
#include "tests/fuzz/fuzz_io.h"

#define FIRST_CAPABILITY 0x40u

static void describe_function(struct fuzz_virtio *virtio, struct fuzz_input *input)
{
    struct vst_pci_function *f = &virtio->function;
    uint8_t n = fuzz_u8(input) % 8;

    virtio->overlaps = true;
    for (unsigned i = 0; i < VST_PCI_N_BARS; i++) {
        uint8_t bar = fuzz_u8(input);
        f->bars[i] = (struct vst_pci_bar){
            .kind = (enum vst_pci_bar_kind)(bar & 3),
            .assigned = bar & 4,
            .address = (uint64_t)(i + 1) << ((bar & 3) == VST_PCI_BAR_IO ? 12 : 40),
            .bytes = (bar & 3) == VST_PCI_BAR_NONE ? 0 : 16ull << (bar >> 3),
        };
    }
    f->n_capabilities = n;
    for (unsigned i = 0; i < n; i++)
        f->capabilities[i] =
            (struct vst_pci_capability){fuzz_u8(input) & 0x40 ? 0x11 : 0x09,
                                        (uint8_t)(FIRST_CAPABILITY + (fuzz_u8(input) % 48) * 4)};
    for (unsigned i = FIRST_CAPABILITY; i < 256; i++)
        virtio->pci_config[i] = fuzz_u8(input);
}

/** How the driver is to look for it: legacy and transitional ids as well. */
static void choose_way(struct fuzz_io *io, uint8_t how)
{
    io->virtio.function.device_id = how & 1 ? 0x1001 : 0x1042;
    io->virtio.function.revision = how >> 1 & 1;
    io->virtio.function.interrupt_pin = how >> 2 & 1;
    io->config.pci.way = (enum vst_virtio_pci_way)((how >> 3 & 3) % 3);
    io->config.pci.notify_by_port = how >> 5 & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_input input = {data, bytes};
    uint8_t how = fuzz_u8(&input);
    struct fuzz_io *io = fuzz_io_begin(&input, how & 1);

    io->virtio.offered_features = fuzz_bytes(&input, 6);
    io->virtio.offered_queue_size = fuzz_u16(&input);
    io->config.queue_size = how & 2 ? fuzz_u16(&input) : 16;
    io->config.max_segments = how & 4 ? fuzz_u8(&input) : 0;
    for (unsigned i = 0; i < 64; i++)
        io->virtio.config[i] = fuzz_u8(&input);
    if (how & 8)
        io->virtio.notify_off = fuzz_u16(&input);
    if (how & 32)
        fuzz_io_surround(io, fuzz_u8(&input));
    for (unsigned i = 64; i < sizeof(io->virtio.config) && how & 64; i++)
        io->virtio.config[i] = fuzz_u8(&input);
    if (how & 16) {
        describe_function(&io->virtio, &input);
        choose_way(io, fuzz_u8(&input));
    }
    (void)!fuzz_io_attach(io);
    fuzz_io_run(io, 50);
    fuzz_io_end(io);
    return 0;
}
