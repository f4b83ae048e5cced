/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/scsi.h: where host adapters and the SCSI layer meet. An adapter moves CDBs, data, sense data
 * and task management functions; what they mean, and what is to be done about them, is the layer's.
 * (SAM-5, SPC-4; VIRTIO 1.2, 5.6)
 *
 * Three ways through an adapter:
 *
 *     a block request   struct vst_scsi_block_queue: a unit's blocks on one of the adapter's queues.
 *                       Its CDB travels in registers; what ends well is returned by poll and the
 *                       layer hears nothing of it; anything else goes up through `upcalls`
 *     a command         struct vst_scsi_command: any CDB, data both ways; `done` is called
 *     a function        struct vst_scsi_function: task management and asynchronous notifications,
 *                       on a queue of their own; `ended` is looked at
 *
 * The queues of an adapter belong to one CPU each, and all units share them: queue i of every unit is
 * queue i of the adapter. Polling one unit's queue takes back what has ended for others as well; it
 * waits for them in their queues (same CPU, no lock). Nothing here blocks, but for a poll that
 * resets a failed adapter (vstor/block.h, "When a device fails").
 */
#ifndef VSTOR_SCSI_H
#define VSTOR_SCSI_H

#include <vstor/block.h>
#include <vstor/scsi_types.h>

VST_BEGIN_C

struct vst_scsi_hba;
struct vst_scsi_hba_ops;

/** A logical unit at a target, as adapters are told of it: vst_scsi_nexus_encode. */
struct vst_scsi_nexus {
    union {
        uint8_t bytes[VST_SCSI_LUN_BYTES];
        uint64_t word; /**< the same in memory order */
    };
};

/** How a command is ordered among the others of its unit. (SAM-5, 8.6) */
enum vst_scsi_attribute {
    VST_SCSI_SIMPLE,
    VST_SCSI_ORDERED,
    VST_SCSI_HEAD_OF_QUEUE,
    VST_SCSI_ACA,
    VST_SCSI_N_ATTRIBUTES
};

/** How a command ended, checked. Private memory: no device can change it. */
struct vst_scsi_outcome {
    enum vst_scsi_response response;
    uint8_t
        status; /**< enum vst_scsi_status, or what the target made of it; 0 unless response is OK */
    uint16_t status_qualifier; /**< (SAM-5, 5.3.2) */
    uint32_t residual_bytes;   /**< of the data, both ways: not transferred; at most all of them */
    uint16_t sense_bytes;      /**< received; at most what the adapter has room for */
    uint8_t sense[VST_SCSI_SENSE_BYTES];
};

/** One queue of an adapter; a driver's queue begins with it. */
struct vst_scsi_hba_queue {
    struct vst_scsi_hba *hba;
    uint16_t index;
    uint16_t message; /**< MSI-X: which of the caller's messages tells of this queue; else 0 */
    /** Of what goes by commands; what goes by block requests stands in those queues' own. */
    struct vst_block_stats stats;
    struct vst_block_queue *armed; /**< asked for an interrupt last: whom to count one for */
    struct vst_trace *trace;       /**< the ring's last events, all units'; NULL: none are kept */
};

/* ------------------------------------------------------------------ block requests */

struct vst_scsi_block_queue;

/** Where in a request the command was that ended. */
struct vst_scsi_share {
    bool is_part;  /**< of a split request, else all of it */
    bool was_late; /**< it had been told of as late */
    uint64_t start_sector;
    uint32_t bytes; /**< of data */
};

/** What an adapter tells the layer of block requests. On the queue's CPU, from poll. */
struct vst_scsi_block_upcalls {
    /**
     * A command of the request has not ended plainly well (response OK, status GOOD, nothing
     * residual), or had been late, or was on ranges. The layer has the request back and ends it
     * (vst_block_finish), or, for a part,
     * says so (vst_block_part_done, vst_block_part_dropped), or keeps it to give it again. It may
     * submit; the adapter kicks. `outcome` is valid during the call.
     */
    void (*ended)(struct vst_scsi_block_queue *queue, struct vst_block_request *request,
                  const struct vst_scsi_share *share, const struct vst_scsi_outcome *outcome);
    /**
     * The request, or one of its parts, is not answered in time. Told once for each command. It
     * stays the adapter's; `tag` names it for VST_SCSI_ABORT_TASK. False: nobody does anything about
     * it, and the adapter resets itself, after which it ends with VST_SCSI_RESPONSE_TIMEOUT.
     */
    bool (*late)(struct vst_scsi_block_queue *queue, struct vst_block_request *request,
                 uint64_t tag);
};

