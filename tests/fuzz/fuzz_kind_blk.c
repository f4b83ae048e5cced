/* SPDX-License-Identifier: BSD-2-Clause */
/* What is virtio-blk's of the device's model. (VIRTIO 1.2, 5.2) */
#include <string.h>

#include "drivers/virtio_spec.h"
#include "tests/fuzz/fuzz_virtio.h"

#define HEAD_BYTES          16u /* 5.2.6 */
#define APPEND_ANSWER_BYTES 9u  /* append_sector and status */

/* 5.2.4: of all the configuration the driver writes this alone. */
static bool takes_config(uint64_t at, uint8_t width, uint32_t value)
{
    return at == VIRTIO_BLK_CONFIG_WRITEBACK && width == 1 && value <= 1;
}

static void note_piece(struct fuzz_virtio *device, const struct fuzz_queue *q,
                       struct fuzz_chain *chain, uint64_t bus_addr, uint32_t bytes, bool writable)
{
    (void)q;
    if (writable) {
        chain->blk.id_addr = bytes == VIRTIO_BLK_ID_BYTES ? bus_addr : chain->blk.id_addr;
        chain->status_addr = bytes == 1 ? bus_addr : chain->status_addr;
        if (bytes == APPEND_ANSWER_BYTES)
            chain->blk.append_addr = bus_addr, chain->status_addr = bus_addr + 8;
    } else if (bytes == HEAD_BYTES && fuzz_platform_shared(device->fp, bus_addr, HEAD_BYTES)) {
        chain->blk.sector = fuzz_virtio_peek(device, bus_addr + 8, 8);
    }
}

/** Where an append has gone: near its zone's beginning, where small zones also end, or anywhere. */
static uint64_t append_place(struct fuzz_virtio *device, const struct fuzz_chain *chain)
{
    uint8_t near = fuzz_u8(device->input);

    return near < 0xf0 ? chain->blk.sector + near % 20 : fuzz_bytes(device->input, 8);
}

static void write_answer(struct fuzz_virtio *device, const struct fuzz_queue *q,
                         const struct fuzz_chain *chain, uint8_t status)
{
    char *id = fuzz_platform_shared(device->fp, chain->blk.id_addr, VIRTIO_BLK_ID_BYTES);

    (void)q;
    if (fuzz_platform_shared(device->fp, chain->blk.append_addr, 8) != NULL)
        fuzz_virtio_poke(device, chain->blk.append_addr, append_place(device, chain), 8);
    if (fuzz_platform_shared(device->fp, chain->status_addr, 1) != NULL)
        fuzz_virtio_poke(device, chain->status_addr, status, 1);
    if (id != NULL)
        memcpy(id, "fuzz\x01serial\xff 012345678", VIRTIO_BLK_ID_BYTES);
}

const struct fuzz_kind fuzz_kind_blk = {
    .type = VIRTIO_TYPE_BLOCK,
    .modern_id = 0x1042,
    .legacy_id = 0x1001,
    .single_queue = UINT16_MAX,
    .takes_config = takes_config,
    .note_piece = note_piece,
    .write_answer = write_answer,
};
