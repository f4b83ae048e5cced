/* SPDX-License-Identifier: BSD-2-Clause */
/* What is virtio-scsi's of the device's model. (VIRTIO 1.2, 5.6) */
#include <string.h>

#include "drivers/virtio_spec.h"
#include "tests/fuzz/fuzz_hba.h"

#define RESPONSE_BYTES 12u /* of a command's answer, before the sense data */
#define NUMBER_AT      2u  /* in a CDB */

/* 5.6.4: the two fields that a driver may write. */
static bool takes_config(uint64_t at, uint8_t width, uint32_t value)
{
    return width == 4 &&
           (at == VIRTIO_SCSI_CONFIG_CDB_SIZE ? value == VIRTIO_SCSI_CDB_BYTES
                                              : at == VIRTIO_SCSI_CONFIG_SENSE_SIZE &&
                                                    value >= 18 && value <= VST_SCSI_SENSE_BYTES);
}

/* ---------------------------------------------------------------- what is asked */

static struct fuzz_hba *hba_of(struct fuzz_virtio *device)
{
    return device->kind_ctx;
}

static struct fuzz_order *order_of(struct fuzz_virtio *device, const struct fuzz_chain *chain)
{
    struct fuzz_order *order = &hba_of(device)->orders[chain->scsi.number % FUZZ_HBA_ORDERS];

    return chain->scsi.has_head && chain->scsi.number < FUZZ_HBA_ORDERS && order->task != NULL
               ? order
               : NULL;
}

static unsigned cdb_at(const struct fuzz_virtio *device)
{
    return (device->features & VIRTIO_BIT(VIRTIO_SCSI_F_T10_PI)) != 0 ? 27 : 19;
}

/** No two commands that the device has may carry the same tag. */
static void check_tag(struct fuzz_virtio *device, uint64_t tag)
{
    for (unsigned i = VIRTIO_SCSI_QUEUE_REQUEST; i < device->n_queues; i++)
        for (unsigned n = 0; n < device->queues[i].n_held; n++)
            FUZZ_CHECK(device->queues[i].scribbled || !device->queues[i].held[n].scsi.has_head ||
                       device->queues[i].held[n].scsi.tag != tag);
}

/* 5.6.6.1 */
static void take_head(struct fuzz_virtio *device, const struct fuzz_queue *q,
                      struct fuzz_chain *chain, uint64_t bus_addr, uint32_t bytes)
{
    const char *head = fuzz_platform_shared(device->fp, bus_addr, bytes);
    unsigned at = cdb_at(device);
    uint64_t nexus;

    if (head == NULL || bytes < at + 16)
        return;
    memcpy(&nexus, head, 8);
    memcpy(&chain->scsi.tag, head + 8, 8);
    memcpy(&chain->scsi.number, head + at + NUMBER_AT, 4);
    chain->scsi.has_head = true;
    struct fuzz_order *order = order_of(device, chain);
    if (q->scribbled || order == NULL)
        return;
    order->is_taken = true;
    order->tag = chain->scsi.tag;
    check_tag(device, chain->scsi.tag);
    FUZZ_CHECK(bytes == at + hba_of(device)->hba->limits.max_cdb_bytes);
    FUZZ_CHECK(order->nexus == nexus);
    FUZZ_CHECK(order->cdb_bytes <= bytes - at);
    FUZZ_CHECK(memcmp(order->cdb, head + at, bytes - at) == 0);
}

static void note_piece(struct fuzz_virtio *device, const struct fuzz_queue *q,
                       struct fuzz_chain *chain, uint64_t bus_addr, uint32_t bytes, bool writable)
{
    if (fuzz_platform_shared(device->fp, bus_addr, bytes) == NULL)
        return;
    if (writable) {
        FUZZ_CHECK(q->scribbled || chain->status_addr == 0);
        FUZZ_CHECK(q->scribbled || q->index != VIRTIO_SCSI_QUEUE_EVENT || bytes >= 16);
        chain->status_addr = bus_addr;
        chain->scsi.answer_bytes = bytes;
    } else {
        FUZZ_CHECK(q->scribbled || q->index != VIRTIO_SCSI_QUEUE_EVENT);
        if (q->index >= VIRTIO_SCSI_QUEUE_REQUEST && !chain->scsi.has_head)
            take_head(device, q, chain, bus_addr, bytes);
    }
}

/* ---------------------------------------------------------------- what is answered */

/** 5.6.6.2: a function has the response alone, a notification the classes before it. */
static void answer_function(struct fuzz_virtio *device, char *at, uint32_t bytes, uint8_t status)
{
    if (bytes >= 5) {
        uint32_t classes = fuzz_u8(device->input);
        memcpy(at, &classes, 4);
    }
    if (status != 0xff)
        at[bytes - 1] = (char)status;
}

