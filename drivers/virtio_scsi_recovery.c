/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-scsi: its part of recovery (virtio_recovery.h). What was in flight when the device was reset
 * is not given to it again here: it ends, and the SCSI layer decides.
 */
#include "drivers/virtio_scsi.h"
#include "drivers/virtq_hot.h"
#include <vstor/trace.h>

static struct scsi_device *scsi_of(struct virtio_recovery *device)
{
    return VST_CONTAINER_OF(device, struct scsi_device, recovery);
}

static struct scsi_queue *queue_of(struct virtio_run *run)
{
    return VST_CONTAINER_OF(run, struct scsi_queue, run);
}

static const char *name_of(struct virtio_recovery *device)
{
    return scsi_of(device)->virtio.name;
}

static struct virtio_run *run_of(struct virtio_recovery *device, uint16_t i)
{
    return &scsi_of(device)->queues[i].run;
}

static bool any_waiting(struct virtio_run *run)
{
    (void)run;
    return false;
}

static void dump(const struct scsi_queue *q)
{
    const struct virtq *vq = &q->vq;

    vst_log(q->scsi->base.platform, VST_LOG_WARNING,
            "%s queue %u: %s, %u descriptors; %u put, %u shown, %u taken back",
            q->scsi->virtio.name, q->base.index, vq->packed ? "packed" : "split", vq->size,
            vq->n_put, vq->n_published, vq->n_used);
}

static void note(struct virtio_run *run, enum virtio_recovery_note what)
{
    struct scsi_queue *q = queue_of(run);

    if (what == VIRTIO_NOTE_FAULT) {
        vst_virtio_scsi_trace(q,
                              run->fault == VST_ERR_TIMEOUT ? VST_TRACE_TIMEOUT : VST_TRACE_BROKEN);
        dump(q);
    }
    if (what == VIRTIO_NOTE_CAUGHT_UP)
        vst_virtio_scsi_trace(q, VST_TRACE_RESET);
    q->base.stats.device_resets += what == VIRTIO_NOTE_DEVICE_RESET;
}

/**
 * Who is told may want to submit at once, but the ring is not what its private side says: there is
 * no room until that has been forgotten.
 */
static void end_all_in_flight(struct scsi_queue *q, enum vst_scsi_response response)
{
    q->vq.n_free = q->vq.n_ring_free = 0;
    q->vq.broken = true;
    for (uint32_t id = 0; id < q->vq.size; id++) {
        struct virtq_slot *slot = &q->vq.slots[id];
        void *token = slot->token;
        slot->token = NULL;
        if (token != NULL)
            vst_virtio_scsi_end_unanswered(
                q, slot, token,
                (slot->by_hand & SCSI_LATE) != 0 ? VST_SCSI_RESPONSE_TIMEOUT : response);
    }
    q->n_in_order = 0;
}

static unsigned start_over(struct virtio_run *run, enum vst_status fault)
{
    struct scsi_queue *q = queue_of(run);

    (void)fault;
    end_all_in_flight(q, VST_SCSI_RESPONSE_RESET);
    vst_virtq_forget(&q->vq);
    q->n_used_at_watch = 0;
    q->unanswered_at_watch = false;
    run->fault = VST_ERR_BROKEN;
    run->fault_of_device = false;
    vst_virtio_scsi_trace(q, VST_TRACE_RESTART);
    return 0;
}

static void end_all(struct virtio_run *run)
{
    end_all_in_flight(queue_of(run), VST_SCSI_RESPONSE_TRANSPORT_FAILURE);
}

static void give_up(struct virtio_recovery *device, const char *why, bool gone)
{
    struct scsi_device *scsi = scsi_of(device);

    scsi->base.broken_why = why;
    __atomic_store_n(&scsi->base.gone, gone, __ATOMIC_RELEASE);
    __atomic_store_n(&scsi->base.broken, true, __ATOMIC_RELEASE);
    vst_virtio_scsi_stop(scsi);
}

