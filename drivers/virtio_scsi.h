/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio SCSI host device's driver: its private structures. (VIRTIO 1.2, 5.6)
 *
 *     virtio_scsi.c           attaching, configuration, detaching
 *     virtio_scsi_io.c        the path of a request; commands; what a poll does
 *     virtio_scsi_command.c   commands and parts made by hand, answers that are not plainly good
 *     virtio_scsi_control.c   task management and notifications
 *     virtio_scsi_events.c    the event queue
 *     virtio_scsi_recovery.c  what is left of requests when the device is reset
 *     virtio_scsi_traced.c    the path of a request with every step recorded
 */
#ifndef VSTOR_DRIVERS_VIRTIO_SCSI_H
#define VSTOR_DRIVERS_VIRTIO_SCSI_H

#include <vstor/scsi.h>
#include "drivers/virtio_irq.h"
#include "drivers/virtio_pieces.h"
#include "drivers/virtio_recovery.h"
#include "drivers/virtq_chain.h"

/**
 * Shared memory of a slot: struct virtio_scsi_req_cmd and virtio_scsi_resp_cmd (5.6.6.1); sense data
 * follow, then the indirect table.
 */
struct scsi_header {
    drv_bytes8 lun;
    drv_le64 id; /**< the tag */
    drv_u8 attribute, priority, crn;
    union {
        drv_bytes8 cdb[VIRTIO_SCSI_CDB_BYTES / 8];
        struct {
            drv_bytes4 out_bytes, in_bytes;
            drv_bytes8 cdb[VIRTIO_SCSI_CDB_BYTES / 8];
        } pi; /**< T10_PI negotiated */
    };
    uint8_t padding[9];
    dev_le32 sense_bytes;
    /** residual, status_qualifier, status, response: 0 is a command that went plainly well. */
    dev_le64 answer;
    dev_u8 sense[];
};
#define SCSI_REQUEST_BYTES    19u /* before the CDB */
#define SCSI_REQUEST_PI_BYTES 27u
#define SCSI_RESPONSE_BYTES   12u /* before the sense data */
_Static_assert(offsetof(struct scsi_header, cdb) == SCSI_REQUEST_BYTES, "5.6.6.1");
_Static_assert(offsetof(struct scsi_header, pi.cdb) == SCSI_REQUEST_PI_BYTES, "5.6.6.1");
_Static_assert(offsetof(struct scsi_header, sense) ==
                   offsetof(struct scsi_header, sense_bytes) + SCSI_RESPONSE_BYTES,
               "5.6.6.1");
_Static_assert(offsetof(struct scsi_header, answer) % 8 == 0, "read at once");

/** Not an answer that a device may give: what still holds it has not been answered. */
#define SCSI_ANSWER_POISON UINT64_MAX

/*
 * struct virtq_slot.by_hand, beside VIRTQ_BY_HAND: what else keeps an answer from being taken
 * without a look. All are beyond what an answer could cancel out: they are tested apart from it.
 */
#define SCSI_LATE  0x200u /* told as late already */
#define SCSI_NAMED 0x400u /* a function names its tag, which must not be used again */

/** What is known of the command in a slot beside struct virtq_slot; cold. */
struct scsi_slot {
    uint32_t generation; /**< upper half of its tag */
    uint32_t bytes;      /**< by hand: of its data */
};

struct scsi_queue {
    struct vst_scsi_hba_queue base;
    struct virtq vq;
    struct scsi_device *scsi;
    bool maps;                       /**< the platform maps buffers: dma_map is not NULL */
    struct virtio_mapping *mappings; /**< max_segments for each slot; NULL unless maps */
    struct scsi_slot *slots;         /**< one for each of the ring's */
    uint16_t n_slots;
    uint32_t n_tags;     /**< the last generation given */
    uint32_t n_in_order; /**< IN_ORDER: chains given back that poll has not taken yet */
    struct virtio_run run;
    /* the watch: see scsi_watch */
    uint16_t epoch;
    uint32_t n_used_at_watch;
    bool unanswered_at_watch;
    uint8_t n_polls;
    uint64_t watch_ns;
    struct vst_scsi_outcome outcome; /**< of what is being taken back */
};

/** A virtqueue that no CPU owns: who sets scsi_device.control_busy. */
struct scsi_side_queue {
    struct virtq vq;
    uint16_t vector;
    uint32_t n_in_order; /**< IN_ORDER: chains given back that nobody has taken yet */
};

