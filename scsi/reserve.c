/* SPDX-License-Identifier: BSD-2-Clause */
/* Persistent reservations: asked and ordered. (SPC-4, 6.15, 6.16) */
#include <vstor/log.h>

#include "scsi/cdb.h"
#include "scsi/reservations.h"
#include "scsi/run.h"
#include "scsi/units.h"

#define MOST_TRIES 16u /* unit attentions may stand before the answer, one for each that happened */
#define ASK_BYTES  8192u
#define TIMEOUT_NS 10000000000ull

/** Runs it, and again while the unit has something else to tell first. */
static enum vst_status run(struct vst_scsi_unit *unit, struct vst_scsi_command *command,
                           struct vst_scsi_cdb cdb, struct vst_scsi_verdict *verdict)
{
    unsigned n = 0;

    command->cdb_bytes = vst_scsi_cdb_bytes(cdb.bytes[0]);
    command->timeout_ns = TIMEOUT_NS;
    __builtin_memcpy(command->cdb, cdb.bytes, sizeof(cdb.bytes));
    do {
        enum vst_status status = vst_scsi_unit_run(unit, command, verdict);
        if (status != VST_OK)
            return status;
    } while (verdict->again && verdict->sense.key == VST_SCSI_UNIT_ATTENTION && ++n < MOST_TRIES);
    return verdict->status;
}

/** What comes is in talk->bytes, copied out once. */
static enum vst_status ask(struct scsi_talk *talk, struct vst_scsi_unit *unit,
                           enum scsi_reserve_in what, struct scsi_view *view,
                           struct vst_scsi_verdict *verdict)
{
    const struct vst_block_segment place = {talk->shared, ASK_BYTES};
    struct vst_scsi_command command = {.in = &place, .n_in = 1};
    enum vst_status status = run(unit, &command, vst_scsi_reserve_in(what, ASK_BYTES), verdict);
    size_t n = status == VST_OK ? ASK_BYTES - command.outcome.residual_bytes : 0;

    *view = scsi_copy_out(talk->bytes, talk->shared, n);
    return status;
}

static enum vst_status no_memory(struct vst_scsi_verdict *verdict)
{
    *verdict = (struct vst_scsi_verdict){.status = VST_ERR_NO_MEMORY};
    vst_format(verdict->text, sizeof(verdict->text), "%s", vst_status_text(VST_ERR_NO_MEMORY));
    return VST_ERR_NO_MEMORY;
}

/** The end of a question, which the unit may have answered with what makes no sense. */
static enum vst_status end(struct scsi_talk *talk, struct vst_scsi_verdict *verdict,
                           enum vst_status status)
{
    vst_scsi_talk_close(talk);
    verdict->status = status;
    if (status != VST_OK && verdict->text[0] == '\0')
        vst_format(verdict->text, sizeof(verdict->text), "%s", vst_status_text(status));
    return status;
}

enum vst_status vst_scsi_reserve_holder(struct vst_scsi_unit *unit,
                                        struct vst_scsi_reservation *reservation,
                                        struct vst_scsi_verdict *verdict)
{
    struct scsi_talk *talk = vst_scsi_talk_open(unit->hba);
    struct scsi_view view;

    if (talk == NULL)
        return no_memory(verdict);
    enum vst_status status = ask(talk, unit, SCSI_READ_RESERVATION, &view, verdict);
    if (status == VST_OK)
        status = vst_scsi_reservation_parse(view, reservation);
    return end(talk, verdict, status);
}

enum vst_status vst_scsi_reserve_keys(struct vst_scsi_unit *unit, uint64_t *keys, size_t max,
                                      size_t *n, uint32_t *generation,
                                      struct vst_scsi_verdict *verdict)
{
    struct scsi_talk *talk = vst_scsi_talk_open(unit->hba);
    struct scsi_keys found = {0};
    struct scsi_view view;

    if (talk == NULL)
        return no_memory(verdict);
    enum vst_status status = ask(talk, unit, SCSI_READ_KEYS, &view, verdict);
    if (status == VST_OK)
        status = vst_scsi_keys_parse(view, &found);
    *n = status == VST_OK ? (found.whole_bytes - 8u) / 8 : 0;
    *generation = found.generation;
    for (uint32_t i = 0; i < found.n_keys && i < max; i++)
        keys[i] = vst_scsi_key(&found, i);
    return end(talk, verdict, status);
}

enum vst_status
vst_scsi_reserve_capabilities(struct vst_scsi_unit *unit,
                              struct vst_scsi_reservation_capabilities *capabilities,
                              struct vst_scsi_verdict *verdict)
{
    struct scsi_talk *talk = vst_scsi_talk_open(unit->hba);
    struct scsi_view view;

    if (talk == NULL)
        return no_memory(verdict);
    enum vst_status status = ask(talk, unit, SCSI_REPORT_CAPABILITIES, &view, verdict);
    if (status == VST_OK)
        status = vst_scsi_reservation_capabilities_parse(view, capabilities);
    return end(talk, verdict, status);
}

enum vst_status vst_scsi_reserve_full_status(struct vst_scsi_unit *unit,
                                             struct vst_scsi_registration *registrations,
                                             size_t max, size_t *n,
                                             struct vst_scsi_verdict *verdict)
{
    struct scsi_talk *talk = vst_scsi_talk_open(unit->hba);
    struct scsi_full_status full = {0};
    struct scsi_registration found;
    struct scsi_view view;
    size_t at = 0;

    *n = 0;
    if (talk == NULL)
        return no_memory(verdict);
    enum vst_status status = ask(talk, unit, SCSI_READ_FULL_STATUS, &view, verdict);
    if (status == VST_OK)
        status = vst_scsi_full_status_parse(view, &full);
    for (; vst_scsi_next_registration(&full, &at, &found); ++*n) {
        if (*n >= max)
            continue;
        registrations[*n] = (struct vst_scsi_registration){.key = found.key,
                                                           .holds = found.holds,
                                                           .all_ports = found.all_ports,
                                                           .type = found.type,
                                                           .port = found.port};
        vst_scsi_transport_text(found.transport_id, registrations[*n].who,
                                sizeof(registrations[*n].who));
    }
    return end(talk, verdict, status);
}

enum vst_status vst_scsi_reserve(struct vst_scsi_unit *unit,
                                 const struct vst_scsi_reserve_order *order,
                                 struct vst_scsi_verdict *verdict)
{
    struct scsi_talk *talk = vst_scsi_talk_open(unit->hba);
    uint8_t flags = (uint8_t)((order->keep ? SCSI_RESERVE_APTPL : 0) |
                              (order->all_ports ? SCSI_RESERVE_ALL_PORTS : 0));

    if (talk == NULL)
        return no_memory(verdict);
    const struct vst_block_segment place = {talk->shared, SCSI_RESERVE_LIST_BYTES};
    struct vst_scsi_command command = {.out = &place, .n_out = 1};
    vst_scsi_reserve_list(talk->shared, order->key, order->service_key, flags);
    return end(talk, verdict,
               run(unit, &command, vst_scsi_reserve_out(order->action, order->type), verdict));
}
