/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-scsi: the control queue, for task management and asynchronous notifications.
 * (VIRTIO 1.2, 5.6.6.2)
 *
 * No CPU owns it and the event queue: whoever sets control_busy, which is only tried. A function is
 * its caller's memory, so one that is not answered by its deadline is let go of: its slot stays taken
 * by `nobody` until the answer comes or the device is reset.
 */
#include "drivers/virtio_scsi.h"
#include "drivers/virtq_hot.h"

#define DEFAULT_TIMEOUT_NS 5000000000ull

static const struct vst_scsi_function nobody;

bool vst_virtio_scsi_try_control(struct scsi_device *scsi)
{
    return !__atomic_exchange_n(&scsi->control_busy, true, __ATOMIC_ACQUIRE);
}

void vst_virtio_scsi_leave_control(struct scsi_device *scsi)
{
    __atomic_store_n(&scsi->control_busy, false, __ATOMIC_RELEASE);
}

static uint64_t now_ns(const struct scsi_device *scsi)
{
    return scsi->base.platform->time_ns(scsi->base.platform->ctx);
}

/* ------------------------------------------------------------------ either side queue */

static struct virtq_slot *take(struct scsi_side_queue *side)
{
    struct virtq *vq = &side->vq;
    size_t offset;

    if (vq->in_order) {
        if (side->n_in_order == 0)
            side->n_in_order = vst_virtq_n_in_order(vq);
        if (side->n_in_order == 0)
            return NULL;
        side->n_in_order--;
        return &vq->slots[vst_virtq_oldest(vq)];
    }
    if (!vq->packed && virtq_n_used_split(vq) == 0)
        return NULL;
    struct virtq_reader reader = virtq_read_begin(vq, vq->packed);
    struct virtq_slot *slot = virtq_read_next(&reader, vq->packed, &offset);
    if (slot == NULL) {
        if (offset != VIRTQ_NOTHING)
            vst_virtq_break_by_id(vq, virtq_id_at(offset));
        return NULL;
    }
    vq->n_used++;
    if (vq->packed)
        virtq_place_advance(vq, &vq->used_place,
                            vq->indirect ? 1 : (uint32_t)slot->n_pieces + vq->n_frame);
    return slot;
}

struct virtq_slot *vst_virtio_scsi_take_side(struct scsi_device *scsi, struct scsi_side_queue *side)
{
    if (side->vq.broken)
        return NULL;
    struct virtq_slot *slot = take(side);
    if (side->vq.broken) {
        vst_log(scsi->base.platform, VST_LOG_ERROR, "%s: queue %u: %s", scsi->virtio.name,
                side->vq.index, side->vq.broken_why);
        __atomic_store_n(&scsi->side_broken, true, __ATOMIC_RELAXED);
    }
    return slot;
}

void vst_virtio_scsi_kick_side(struct scsi_side_queue *side)
{
    if (virtq_publish(&side->vq))
        virtq_ring_doorbell(&side->vq);
}

/* ------------------------------------------------------------------ functions */

static const uint8_t code_of[] = {
    [VST_SCSI_ABORT_TASK] = VIRTIO_SCSI_T_TMF_ABORT_TASK,
    [VST_SCSI_ABORT_TASK_SET] = VIRTIO_SCSI_T_TMF_ABORT_TASK_SET,
    [VST_SCSI_CLEAR_ACA] = VIRTIO_SCSI_T_TMF_CLEAR_ACA,
    [VST_SCSI_CLEAR_TASK_SET] = VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET,
    [VST_SCSI_I_T_NEXUS_RESET] = VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET,
    [VST_SCSI_LOGICAL_UNIT_RESET] = VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
    [VST_SCSI_QUERY_TASK] = VIRTIO_SCSI_T_TMF_QUERY_TASK,
    [VST_SCSI_QUERY_TASK_SET] = VIRTIO_SCSI_T_TMF_QUERY_TASK_SET,
};

static bool is_notification(const struct vst_scsi_function *function)
{
    return function->kind >= VST_SCSI_NOTIFICATION_QUERY;
}

/** A tag that a function names must not come to mean another command while it is under way. */
static void keep_tag(struct scsi_device *scsi, uint64_t tag)
{
    uint16_t index = (uint16_t)(tag >> 16), id = (uint16_t)tag;

    if (index >= scsi->base.n_queues || id >= scsi->queues[index].n_slots)
        return;
    struct virtq_slot *slot = &scsi->queues[index].vq.slots[id];
    if (slot->token != NULL && scsi_tag(&scsi->queues[index], id) == tag)
        slot->by_hand |= SCSI_NAMED;
}