/** 5.6.6.2: shared memory of a slot of the control queue. */
struct scsi_control {
    drv_le32 type, what; /**< what: the function, or with notifications the first half of lun */
    union {
        struct {
            drv_bytes8 lun;
            drv_le64 id;
        } function;
        struct {
            drv_bytes4 lun_end;
            drv_le32 classes;
        } notes;
    };
    uint8_t padding[8];
    /** A function has the response alone. */
    dev_le32 actual_classes;
    dev_u8 response;
    uint8_t padding_behind[11];
};
_Static_assert(sizeof(struct scsi_control) % 16 == 0, "the table is aligned to 16 bytes");
#define SCSI_FUNCTION_BYTES 24u
#define SCSI_NOTES_BYTES    16u

/** 5.6.6.3: shared memory of a slot of the event queue. */
struct scsi_event_buffer {
    dev_le32 event;
    dev_u8 lun[8];
    dev_le32 reason;
};
_Static_assert(sizeof(struct scsi_event_buffer) == 16, "5.6.6.3");

#define SCSI_CONTROL_SLOTS 16u
#define SCSI_EVENT_BUFFERS 64u
#define SCSI_EVENTS_KEPT   64u /* that nobody has fetched; a power of two */

/** What the configuration says, as it is. */
struct scsi_config_read {
    uint32_t num_queues, seg_max, max_sectors, cmd_per_lun, event_bytes;
    uint32_t sense_size, cdb_size;
    uint16_t max_channel, max_target;
    uint32_t max_lun;
};

#define SCSI_MAX_FEATURE_NAMES 16

struct scsi_device {
    struct vst_scsi_hba base;
    union {
        struct virtio_device virtio; /**< the same as pci.base */
        struct virtio_pci_device pci;
        union virtio_any_device any;
    };
    struct vst_virtio_scsi_config config; /**< defaults filled in */
    uint64_t watch_interval_ns;           /**< a quarter of the time-out, at most a second */
    uint16_t timeout_epochs;
    bool by_hand;                           /**< no slot is ever prepared as scsi_submit wants it */
    bool prepares_mapped;                   /**< but for requests of one segment, to be mapped */
    uint16_t request_bytes, response_bytes; /**< with CDB and sense data, as agreed */
    uint16_t cdb_at;                        /**< offset of the CDB in a header */
    struct virtio_recovery recovery;
    struct virtio_irq irq;
    /* control and events: who holds this lock, which is only tried */
    bool control_busy;
    bool side_broken;     /**< one of these queues lies: the device is to be reset; atomic */
    uint32_t n_functions; /**< started and not ended; atomic */
    struct scsi_side_queue control, event;
    uint16_t event_buffer_bytes;
    struct vst_scsi_event events[SCSI_EVENTS_KEPT];
    uint32_t n_events_put, n_events_taken; /**< atomic */
    bool events_missed;                    /**< atomic */
    uint16_t n_queues_created;
    size_t bytes; /**< of this structure with what follows */
    const char *feature_names[SCSI_MAX_FEATURE_NAMES];
    struct vst_scsi_hba_queue **queue_list; /**< behind the queues */
    struct scsi_queue queues[];             /**< config.n_queues */
};

/** The second records every request (virtio_scsi_traced.c). */
extern const struct vst_scsi_hba_ops vst_virtio_scsi_ops, vst_virtio_scsi_mapping_ops,
    vst_virtio_scsi_traced_ops;
extern const struct virtio_recovery_ops vst_virtio_scsi_recovery_ops;

/* virtio_scsi.c */
/** Stops the device for good: reset, or cut off from memory if it does not confirm that or is gone. */
void vst_virtio_scsi_stop(struct scsi_device *scsi);
/** Writes and reads back what the driver chooses of the configuration. Errors: VST_ERR_MALFORMED. */
enum vst_status vst_virtio_scsi_choose_sizes(struct scsi_device *scsi,
                                             struct scsi_config_read *read) VST_MUST_USE;
/** For vst_virtio_config_snapshot: fills a struct scsi_config_read. */
void vst_virtio_scsi_read_fields(struct virtio_device *device, void *into);

/* virtio_scsi_command.c */
/** What does not go by a prepared slot: see vst_scsi_hba_ops. */
enum vst_status vst_virtio_scsi_submit_part(struct vst_scsi_block_queue *owner,
                                            struct vst_block_request *request,
                                            const struct vst_block_part *part,
                                            struct vst_scsi_cdb cdb) VST_MUST_USE;