/** A unit's blocks on one queue of its adapter. The layer's queue begins with it and fills it. */
struct vst_scsi_block_queue {
    struct vst_block_queue base;
    struct vst_scsi_hba_queue *hba_queue;
    const struct vst_scsi_hba_ops *ops; /**< of the adapter */
    struct vst_scsi_nexus nexus;
    /**
     * Commands that the unit may still be given by this queue: the adapter takes one off for each
     * that it accepts, and adds it when that has ended. Submitting without looks at it is a mistake.
     */
    int32_t n_room;
    const struct vst_scsi_block_upcalls *upcalls;
};

/* ------------------------------------------------------------------ commands */

/**
 * One command, whole. Caller-owned: from submit until `done` it and its buffers belong to the
 * adapter. No copy of the data is made, so buffers are memory that the device reaches, or that the
 * platform maps.
 */
struct vst_scsi_command {
    struct vst_scsi_nexus nexus;
    uint8_t cdb[VST_SCSI_LONG_CDB_BYTES];
    uint8_t cdb_bytes; /**< at least 6, at most the adapter's max_cdb_bytes */
    uint8_t priority;  /**< 0 to 15; 0: none (SAM-5, 8.7) */
    uint8_t crn;       /**< command reference number, 0 if none */
    uint8_t n_out, n_in;
    enum vst_scsi_attribute attribute;
    const struct vst_block_segment
        *out; /**< data to the target; any length of at least 1 byte each */
    const struct vst_block_segment *in; /**< data from the target */
    /** Of these data how many are protection information, which comes first (T10_PI). */
    uint32_t out_protection_bytes, in_protection_bytes;
    uint64_t timeout_ns; /**< 0: the adapter's */
    /**
     * Called once, from poll on the queue's CPU: the command is the caller's again, who may submit
     * it or others; the adapter kicks.
     */
    void (*done)(struct vst_scsi_command *command);
    /** Not answered in time, as above for block requests. NULL: nobody cares. */
    bool (*late)(struct vst_scsi_command *command, uint64_t tag);
    void *user; /**< the caller's own */

    struct vst_scsi_outcome outcome;

    /** The adapter's own; no need to initialise. */
    struct vst_scsi_command_private {
        uint32_t n_out_pieces;
        uint16_t n_epochs; /**< its time-out in ticks of the adapter's watch */
    } priv;
};

/* ------------------------------------------------------------------ functions */

/** Task management functions (SAM-5, 7), and asynchronous notifications (MMC-6, 6.6; VIRTIO 5.6.6.2) */
enum vst_scsi_function_kind {
    VST_SCSI_ABORT_TASK, /**< of the nexus, named by its tag */
    VST_SCSI_ABORT_TASK_SET,
    VST_SCSI_CLEAR_ACA,
    VST_SCSI_CLEAR_TASK_SET,
    VST_SCSI_I_T_NEXUS_RESET, /**< the unit in the nexus does not matter */
    VST_SCSI_LOGICAL_UNIT_RESET,
    VST_SCSI_QUERY_TASK,
    VST_SCSI_QUERY_TASK_SET,
    VST_SCSI_NOTIFICATION_QUERY,     /**< which of the classes can be told of */
    VST_SCSI_NOTIFICATION_SUBSCRIBE, /**< to those and no others */
    VST_SCSI_N_FUNCTIONS
};

/** How a function ended. */
enum vst_scsi_function_response {
    VST_SCSI_FUNCTION_COMPLETE,  /**< done; of a query: there is no such task */
    VST_SCSI_FUNCTION_SUCCEEDED, /**< of a query: there is */
    VST_SCSI_FUNCTION_REJECTED,  /**< not supported */
    VST_SCSI_FUNCTION_INCORRECT_LUN,
    VST_SCSI_FUNCTION_BAD_TARGET,
    VST_SCSI_FUNCTION_RESET, /**< the adapter was reset meanwhile */
    VST_SCSI_FUNCTION_BUSY,
    VST_SCSI_FUNCTION_TRANSPORT_FAILURE,
    VST_SCSI_FUNCTION_TARGET_FAILURE,
    VST_SCSI_FUNCTION_NEXUS_FAILURE,
    VST_SCSI_FUNCTION_FAILURE,
    VST_SCSI_FUNCTION_TIMEOUT,   /**< no answer in time; if one comes nobody looks at it */
    VST_SCSI_FUNCTION_MALFORMED, /**< an answer that makes no sense */
    VST_SCSI_N_FUNCTION_RESPONSES
};

/** Classes of asynchronous notifications. (VIRTIO 1.2, 5.6.6.2) */
#define VST_SCSI_NOTE_OPERATIONAL_CHANGE (1u << 1) /**< what it can do has changed */
#define VST_SCSI_NOTE_POWER              (1u << 2) /**< its power state has changed */
#define VST_SCSI_NOTE_EXTERNAL_REQUEST   (1u << 3) /**< somebody pressed its button */
#define VST_SCSI_NOTE_MEDIA              (1u << 4) /**< its medium has come, gone, or is asked for */
#define VST_SCSI_NOTE_MULTI_HOST         (1u << 5) /**< another host wants it */
#define VST_SCSI_NOTE_DEVICE_BUSY        (1u << 6) /**< it is busy */

