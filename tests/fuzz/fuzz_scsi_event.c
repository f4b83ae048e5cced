/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a virtio-scsi adapter tells by itself: every byte of an event entry is the fuzzer's, and what
 * the driver makes of it is held against a reading of the same bytes by other rules of thumb.
 * (VIRTIO 1.2, 5.6.6.3)
 */
#include "drivers/virtio_spec.h"
#include "tests/fuzz/fuzz_hba.h"

#include <string.h>

#define ENTRY_BYTES 16u
#define MAX_RESETS  2u /* more of them, with nothing answered between, and it is given up */

static uint32_t word(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/** What an entry says; VST_SCSI_EVENTS_MISSED: what nobody understands. */
static enum vst_scsi_event_kind kind_of(const uint8_t *entry, uint16_t max_target)
{
    uint32_t what = word(entry) & 0x7fffffff, reason = word(entry + 12);
    struct vst_scsi_lun lun;
    uint8_t target;

    if (entry[4] != 1 || entry[5] > max_target ||
        vst_scsi_nexus_decode(entry + 4, &target, &lun) != VST_OK)
        return VST_SCSI_EVENTS_MISSED;
    if (what == 1 && reason < 3)
        return reason == 0   ? VST_SCSI_EVENT_UNIT_RESET
               : reason == 1 ? VST_SCSI_EVENT_UNIT_FOUND
                             : VST_SCSI_EVENT_UNIT_GONE;
    if (what == 2)
        return VST_SCSI_EVENT_NOTIFIED;
    return what == 3 ? VST_SCSI_EVENT_PARAMETERS : VST_SCSI_EVENTS_MISSED;
}

static void check(struct fuzz_hba *io, const uint8_t *entry)
{
    enum vst_scsi_event_kind kind = kind_of(entry, io->hba->limits.max_target);
    bool is_none = (word(entry) & 0x7fffffff) == 0, says_missed = entry[3] >> 7, missed;
    struct vst_scsi_event event;
    unsigned n = fuzz_hba_fetch_events(io, &event, &missed);

    FUZZ_CHECK(n == (is_none || kind == VST_SCSI_EVENTS_MISSED ? 0 : 1));
    FUZZ_CHECK(missed == (says_missed || (!is_none && kind == VST_SCSI_EVENTS_MISSED)));
    if (n == 0)
        return;
    FUZZ_CHECK(event.kind == kind && event.target == entry[5]);
    if (kind == VST_SCSI_EVENT_NOTIFIED)
        FUZZ_CHECK(event.classes == word(entry + 12));
    if (kind == VST_SCSI_EVENT_PARAMETERS)
        FUZZ_CHECK(event.asc == entry[12] && event.ascq == entry[13]);
}

/** Hands the device's next buffer back with an entry of the input in it; false if it has none. */
static bool tell(struct fuzz_hba *io, uint8_t entry[ENTRY_BYTES])
{
    struct fuzz_queue *q = &io->virtio.queues[VIRTIO_SCSI_QUEUE_EVENT];

    fuzz_virtio_take(&io->virtio, VIRTIO_SCSI_QUEUE_EVENT, FUZZ_MAX_HELD);
    if (q->n_held == 0)
        return false;
    for (unsigned i = 0; i < ENTRY_BYTES; i++)
        entry[i] = fuzz_u8(io->fp.input);
    uint8_t which = fuzz_u8(io->fp.input);
    if ((io->virtio.features & VIRTIO_BIT(VIRTIO_F_IN_ORDER)) != 0)
        which = 0; /* any other would bring those before it along */
    io->entry = entry;
    fuzz_virtio_answer(&io->virtio, VIRTIO_SCSI_QUEUE_EVENT, which, 0);
    io->entry = NULL;
    return true;
}

static void tell_one(struct fuzz_hba *io)
{
    uint8_t entry[ENTRY_BYTES];

    FUZZ_CHECK(tell(io, entry)); /* every buffer is with the device again */
    io->hba->ops->look(io->hba);
    check(io, entry);
}

/** More than anybody fetches: none is lost without a word. */
static void tell_many(struct fuzz_hba *io, unsigned n_entries)
{
    uint8_t entry[ENTRY_BYTES];
    struct vst_scsi_event event;
    unsigned n_answers = io->n_event_answers, n_sound = 0;
    bool missed;

    while (n_entries-- > 0) {
        if (tell(io, entry))
            n_sound += kind_of(entry, io->hba->limits.max_target) != VST_SCSI_EVENTS_MISSED;
        else
            io->hba->ops->look(io->hba);
    }
    io->hba->ops->look(io->hba);
    unsigned n = fuzz_hba_fetch_events(io, &event, &missed);
    FUZZ_CHECK(n <= n_sound && n <= io->n_event_answers - n_answers);
    FUZZ_CHECK(n == n_sound || missed);
}

/** What was told before and is told after: in between it may have been lost. */
static void reset(struct fuzz_hba *io)
{
    struct vst_scsi_event event;
    bool missed;

    io->fp.n_steps = 0;
    io->hba->ops->reset(io->hba->queues[0], "asked for");
    for (unsigned n = 0; n < 4; n++)
        io->hba->ops->poll_commands(io->hba->queues[0], 1);
    FUZZ_CHECK(!io->hba->broken);
    FUZZ_CHECK(fuzz_hba_fetch_events(io, &event, &missed) == 0 && missed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_input input = {data, bytes};
    uint8_t how = fuzz_u8(&input);
    struct fuzz_hba *io = fuzz_hba_begin(&input, false);
    unsigned n_resets = 0;

    io->virtio.offered_features =
        VIRTIO_BIT(VIRTIO_F_VERSION_1) | VIRTIO_BIT(VIRTIO_SCSI_F_HOTPLUG) |
        VIRTIO_BIT(VIRTIO_SCSI_F_CHANGE) | (uint64_t)(how & 1) << VIRTIO_F_RING_PACKED |
        (uint64_t)(how >> 1 & 1) << VIRTIO_F_IN_ORDER |
        (uint64_t)(how >> 2 & 1) << VIRTIO_F_EVENT_IDX |
        (uint64_t)(how >> 3 & 1) << VIRTIO_F_INDIRECT_DESC;
    io->virtio.config[VIRTIO_SCSI_CONFIG_MAX_TARGET] = fuzz_u8(&input);
    io->virtio.config[VIRTIO_SCSI_CONFIG_MAX_TARGET + 1] = how & 0x10;
    io->virtio.config[VIRTIO_SCSI_CONFIG_EVENT_BYTES] = fuzz_u8(&input);
    FUZZ_CHECK(fuzz_hba_attach(io) == VST_OK);
    while (input.left > 0) {
        uint8_t what = fuzz_u8(&input);
        io->fp.n_steps = 0;
        if (what < 0xe0)
            tell_one(io);
        else if (what < 0xf8)
            tell_many(io, what & 0x7f);
        else if (n_resets++ < MAX_RESETS)
            reset(io);
    }
    fuzz_hba_end(io);
    return 0;
}
