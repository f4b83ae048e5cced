/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-scsi: the event queue. Every buffer goes back to the device as soon as it has been read;
 * what was read is kept until somebody fetches it. Whatever is not understood, or finds no room,
 * becomes "something was missed". (VIRTIO 1.2, 5.6.6.3)
 */
#include "drivers/virtio_scsi.h"
#include "drivers/virtq_hot.h"

void vst_virtio_scsi_miss_events(struct scsi_device *scsi)
{
    __atomic_store_n(&scsi->events_missed, true, __ATOMIC_RELEASE);
}

/* ------------------------------------------------------------------ buffers */

/** False: all of them are with the device. */
static bool offer(struct scsi_device *scsi)
{
    struct virtq *vq = &scsi->event.vq;
    struct virtq_chain chain;

    if (!vst_virtq_chain_begin(&chain, vq, 1))
        return false;
    vq->slots[chain.id].n_pieces = 0;
    __builtin_memset(vq->slots[chain.id].shared, 0, sizeof(struct scsi_event_buffer));
    vst_virtq_chain_add(&chain, virtq_shared_bus_addr(vq, chain.id), scsi->event_buffer_bytes,
                        true);
    vst_virtq_chain_put(&chain, vq->slots[chain.id].shared);
    return true;
}

void vst_virtio_scsi_offer_event_buffers(struct scsi_device *scsi)
{
    while (offer(scsi))
        ;
    vst_virtio_scsi_kick_side(&scsi->event);
}

/* ------------------------------------------------------------------ what they bring */

/** An event as the device wrote it, each byte read once. */
struct raw_event {
    uint32_t event, reason;
    uint8_t lun[VST_SCSI_LUN_BYTES];
};

/** False: what it means is not known, or there is no such unit. */
static bool parse(const struct scsi_device *scsi, const struct raw_event *raw,
                  struct vst_scsi_event *event)
{
    static const uint8_t resets[] = {
        [VIRTIO_SCSI_EVT_RESET_HARD] = VST_SCSI_EVENT_UNIT_RESET,
        [VIRTIO_SCSI_EVT_RESET_RESCAN] = VST_SCSI_EVENT_UNIT_FOUND,
        [VIRTIO_SCSI_EVT_RESET_REMOVED] = VST_SCSI_EVENT_UNIT_GONE,
    };

    *event = (struct vst_scsi_event){0};
    if (vst_scsi_nexus_decode(raw->lun, &event->target, &event->lun) != VST_OK ||
        event->target > scsi->base.limits.max_target)
        return false;
    switch (raw->event & ~VIRTIO_SCSI_T_EVENTS_MISSED) {
    case VIRTIO_SCSI_T_TRANSPORT_RESET:
        if (raw->reason >= VST_ARRAY_LENGTH(resets))
            return false;
        event->kind = (enum vst_scsi_event_kind)resets[raw->reason];
        return true;
    case VIRTIO_SCSI_T_ASYNC_NOTIFY:
        event->kind = VST_SCSI_EVENT_NOTIFIED;
        event->classes = raw->reason;
        return true;
    case VIRTIO_SCSI_T_PARAM_CHANGE:
        event->kind = VST_SCSI_EVENT_PARAMETERS;
        event->asc = (uint8_t)raw->reason;
        event->ascq = (uint8_t)(raw->reason >> 8);
        return true;
    default:
        return false;
    }
}

/** One CPU writes at a time, one reads. */
static void keep(struct scsi_device *scsi, const struct vst_scsi_event *event)
{
    uint32_t n = scsi->n_events_put;

    if (n - __atomic_load_n(&scsi->n_events_taken, __ATOMIC_ACQUIRE) == SCSI_EVENTS_KEPT) {
        vst_virtio_scsi_miss_events(scsi);
        return;
    }
    scsi->events[n % SCSI_EVENTS_KEPT] = *event;
    __atomic_store_n(&scsi->n_events_put, n + 1, __ATOMIC_RELEASE);
}

static void take(struct scsi_device *scsi, const struct scsi_event_buffer *buffer)
{
    struct raw_event raw = {dev_le32_get(&buffer->event), dev_le32_get(&buffer->reason), {0}};
    struct vst_scsi_event event;

    for (size_t i = 0; i < sizeof(raw.lun); i++)
        raw.lun[i] = dev_u8_get(&buffer->lun[i]);
    if ((raw.event & VIRTIO_SCSI_T_EVENTS_MISSED) != 0)
        vst_virtio_scsi_miss_events(scsi);
    if ((raw.event & ~VIRTIO_SCSI_T_EVENTS_MISSED) == VIRTIO_SCSI_T_NO_EVENT)
        return;
    if (parse(scsi, &raw, &event)) {
        keep(scsi, &event);
        return;
    }
    vst_log(scsi->base.platform, VST_LOG_WARNING, "%s: event %lx, reason %lx makes no sense",
            scsi->virtio.name, (unsigned long)raw.event, (unsigned long)raw.reason);
    vst_virtio_scsi_miss_events(scsi);
}

/** At most as many as there are buffers: a device can't keep us here. */
void vst_virtio_scsi_look_at_events(struct scsi_device *scsi)
{
    struct virtq_slot *slot;

    for (unsigned n = 0; n < SCSI_EVENT_BUFFERS; n++) {
        slot = vst_virtio_scsi_take_side(scsi, &scsi->event);
        if (slot == NULL)
            break;
        slot->token = NULL;
        take(scsi, slot->shared);
        vst_virtq_chain_release(&scsi->event.vq, slot->id);
        (void)offer(scsi);
    }
    vst_virtio_scsi_kick_side(&scsi->event);
}

bool vst_virtio_scsi_next_event(struct vst_scsi_hba *hba, struct vst_scsi_event *event)
{
    struct scsi_device *scsi = scsi_device_of(hba);
    uint32_t n = scsi->n_events_taken;

    if (__atomic_exchange_n(&scsi->events_missed, false, __ATOMIC_ACQUIRE)) {
        *event = (struct vst_scsi_event){.kind = VST_SCSI_EVENTS_MISSED};
        return true;
    }
    if (n == __atomic_load_n(&scsi->n_events_put, __ATOMIC_ACQUIRE))
        return false;
    *event = scsi->events[n % SCSI_EVENTS_KEPT];
    __atomic_store_n(&scsi->n_events_taken, n + 1, __ATOMIC_RELEASE);
    return true;
}