/**
 * One function. Caller-owned: from vst_scsi_hba_ops.manage until `ended`. That is set by whichever
 * CPU polls, so it is looked at with vst_scsi_function_ended; nobody is called.
 */
struct vst_scsi_function {
    enum vst_scsi_function_kind kind;
    struct vst_scsi_nexus nexus;
    uint64_t tag;        /**< ABORT TASK, QUERY TASK */
    uint32_t classes;    /**< notifications: VST_SCSI_NOTE_* wanted */
    uint64_t timeout_ns; /**< 0: 5 seconds */

    enum vst_scsi_function_response response; /**< outcome, valid once it has ended */
    uint32_t actual_classes; /**< those that the unit knows, or tells of from now on */
    bool ended;              /**< atomic */

    uint64_t deadline_ns; /**< the adapter's own */
};

/** Whether it has: from any CPU, once manage has taken it. */
static inline bool vst_scsi_function_ended(const struct vst_scsi_function *function)
{
    return __atomic_load_n(&function->ended, __ATOMIC_ACQUIRE);
}

/* ------------------------------------------------------------------ events */

/** What it is about. */
enum vst_scsi_event_kind {
    VST_SCSI_EVENTS_MISSED,    /**< some were lost: look at everything again */
    VST_SCSI_EVENT_UNIT_FOUND, /**< a unit has come, or is to be looked at again */
    VST_SCSI_EVENT_UNIT_GONE,  /**< it has been taken away */
    VST_SCSI_EVENT_UNIT_RESET, /**< it was reset by others */
    VST_SCSI_EVENT_NOTIFIED,   /**< asynchronous notification: `classes` */
    VST_SCSI_EVENT_PARAMETERS, /**< they have changed: asc, ascq as a unit attention would say */
    VST_SCSI_N_EVENTS
};

/** Something that an adapter's device has told by itself, checked. */
struct vst_scsi_event {
    enum vst_scsi_event_kind kind;
    uint8_t target;          /**< not with EVENTS_MISSED */
    struct vst_scsi_lun lun; /**< as above */
    uint32_t classes;
    uint8_t asc, ascq;
};

/* ------------------------------------------------------------------ the adapter */

/**
 * What a driver does for the SCSI layer. Unless something else is said: on the queue's CPU. A queue
 * is named by one of its units' queues, which are what the block layer has at hand.
 */
struct vst_scsi_hba_ops {
    /**
     * Issues a read, write or flush as one command with that CDB and clears priv.split. The caller
     * has seen n_room above 0. VST_ERR_FULL, which changes nothing; VST_ERR_BROKEN.
     */
    enum vst_status (*submit_block)(struct vst_scsi_block_queue *queue,
                                    struct vst_block_request *request, struct vst_scsi_cdb cdb);
    /**
     * The same for one part of a split request. With operations on ranges the part's segments are
     * what is sent to the unit: the layer's own, until `ended`.
     */
    enum vst_status (*submit_part)(struct vst_scsi_block_queue *queue,
                                   struct vst_block_request *request,
                                   const struct vst_block_part *part, struct vst_scsi_cdb cdb);
    /** The same by a command of 32 bytes; the part may be all of a request, priv.split being false. */
    enum vst_status (*submit_long)(struct vst_scsi_block_queue *queue,
                                   struct vst_block_request *request,
                                   const struct vst_block_part *part,
                                   const uint8_t cdb[VST_SCSI_LONG_CDB_BYTES]);
    /** As those of struct vst_block_driver, for the adapter's queue behind. */
    void (*kick)(struct vst_scsi_block_queue *queue);
    size_t (*poll)(struct vst_scsi_block_queue *queue, struct vst_block_request **done, size_t max);
    bool (*ready)(const struct vst_scsi_block_queue *queue);
    void (*arm)(struct vst_scsi_block_queue *queue, uint32_t n);
    void (*disarm)(struct vst_scsi_block_queue *queue);
    bool (*awaited)(const struct vst_scsi_block_queue *queue);
    void (*rest)(struct vst_scsi_block_queue *queue);

    /**
     * Gives a command to the queue. VST_ERR_FULL: not now; VST_ERR_TOO_LARGE: more data, pieces or
     * CDB than the adapter takes; VST_ERR_UNSUPPORTED: data both ways, or protection information,
     * where the adapter can't; VST_ERR_INVALID; VST_ERR_BROKEN. After an error nothing has happened.
     */
    enum vst_status (*submit)(struct vst_scsi_hba_queue *queue, struct vst_scsi_command *command);
    void (*kick_commands)(struct vst_scsi_hba_queue *queue);
    /** Takes back what has ended, commands and block requests, at most `max`; returns how many. */
    size_t (*poll_commands)(struct vst_scsi_hba_queue *queue, size_t max);
    void (*rest_commands)(struct vst_scsi_hba_queue *queue);