static uint32_t word_at(const uint8_t *bytes)
{
    vst_le32 word;

    __builtin_memcpy(&word, bytes, sizeof(word));
    return vst_le32_get(word);
}

static void put_request(struct scsi_control *request, const struct vst_scsi_function *function)
{
    uint32_t end;

    dev_u8_poison(&request->response, UINT8_MAX);
    if (!is_notification(function)) {
        drv_le32_put(&request->type, VIRTIO_SCSI_T_TMF);
        drv_le32_put(&request->what, code_of[function->kind]);
        drv_bytes8_put(&request->function.lun, function->nexus.word);
        drv_le64_put(&request->function.id, function->tag);
        return;
    }
    drv_le32_put(&request->type, function->kind == VST_SCSI_NOTIFICATION_QUERY
                                     ? VIRTIO_SCSI_T_AN_QUERY
                                     : VIRTIO_SCSI_T_AN_SUBSCRIBE);
    drv_le32_put(&request->what, word_at(function->nexus.bytes));
    __builtin_memcpy(&end, function->nexus.bytes + 4, sizeof(end));
    drv_bytes4_put(&request->notes.lun_end, end);
    drv_le32_put(&request->notes.classes, function->classes);
}

static void add_chain(struct virtq *vq, struct virtq_chain *chain,
                      const struct vst_scsi_function *function)
{
    uint64_t bus_addr = virtq_shared_bus_addr(vq, chain->id);
    bool notes = is_notification(function);
    size_t response = offsetof(struct scsi_control, response);
    size_t answer_at = notes ? offsetof(struct scsi_control, actual_classes) : response;

    vst_virtq_chain_add(chain, bus_addr, notes ? SCSI_NOTES_BYTES : SCSI_FUNCTION_BYTES, false);
    vst_virtq_chain_add(chain, bus_addr + answer_at, (uint32_t)(response + 1 - answer_at), true);
}

/** With control_busy set. */
static enum vst_status start(struct scsi_device *scsi, struct vst_scsi_function *function)
{
    struct virtq *vq = &scsi->control.vq;
    struct virtq_chain chain;

    if (virtio_phase_of(&scsi->recovery) == VIRTIO_OUT_OF_SERVICE)
        return VST_ERR_BROKEN;
    if (vq->broken || virtio_phase_of(&scsi->recovery) != VIRTIO_IN_SERVICE ||
        !vst_virtq_chain_begin(&chain, vq, 2))
        return VST_ERR_FULL;
    struct virtq_slot *slot = &vq->slots[chain.id];
    slot->n_pieces = 0;
    put_request(slot->shared, function);
    add_chain(vq, &chain, function);
    function->ended = false;
    function->actual_classes = 0;
    function->deadline_ns =
        now_ns(scsi) + (function->timeout_ns != 0 ? function->timeout_ns : DEFAULT_TIMEOUT_NS);
    __atomic_fetch_add(&scsi->n_functions, 1, __ATOMIC_RELAXED);
    vst_virtq_chain_put(&chain, function);
    vst_virtio_scsi_kick_side(&scsi->control);
    return VST_OK;
}

enum vst_status vst_virtio_scsi_manage(struct vst_scsi_hba *hba, struct vst_scsi_function *function)
{
    struct scsi_device *scsi = scsi_device_of(hba);

    if ((unsigned)function->kind >= VST_SCSI_N_FUNCTIONS)
        return VST_ERR_INVALID;
    if (!vst_virtio_scsi_try_control(scsi))
        return VST_ERR_FULL;
    enum vst_status status = start(scsi, function);
    if (status == VST_OK &&
        (function->kind == VST_SCSI_ABORT_TASK || function->kind == VST_SCSI_QUERY_TASK))
        keep_tag(scsi, function->tag);
    vst_virtio_scsi_leave_control(scsi);
    return status;
}

/* ------------------------------------------------------------------ their ends */