static bool is_gone(struct virtio_recovery *device)
{
    return vst_virtio_irq_is_gone(&scsi_of(device)->irq);
}

/** Its units are the SCSI layer's: they find the adapter gone. */
static void left(struct virtio_recovery *device, bool known)
{
    struct scsi_device *scsi = scsi_of(device);

    if (vst_virtio_irq_is_gone(&scsi->irq))
        scsi->base.keeps_memory = false; /* the bus says that it is gone, and so does its owner */
    else if (!known)
        vst_virtio_irq_close(&scsi->irq);
    __atomic_store_n(&scsi->base.gone, true, __ATOMIC_RELEASE);
}

void vst_virtio_scsi_unplug(struct vst_scsi_hba *hba)
{
    /* So that the caller's own queue has nothing to ring for once the device is stopped. */
    hba->ops->kick_commands(hba->queues[0]);
    vst_virtio_unplug(&scsi_device_of(hba)->recovery);
}

/* ------------------------------------------------------------------ the whole device (3.1.1) */

static bool enter(struct virtio_recovery *device)
{
    return vst_virtio_scsi_try_control(scsi_of(device));
}

static void leave(struct virtio_recovery *device)
{
    vst_virtio_scsi_leave_control(scsi_of(device));
}

/** All that was prepared, and all that the layer above has cut to fit, counts on these. */
static bool config_is_the_same(struct scsi_device *scsi)
{
    const struct vst_scsi_hba_limits *limits = &scsi->base.limits;
    struct scsi_config_read read;

    if (vst_virtio_config_snapshot(&scsi->virtio, vst_virtio_scsi_read_fields, &read) != VST_OK ||
        vst_virtio_scsi_choose_sizes(scsi, &read) != VST_OK)
        return false;
    return scsi->request_bytes == scsi->cdb_at + read.cdb_size &&
           scsi->response_bytes == SCSI_RESPONSE_BYTES + read.sense_size &&
           (read.seg_max >= limits->max_segments || limits->max_segments == 1) &&
           (read.max_sectors >= limits->max_sectors || read.max_sectors == 0) &&
           read.num_queues >= scsi->base.n_queues;
}

static bool restart_side(struct scsi_device *scsi, struct scsi_side_queue *side)
{
    return vst_virtio_restart_ring(&side->vq, &scsi->virtio, side->vector);
}

static const char *restart(struct virtio_recovery *device)
{
    struct scsi_device *scsi = scsi_of(device);

    if (!config_is_the_same(scsi))
        return "after a reset its configuration is another";
    vst_virtio_irq_again(&scsi->irq);
    scsi->base.change_message = scsi->irq.config_vector;
    if (scsi->irq.mode == VST_IRQ_INTX)
        (void)scsi->base.ops->interrupted(&scsi->base);
    if (!restart_side(scsi, &scsi->control) || !restart_side(scsi, &scsi->event))
        return "after a reset it refuses a queue";
    vst_virtio_scsi_end_functions(scsi, VST_SCSI_FUNCTION_RESET);
    vst_virtq_forget(&scsi->control.vq);
    vst_virtq_forget(&scsi->event.vq);
    scsi->control.n_in_order = scsi->event.n_in_order = 0;
    __atomic_store_n(&scsi->side_broken, false, __ATOMIC_RELAXED);
    return NULL;
}

static void restarted(struct virtio_recovery *device)
{
    struct scsi_device *scsi = scsi_of(device);

    vst_virtio_scsi_offer_event_buffers(scsi);
    vst_virtio_scsi_miss_events(scsi); /* the device has forgotten what it had to tell */
}

const struct virtio_recovery_ops vst_virtio_scsi_recovery_ops = {
    .name = name_of,
    .run = run_of,
    .any_waiting = any_waiting,
    .start_over = start_over,
    .end_all = end_all,
    .enter = enter,
    .leave = leave,
    .restart = restart,
    .restarted = restarted,
    .give_up = give_up,
    .is_gone = is_gone,
    .left = left,
    .note = note,
};