    /**
     * Starts a function. Any CPU; ABORT TASK and QUERY TASK that of the queue that has the task.
     * VST_ERR_FULL: not now; VST_ERR_INVALID, VST_ERR_BROKEN. It makes its way by `look` and by any
     * queue's poll.
     */
    enum vst_status (*manage)(struct vst_scsi_hba *hba, struct vst_scsi_function *function);
    /**
     * Finds a command of the queue to that unit that was told of as late, is still out, and that no
     * function has named yet. False: there is none.
     */
    bool (*next_late)(struct vst_scsi_hba_queue *queue, struct vst_scsi_nexus nexus, uint64_t *tag);
    /** Looks for functions that have ended, for their deadlines, and for events. Any CPU. */
    void (*look)(struct vst_scsi_hba *hba);
    /** Takes the event that has waited longest; false: there is none. One CPU at a time. */
    bool (*next_event)(struct vst_scsi_hba *hba, struct vst_scsi_event *event);
    /**
     * Nothing else helps: the adapter is to be reset. What is in flight ends with
     * VST_SCSI_RESPONSE_RESET (what was late: TIMEOUT) once all queues are polled. `why` is fixed
     * text, for the log.
     */
    void (*reset)(struct vst_scsi_hba_queue *queue, const char *why);
    /**
     * For the handler of an interrupt line: acknowledges, and tells whether it was this adapter that
     * interrupted. (VIRTIO 1.2, 4.1.4.5)
     */
    bool (*interrupted)(struct vst_scsi_hba *hba);
    /**
     * submit_block, submit_part, submit_long, kick, poll and arm with each request recorded in the
     * queue's trace; the others are NULL. NULL where the adapter can't. The unit's queue is one that
     * records them if its block driver has an `untraced`.
     */
    const struct vst_scsi_hba_ops *traced;
};

/** What an adapter takes and reaches. Checked by the driver: never zero or absurd. */
struct vst_scsi_hba_limits {
    uint16_t max_channel, max_target; /**< inclusive */
    uint32_t max_lun;                 /**< inclusive */
    uint32_t max_segments;            /**< pieces of data in one command, at least 1 */
    uint32_t max_segment_bytes;
    uint32_t max_sectors;   /**< data of one command, 512-byte units */
    uint16_t depth;         /**< commands of one piece that a queue takes at once, all units */
    uint16_t depth_of_unit; /**< of one unit, all queues: what it is wise to give it at a time */
    uint8_t max_cdb_bytes;  /**< 16 or 32 */
    uint16_t max_sense_bytes;
    bool bidirectional; /**< one command may transfer both ways */
    bool protection;    /**< protection information may be sent and received (T10_PI) */
    bool tells_plugging, tells_changes; /**< there are such events */
};

/** What the SCSI layer keeps of an adapter that it looks after (vstor/scsi_units.h). */
struct vst_scsi_hba_watch {
    uint32_t targets[8]; /**< a bit for each whose units are to be found out again */
    bool all;            /**< those of every target, and who they are */
    uint64_t all_ns;     /**< not before */
    uint64_t check_ns;   /**< when they are found out whatever was said; 0: never was */
};

/** A host adapter. A driver fills it; others read. */
struct vst_scsi_hba {
    struct vst_scsi_hba *next;  /**< of vst_scsi_units.hbas */
    uint16_t number;            /**< the same: "host" in host:channel:target:lun */
    char path[48];              /**< "pci-0000:00:05.0" */
    const char *driver_name;    /**< "virtio-scsi" */
    const char *transport_name; /**< as in struct vst_block_device, like the next four */
    const char *ring_name;
    const char *irq_mode;
    const char *const *features;
    uint16_t change_message; /**< MSI-X: which message tells of functions and events */
    const struct vst_platform *platform;
    const struct vst_scsi_hba_ops *ops;
    size_t memory_bytes, queue_memory_bytes; /**< taken from the platform; of that for each queue */
    struct vst_scsi_hba_limits limits;
    uint64_t timeout_ns; /**< after that a command is late that says no other */
    uint16_t n_queues;
    struct vst_scsi_hba_queue **queues;
    bool broken;            /**< out of service; every submit answers VST_ERR_BROKEN */
    const char *broken_why; /**< fixed text, NULL if not broken */
    bool keeps_memory; /**< its reset was not confirmed: memory it was shown is never used again */
    bool gone;         /**< broken for good: it was unplugged; atomic */
    bool attention;    /**< set by interrupt handlers: `look` is wanted; atomic */
    struct vst_scsi_hba_watch watch;
};

VST_END_C

#endif