static enum vst_scsi_function_response response_of(uint8_t code)
{
    static const uint8_t responses[] = {
        [VIRTIO_SCSI_S_OK] = VST_SCSI_FUNCTION_COMPLETE,
        [VIRTIO_SCSI_S_OVERRUN] = VST_SCSI_FUNCTION_MALFORMED,
        [VIRTIO_SCSI_S_ABORTED] = VST_SCSI_FUNCTION_FAILURE,
        [VIRTIO_SCSI_S_BAD_TARGET] = VST_SCSI_FUNCTION_BAD_TARGET,
        [VIRTIO_SCSI_S_RESET] = VST_SCSI_FUNCTION_RESET,
        [VIRTIO_SCSI_S_BUSY] = VST_SCSI_FUNCTION_BUSY,
        [VIRTIO_SCSI_S_TRANSPORT_FAILURE] = VST_SCSI_FUNCTION_TRANSPORT_FAILURE,
        [VIRTIO_SCSI_S_TARGET_FAILURE] = VST_SCSI_FUNCTION_TARGET_FAILURE,
        [VIRTIO_SCSI_S_NEXUS_FAILURE] = VST_SCSI_FUNCTION_NEXUS_FAILURE,
        [VIRTIO_SCSI_S_FAILURE] = VST_SCSI_FUNCTION_FAILURE,
        [VIRTIO_SCSI_S_FUNCTION_SUCCEEDED] = VST_SCSI_FUNCTION_SUCCEEDED,
        [VIRTIO_SCSI_S_FUNCTION_REJECTED] = VST_SCSI_FUNCTION_REJECTED,
        [VIRTIO_SCSI_S_INCORRECT_LUN] = VST_SCSI_FUNCTION_INCORRECT_LUN,
    };

    return code < VST_ARRAY_LENGTH(responses) ? (enum vst_scsi_function_response)responses[code]
                                              : VST_SCSI_FUNCTION_MALFORMED;
}

static void end(struct scsi_device *scsi, struct vst_scsi_function *function,
                enum vst_scsi_function_response response)
{
    if (function == &nobody)
        return;
    function->response = response;
    __atomic_fetch_sub(&scsi->n_functions, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&function->ended, true, __ATOMIC_RELEASE);
}

static void take_answers(struct scsi_device *scsi)
{
    struct virtq_slot *slot;

    while ((slot = vst_virtio_scsi_take_side(scsi, &scsi->control)) != NULL) {
        const struct scsi_control *answer = slot->shared;
        struct vst_scsi_function *function = slot->token;
        slot->token = NULL;
        enum vst_scsi_function_response response = response_of(dev_u8_get(&answer->response));
        if (function != &nobody && is_notification(function) &&
            response == VST_SCSI_FUNCTION_COMPLETE)
            function->actual_classes = dev_le32_get(&answer->actual_classes);
        vst_virtq_chain_release(&scsi->control.vq, slot->id);
        end(scsi, function, response);
    }
}

static void end_late(struct scsi_device *scsi)
{
    uint64_t now = now_ns(scsi);

    for (uint16_t id = 0; id < scsi->control.vq.size; id++) {
        struct vst_scsi_function *function = scsi->control.vq.slots[id].token;
        if (function == NULL || function == &nobody || now < function->deadline_ns)
            continue;
        scsi->control.vq.slots[id].token = (void *)(uintptr_t)&nobody;
        end(scsi, function, VST_SCSI_FUNCTION_TIMEOUT);
    }
}

void vst_virtio_scsi_end_functions(struct scsi_device *scsi,
                                   enum vst_scsi_function_response response)
{
    for (uint16_t id = 0; id < scsi->control.vq.size; id++) {
        struct vst_scsi_function *function = scsi->control.vq.slots[id].token;
        scsi->control.vq.slots[id].token = NULL;
        if (function != NULL)
            end(scsi, function, response);
    }
}

void vst_virtio_scsi_look(struct vst_scsi_hba *hba)
{
    struct scsi_device *scsi = scsi_device_of(hba);

    if (!vst_virtio_scsi_try_control(scsi))
        return;
    __atomic_store_n(&hba->attention, false, __ATOMIC_RELAXED);
    if (virtio_phase_of(&scsi->recovery) == VIRTIO_OUT_OF_SERVICE) {
        vst_virtio_scsi_end_functions(scsi, VST_SCSI_FUNCTION_TRANSPORT_FAILURE);
    } else {
        take_answers(scsi);
        vst_virtio_scsi_look_at_events(scsi);
        if (scsi->n_functions != 0)
            end_late(scsi);
    }
    vst_virtio_scsi_leave_control(scsi);
}