enum vst_status
vst_virtio_scsi_submit_long(struct vst_scsi_block_queue *owner, struct vst_block_request *request,
                            const struct vst_block_part *part,
                            const uint8_t cdb[VST_SCSI_LONG_CDB_BYTES]) VST_MUST_USE;
enum vst_status vst_virtio_scsi_submit(struct vst_scsi_hba_queue *queue,
                                       struct vst_scsi_command *command) VST_MUST_USE;
/**
 * Takes a command back whose answer is not plainly good, or that was made by hand: frees its slot,
 * whose token and place in the ring are the caller's, and tells whom it belongs to. `answer` is the
 * word that was read, or SCSI_ANSWER_*. A block request that is done with lies in its queue's list.
 */
void vst_virtio_scsi_take_back(struct scsi_queue *q, struct virtq_slot *slot, void *token,
                               uint64_t answer);
/** The same for one that was not answered and never will be. The slot is left alone. */
void vst_virtio_scsi_end_unanswered(struct scsi_queue *q, struct virtq_slot *slot, void *token,
                                    enum vst_scsi_response response);
/** Tells of commands that are late; true if somebody wants the adapter reset for it. */
bool vst_virtio_scsi_tell_late(struct scsi_queue *q);
/** See vst_scsi_hba_ops.next_late. */
bool vst_virtio_scsi_next_late(struct vst_scsi_hba_queue *queue, struct vst_scsi_nexus nexus,
                               uint64_t *tag);
/** A new tag for a slot. */
uint64_t vst_virtio_scsi_new_tag(struct scsi_queue *q, uint16_t id);

/* virtio_scsi_traced.c */
/** Of whoever's requests: something rare. */
void vst_virtio_scsi_trace(struct scsi_queue *q, uint8_t kind);
/** Unless the unit is not traced. */
void vst_virtio_scsi_trace_submit(struct scsi_queue *q, uint16_t id,
                                  const struct vst_scsi_block_queue *owner, enum vst_block_op op,
                                  uint64_t start_sector, uint64_t n_sectors);
void vst_virtio_scsi_trace_end(struct scsi_queue *q, uint16_t id,
                               const struct vst_scsi_block_queue *owner, uint64_t start_sector,
                               uint8_t status);

/* virtio_scsi_control.c */
enum vst_status vst_virtio_scsi_manage(struct vst_scsi_hba *hba,
                                       struct vst_scsi_function *function) VST_MUST_USE;
/** Functions and events, unless somebody else is at it. */
void vst_virtio_scsi_look(struct vst_scsi_hba *hba);
bool vst_virtio_scsi_try_control(struct scsi_device *scsi);
void vst_virtio_scsi_leave_control(struct scsi_device *scsi);
/** With control_busy set: all functions have ended so. */
void vst_virtio_scsi_end_functions(struct scsi_device *scsi,
                                   enum vst_scsi_function_response response);
/** With control_busy set: what the device gives back next, whose token is left in place; NULL. */
struct virtq_slot *vst_virtio_scsi_take_side(struct scsi_device *scsi,
                                             struct scsi_side_queue *side);
/** Shows the device what was put. */
void vst_virtio_scsi_kick_side(struct scsi_side_queue *side);

/* virtio_scsi_events.c; the first two with control_busy set, or before anybody else knows of it */
/** Gives the device all buffers; for a queue that is new. */
void vst_virtio_scsi_offer_event_buffers(struct scsi_device *scsi);
void vst_virtio_scsi_look_at_events(struct scsi_device *scsi);
bool vst_virtio_scsi_next_event(struct vst_scsi_hba *hba, struct vst_scsi_event *event);
/** Whatever was told may have been lost. */
void vst_virtio_scsi_miss_events(struct scsi_device *scsi);

static inline struct scsi_device *scsi_device_of(struct vst_scsi_hba *hba)
{
    return VST_CONTAINER_OF(hba, struct scsi_device, base);
}

static inline struct scsi_queue *scsi_queue_of(struct vst_scsi_hba_queue *queue)
{
    return VST_CONTAINER_OF(queue, struct scsi_queue, base);
}

static inline uint64_t scsi_tag(const struct scsi_queue *q, uint16_t id)
{
    return (uint64_t)q->slots[id].generation << 32 | (uint32_t)q->base.index << 16 | id;
}

/** Where the pieces of a slot's command are noted that the platform has mapped. */
static inline struct virtio_mapping *scsi_mappings_of(const struct scsi_queue *q, uint16_t id)
{
    return q->mappings + (size_t)id * q->scsi->base.limits.max_segments;
}

#endif