/* 5.6.6.3 */
struct event {
    uint32_t event;
    uint8_t lun[8];
    uint32_t reason;
};

/** Nearly sound ones, and any. */
static struct event choose_event(struct fuzz_input *input)
{
    uint8_t shape = fuzz_u8(input);
    struct event event = {.event = shape & 3, .lun = {1, 0, 0x40, 0}, .reason = shape >> 2 & 3};

    event.lun[1] = fuzz_u8(input);
    event.lun[3] = event.lun[1] & 3;
    if (shape & 0x10)
        event.reason = (uint32_t)fuzz_bytes(input, 4);
    if (shape & 0x20)
        event.event |= VIRTIO_SCSI_T_EVENTS_MISSED;
    for (unsigned i = 0; i < sizeof(event.lun) && (shape & 0x40) != 0; i++)
        event.lun[i] = fuzz_u8(input);
    if (shape & 0x80)
        event.event = (uint32_t)fuzz_bytes(input, 4);
    return event;
}

static void answer_event(struct fuzz_virtio *device, char *at, uint32_t bytes)
{
    struct fuzz_hba *hba = hba_of(device);
    struct event event;

    hba->n_event_answers++;
    if (hba->entry != NULL)
        memcpy(&event, hba->entry, sizeof(event));
    else
        event = choose_event(device->input);
    if (bytes >= sizeof(event))
        memcpy(at, &event, sizeof(event));
}

/** An answer of the fuzzer's; the status byte is its response. */
static void choose_answer(struct fuzz_input *input, struct fuzz_order *order, uint8_t response)
{
    static const uint8_t statuses[] = {0x00, 0x02, 0x04, 0x08, 0x18, 0x28, 0x30, 0x40};
    uint8_t shape = fuzz_u8(input), status = statuses[shape & 7];
    uint32_t residual = shape & 0x08 ? fuzz_u16(input) : 0;
    uint16_t qualifier = 0;

    order->sense_bytes = shape & 7 ? fuzz_u8(input) : 0;
    if (shape & 0x10)
        residual = fuzz_u32(input);
    if (shape & 0x20)
        order->sense_bytes = fuzz_u32(input);
    if (shape & 0x40)
        qualifier = fuzz_u16(input);
    if (shape & 0x80)
        status = fuzz_u8(input);
    for (unsigned i = 0; i < FUZZ_HBA_SENSE && order->sense_bytes != 0; i++)
        order->sense[i] = fuzz_u8(input);
    order->word = residual | (uint64_t)qualifier << 32 | (uint64_t)status << 48 |
                  (uint64_t)(response & 0x7f) << 56;
}

/** Status 0: plainly good; 0xff: nothing is written, and yet the command is said to have ended. */
static void answer_command(struct fuzz_virtio *device, const struct fuzz_chain *chain, char *at,
                           uint8_t status)
{
    struct fuzz_order unknown = {0}, *order = order_of(device, chain);

    if (order == NULL)
        order = &unknown;
    order->is_answered = true;
    if (status == 0xff)
        return;
    order->is_written = true;
    order->sense_bytes = 0;
    order->word = 0;
    if (status != 0)
        choose_answer(device->input, order, status);
    memcpy(at, &order->sense_bytes, 4);
    memcpy(at + 4, &order->word, 8);
    uint32_t room = chain->scsi.answer_bytes - RESPONSE_BYTES;
    memcpy(at + RESPONSE_BYTES, order->sense, room < FUZZ_HBA_SENSE ? room : FUZZ_HBA_SENSE);
}

static void write_answer(struct fuzz_virtio *device, const struct fuzz_queue *q,
                         const struct fuzz_chain *chain, uint8_t status)
{
    uint32_t bytes = chain->scsi.answer_bytes;
    char *at = fuzz_platform_shared(device->fp, chain->status_addr, bytes);

    if (at == NULL || bytes == 0)
        return;
    if (q->index == VIRTIO_SCSI_QUEUE_CONTROL)
        answer_function(device, at, bytes, status);
    else if (q->index == VIRTIO_SCSI_QUEUE_EVENT)
        answer_event(device, at, bytes);
    else if (bytes >= RESPONSE_BYTES)
        answer_command(device, chain, at, status);
}

const struct fuzz_kind fuzz_kind_scsi = {
    .type = VIRTIO_TYPE_SCSI,
    .modern_id = 0x1048,
    .legacy_id = 0x1004,
    .single_queue = VIRTIO_SCSI_QUEUE_EVENT,
    .takes_config = takes_config,
    .note_piece = note_piece,
    .write_answer = write_answer,
};
