/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/block.h: block devices and requests, whatever driver stands behind them.
 *
 * The life of a request:
 *
 *     fill a struct vst_block_request          the caller owns it and its buffers
 *     vst_block_submit(queue, &request)        VST_OK: the queue owns it; else nothing has happened
 *     vst_block_kick(queue)                    once for any number of submits: rings the doorbell
 *     vst_block_poll(queue, done, max)         returns requests; each comes back exactly once
 *
 * One queue belongs to one CPU: nothing here takes a lock. Nothing blocks but the functions of the
 * last section, and those have a deadline; and poll, when it resets a device that has failed.
 */
#ifndef VSTOR_BLOCK_H
#define VSTOR_BLOCK_H

#include <vstor/platform.h>

VST_BEGIN_C

/** What a request is to do. */
enum vst_block_op {
    VST_BLOCK_READ,
    VST_BLOCK_WRITE,
    VST_BLOCK_FLUSH,         /**< all writes returned by poll before this was submitted are durable
                                when it ends: see "What is durable, and when" */
    VST_BLOCK_WRITE_DURABLE, /**< a write that is durable when it completes (FUA): where the device
                                has a write cache and no such command, the write and then a flush */
    VST_BLOCK_DISCARD,       /**< the ranges' data are of no use any more: reading them gives
                                anything until they are written again */
    VST_BLOCK_WRITE_ZEROES,  /**< the ranges read as zeroes; their place may be given back to the
                                host where limits.zeroes_may_unmap */
    VST_BLOCK_WRITE_ZEROES_KEEP, /**< the same, and the place stays allocated */
    VST_BLOCK_SECURE_ERASE,      /**< the ranges' data can't be brought back by any means */
    VST_BLOCK_LIFETIME, /**< how worn the device is: one segment, see vst_virtio_blk_lifetime */
    /* Zones, named by start_sector, their first: see vstor/zoned.h. */
    VST_BLOCK_ZONE_APPEND, /**< a write at the zone's write pointer; append_sector tells where that
                              was */
    VST_BLOCK_ZONE_REPORT, /**< of the zones from that with start_sector on: one segment, see
                              vst_zone_report_parse */
    VST_BLOCK_ZONE_OPEN,
    VST_BLOCK_ZONE_CLOSE,
    VST_BLOCK_ZONE_FINISH,
    VST_BLOCK_ZONE_RESET,
    VST_BLOCK_ZONE_RESET_ALL, /**< start_sector is 0 */
    VST_BLOCK_N_OPS
};

/** Operations on ranges of sectors, without data. */
static inline bool vst_block_op_has_ranges(enum vst_block_op op)
{
    return op >= VST_BLOCK_DISCARD && op <= VST_BLOCK_SECURE_ERASE;
}

/** Operations that only zoned devices have. */
static inline bool vst_block_op_is_zoned(enum vst_block_op op)
{
    return op >= VST_BLOCK_ZONE_APPEND && op <= VST_BLOCK_ZONE_RESET_ALL;
}

/** Sectors that a discard, write zeroes or secure erase names: both a multiple of the logical block. */
struct vst_block_range {
    uint64_t start_sector;
    uint64_t n_sectors; /**< at least 1 */
};

/**
 * A piece of memory that takes part in a transfer. Any address; `bytes` a multiple of 512 in sum
 * over the request.
 */
struct vst_block_segment {
    void *buffer;
    size_t bytes; /**< at least 1 */
};

/**
 * One request. The caller fills the first part and may read the outcome after poll has returned it;
 * from submit until then request, segments and buffers belong to the queue. There is no limit to
 * the length or to the number of segments: what the device can't take at once is split.
 */
struct vst_block_request {
    enum vst_block_op op;
    uint32_t n_segments; /**< of segments or ranges; 0 for a flush and where a zone is managed */
    union {
        const struct vst_block_segment *segments; /**< their bytes sum up to n_sectors * 512 */
        const struct vst_block_range *ranges;     /**< vst_block_op_has_ranges: their sectors sum up
                                                     to n_sectors */
    };
    uint64_t start_sector; /**< 512-byte units, multiple of the logical block; 0 with ranges */
    uint64_t n_sectors;    /**< 512-byte units, multiple of the logical block; 0 for a flush, a
                              report, and where a zone is managed */
    void *user;            /**< the caller's own */

    enum vst_status status; /**< outcome */
    union {
        uint64_t error_sector;  /**< first sector of the lowest part that failed; valid if status is
                                   not VST_OK */
        uint64_t append_sector; /**< VST_BLOCK_ZONE_APPEND, VST_OK: where the data begin */
        uint64_t start_ns;      /**< the queue's, while it has the request (vstor/latency.h) */
    };

    /** The queue's own; no need to initialise. */
    struct vst_block_request_private {
        struct vst_block_request *next;
        uint64_t issued_sectors;
        uint64_t segment_skip_bytes; /**< with ranges: sectors */
        uint32_t segment_index;
        uint32_t n_parts_in_flight;
        bool split;
        bool flushing; /**< VST_BLOCK_WRITE_DURABLE: written, and now being flushed */
        bool
            dropped; /**< a part is to be done again: all of it starts over once no part is in flight */
        uint8_t n_replays; /* of a split request; those of others: virtio_blk_recovery.c */
    } priv;
};

/** Requests in order, linked through priv.next. All zero is an empty list. */
struct vst_block_request_list {
    struct vst_block_request *first, *last;
};

/**
 * What one device command of a kind takes; all 0 where the device has no such command. Longer
 * requests are split.
 */
struct vst_block_range_limits {
    uint32_t max_sectors;       /**< per range, a multiple of the logical block */
    uint16_t max_ranges;        /**< per command */
    uint32_t alignment_sectors; /**< where to cut best: ranges are split at its multiples */
    uint32_t max_sum_sectors;   /**< per command, all its ranges; at least max_sectors, 0: any */
};

/** What a device has zones for. (VIRTIO 1.2, 5.2.6; ZBC) */
enum vst_zone_model {
    VST_ZONE_MODEL_NONE,         /**< not zoned */
    VST_ZONE_MODEL_HOST_MANAGED, /**< sequential zones are written at their write pointer only */
    VST_ZONE_MODEL_HOST_AWARE,   /**< they may be written anywhere, which may be slow */
};

/** How a zoned device is divided; all 0 where a device is not zoned. */
struct vst_zone_limits {
    enum vst_zone_model model;
    uint32_t zone_sectors; /**< of each but the last, which may be shorter; a multiple of the
                                    logical block and of the granularity */
    uint32_t max_open, max_active;    /**< zones at once; 0: any number */
    uint32_t max_append_sectors;      /**< of one append; 0: there is no appending */
    uint32_t write_granularity_bytes; /**< multiple of the logical block: start and length of writes
                                         to a host-managed device are multiples of it */
};

/** How a disk of long ago is divided; no value means anything today. All 0: not told. */
struct vst_block_geometry {
    uint16_t n_cylinders;
    uint8_t n_heads, n_track_sectors;
};

/**
 * What a device accepts in one go, and how it is divided. Checked by the driver: never zero or
 * absurd.
 */
struct vst_block_limits {
    uint64_t n_sectors;            /**< capacity, 512-byte units */
    uint32_t logical_block_bytes;  /**< power of two, 512 to 64 KiB: unit of addressing */
    uint32_t physical_block_bytes; /**< power of two, at least the logical one: unit without
                                      read-modify-write */
    uint32_t max_segments;         /**< per device command, at least 1 */
    uint32_t max_segment_bytes;    /**< per segment, at least 512 */
    uint32_t max_sectors;          /**< per device command, at least one logical block */
    uint16_t depth;                /**< one-segment commands that a queue takes at once */
    struct vst_block_range_limits discard, zeroes, erase;
    bool zeroes_may_unmap;
    uint32_t min_io_bytes; /**< smallest transfer that is not slow, 0 if not told: a hint */
    uint32_t opt_io_bytes; /**< best length of a long transfer, 0 if not told: a hint */
    uint32_t first_physical_sector;     /**< where the first physical block begins: a hint */
    struct vst_block_geometry geometry; /**< a hint, unchecked */
    struct vst_zone_limits zones;
};

/** Counters of one queue since attach. */
struct vst_block_stats {
    uint64_t
        commands[VST_BLOCK_N_OPS]; /**< given to the device (a split request counts each part) */
    uint64_t sectors[VST_BLOCK_N_OPS]; /**< 512-byte units carried by them */
    uint64_t errors;                   /**< commands that came back with an error */
    uint64_t kicks;                    /**< doorbells rung */
    uint64_t interrupts;               /**< interrupts taken */
    uint64_t interrupts_elsewhere;     /**< of these, on a CPU that is not the queue's (shared
                                          vectors, INTx); by the caller's handler */
    uint64_t rescues; /**< doorbells rung again because nothing moved for a second; 0 on sound
                         hardware */
    uint64_t timeouts;
    uint64_t queue_resets;  /**< the queue alone was reset */
    uint64_t device_resets; /**< the device was reset; counted where the last step was done */
    uint64_t replays;       /**< requests given to the device again after a reset */
};

/** Adds the counters of `from` to *to: the queues of a device, say. */
void vst_block_stats_add(struct vst_block_stats *to, const struct vst_block_stats *from);

struct vst_block_device;
struct vst_block_latency;
struct vst_trace;
struct vst_zone;

/** "read", "write", ...; "unknown" for what is no operation. */
const char *vst_block_op_name(unsigned op);

/**
 * What a request with one segment has to keep to be given to the driver without a further look.
 * Derived from the device by vst_block_limits_changed, which may run on another CPU; it stands in
 * the queue, so that the common check touches nothing else.
 */
struct vst_block_plain_rule {
    uint64_t n_sectors; /**< capacity; where that is less than most_sectors, most_sectors */
    /**
     * By operation: what one segment of one command carries; 0 if that must not be done, or the
     * device is out of service, or smaller than most_sectors.
     */
    uint64_t max_sectors[VST_BLOCK_WRITE + 1];
    uint64_t block_mask;   /**< sectors per logical block - 1 */
    uint32_t most_sectors; /**< what max_sectors are that are not 0; never rises */
};

/**
 * One queue of a device; a driver's queue begins with it. Opaque to callers but for `device`,
 * `index` and `stats`.
 */
struct vst_block_queue {
    struct vst_block_device *device;
    const struct vst_block_driver *driver;
    struct vst_block_plain_rule plain;
    struct vst_block_request_list split; /**< accepted, not yet wholly issued */
    struct vst_block_request_list ready; /**< finished, not yet returned by poll */
    uint16_t index;
    uint16_t message; /**< MSI-X: which of the caller's messages tells of this queue; else 0 */
    struct vst_block_stats stats;
    struct vst_trace *trace;           /**< its last events (vstor/trace.h); NULL: none are kept */
    struct vst_block_latency *latency; /**< times of its requests, as last started; NULL: never */
};

/** What can happen to a device in use. The values of an event are numbers of the unit named. */
enum vst_block_event_kind {
    VST_BLOCK_EVENT_RESIZED,     /**< capacity, 512-byte sectors */
    VST_BLOCK_EVENT_WRITE_CACHE, /**< 1: writes are durable only after a flush; 0: when they end */
    VST_BLOCK_EVENT_READ_ONLY,   /**< 1: it refuses writes */
    VST_BLOCK_EVENT_SERVICE, /**< 0: out of service (vst_block_device.broken_why), 1: in service */
    VST_BLOCK_EVENT_RECOVERED, /**< recoveries since attach, after which it went on */
    VST_BLOCK_EVENT_MEDIUM,    /**< media_id of what is in the drive; 0: nothing that can be read */
    VST_BLOCK_EVENT_EJECT_WANTED, /**< how often somebody has asked for the medium: by the button */
    VST_BLOCK_N_EVENTS, /**< those above are kept in the device, those below in the registry */
    VST_BLOCK_EVENT_PLUGGED = VST_BLOCK_N_EVENTS, /**< a disk is there: from 0 to its capacity */
    VST_BLOCK_EVENT_UNPLUGGED,                    /**< a disk is no more: from its capacity to 0 */
    VST_BLOCK_N_EVENT_KINDS
};

/** Something that happened to a device; see vst_block_next_event. */
struct vst_block_event {
    struct vst_block_device *device; /**< NULL if (un)plugged: it may be no more */
    char name[16];
    enum vst_block_event_kind what;
    uint64_t old_value, new_value; /**< as of the last event of this kind, and now */
    uint32_t n_times;              /**< how often it changed in between, at least 1; more than once
                                      it may have come back to the old value */
    uint64_t time_ns;              /**< of the last change, by platform->time_ns */
};

/** Event of one kind that waits to be fetched: 32 bytes each in every device, whatever happens. */
struct vst_block_event_slot {
    uint64_t value, time_ns, told_value;
    uint32_t n, n_told;
};

/** vst_block_device.change_message: no message tells of changes. */
#define VST_BLOCK_NO_MESSAGE 0xffffu

/** What else a device tells of itself; texts are "" where it does not. */
struct vst_block_identity {
    const char *vendor, *product, *revision;
    const char
        *wwn; /**< "0x5000c500a1b2c3d4", "eui.0025385b71b00001": the same by every way to it */
    const char *hctl; /**< host:channel:target:lun */
    bool rotational, removable;
};

/** A block device. A driver fills it; others read. */
struct vst_block_device {
    struct vst_block_device *next; /**< in the registry */
    char name[16];                 /**< "vda"; given by vst_block_register */
    char path[48];                 /**< "pci-0000:00:04.0", "virtio-mmio-feb00e00" */
    char serial[64];               /**< printable ASCII, "" if the device tells none */
    const struct vst_block_identity *identity; /**< NULL: nothing of that is known */
    const char *driver_name;                   /**< "virtio-blk" */
    const char *transport_name; /**< "virtio-pci", "virtio-pci-legacy", "virtio-pci-cfg",
                                   "virtio-mmio-1", "virtio-mmio-2" */
    const char *ring_name;      /**< "split", "packed" */
    const char *irq_mode;       /**< "msix", "intx", "poll" */
    const struct vst_platform *platform;
    struct vst_block_limits limits;
    bool read_only;
    bool write_cache;          /**< writes are durable only after a flush */
    bool write_cache_settable; /**< vst_block_set_write_cache can switch it */
    bool flush_needed;         /**< a flush is worth a command: write cache and not read-only */
    bool writes_durably;       /**< VST_BLOCK_WRITE_DURABLE is one command, without a flush */
    bool tells_lifetime;       /**< VST_BLOCK_LIFETIME is answered */
    bool removable;            /**< its medium can be taken out: see vst_block_medium_lost */
    bool medium_lost;          /**< it has changed, and nobody has looked at it yet; atomic */
    bool stale;                /**< held since before its medium changed */
    enum vst_status medium;    /**< VST_OK, or what all requests end with: VST_ERR_NO_MEDIUM,
                                  VST_ERR_NOT_READY, VST_ERR_MEDIUM (it can't be read), ... */
    uint32_t media_id;         /**< of the last medium: one more with each; 0: there was none yet */
    bool broken;               /**< out of service; every submit answers VST_ERR_BROKEN */
    const char *broken_why;    /**< fixed text, NULL if not broken */
    bool gone;                 /**< broken for good: it was unplugged. Atomic; see vst_block_hold */
    unsigned n_holders;        /**< vst_block_hold */
    uint16_t n_queues;
    struct vst_block_queue **queues;
    const char *const *features; /**< names of what was negotiated, ended by NULL */
    uint16_t change_message;     /**< irq_mode "msix": which of the caller's messages calls for
                                    vst_block_config_interrupted, or VST_BLOCK_NO_MESSAGE */
    bool config_interrupt;       /**< set by that; cleared by vst_block_refresh */
    uint32_t n_changes;          /**< calls of vst_block_limits_changed; atomic */
    bool watched;                /**< the slots hold what the device was like at first */
    struct vst_block_event_slot events[VST_BLOCK_N_EVENTS];
    bool multipath;                  /**< it may be reached in several ways (vstor/scsi_paths.h) */
    uint16_t n_paths, n_known_paths; /**< that serve now, of those that there are */
    uint32_t id;                     /**< given with the name; no other of the registry ever had it */
    size_t memory_bytes;             /**< taken from the platform, from attach to detach */
    size_t queue_memory_bytes;       /**< of that for each queue */
};

/** A part of a request that one device command can carry. */
struct vst_block_part {
    enum vst_block_op op; /**< not always the request's: a durable write is a write, then a flush */
    uint64_t start_sector;
    uint64_t n_sectors;
    uint32_t bytes; /**< of data: a multiple of the logical block */
    uint32_t
        n_pieces; /**< contiguous pieces of memory, each within max_segment_bytes; or of ranges */
    union {
        const struct vst_block_segment *segments; /**< the first that takes part */
        const struct vst_block_range *ranges;
    };
    uint64_t
        skip_bytes; /**< of that first one, already carried by earlier parts; ranges: sectors */
};

/**
 * For drivers: the piece at the beginning of a range that one command can carry, cut at the limits
 * and preferably at their alignment.
 */
struct vst_block_range vst_block_range_piece(const struct vst_block_range *range,
                                             uint64_t skip_sectors,
                                             const struct vst_block_range_limits *limits);
/** What bounds an operation on ranges. */
const struct vst_block_range_limits *
vst_block_range_limits_of(const struct vst_block_limits *limits, enum vst_block_op op);

/**
 * What a driver does for the block layer. Requests come checked: known operation, inside the
 * device, aligned.
 */
struct vst_block_driver {
    /**
     * Issues the whole request as one command and clears priv.split. VST_ERR_FULL changes nothing.
     */
    enum vst_status (*submit)(struct vst_block_queue *queue, struct vst_block_request *request);
    /** Issues one part of a split request. VST_ERR_FULL changes nothing. */
    enum vst_status (*submit_part)(struct vst_block_queue *queue, struct vst_block_request *request,
                                   const struct vst_block_part *part);
    /**
     * Makes what was submitted visible to the device and rings the doorbell if the device wants
     * it.
     */
    void (*kick)(struct vst_block_queue *queue);
    /**
     * Stores up to `max` finished requests and returns their number. Calls vst_block_part_done for
     * parts.
     */
    size_t (*poll)(struct vst_block_queue *queue, struct vst_block_request **done, size_t max);
    /** Whether poll would find something: one look at memory, nothing else. */
    bool (*ready)(const struct vst_block_queue *queue);
    /**
     * Has the device interrupt once n more commands, at least 1, have ended; ends with a full
     * barrier. NULL, like the next two, where there are no interrupts.
     */
    void (*arm)(struct vst_block_queue *queue, uint32_t n);
    void (*disarm)(struct vst_block_queue *queue);
    /** Whether what it was armed for has come, or never will: one look at memory. */
    bool (*awaited)(const struct vst_block_queue *queue);
    /** This driver with every request recorded, and the one without; NULL if it is that itself. */
    const struct vst_block_driver *traced, *untraced;
    /**
     * Decodes what a VST_BLOCK_ZONE_REPORT has brought: at most `max` zones with type, state and
     * numbers as the device says them, each byte read once. VST_ERR_MALFORMED if it can't be a
     * report. NULL where there are no zoned devices.
     */
    enum vst_status (*parse_zones)(const void *report, size_t bytes, struct vst_zone *zones,
                                   size_t max, size_t *n_zones);
    /** vst_block_refresh; NULL where nothing changes. */
    enum vst_status (*refresh)(struct vst_block_device *device);
    /** Switches the cache and takes that over; NULL where write_cache_settable never is true. */
    enum vst_status (*set_write_cache)(struct vst_block_device *device, bool on);
    /** Somebody holds the device, or nobody any more. NULL where that does not matter. */
    void (*held)(struct vst_block_device *device, bool held);
    /** vst_block_eject, vst_block_load; NULL where no medium can be taken out. */
    enum vst_status (*move_medium)(struct vst_block_device *device, bool load);
    /** Lets go of a queue that has nothing in flight. NULL where nobody needs to know. */
    void (*rest)(struct vst_block_queue *queue);
};

/**
 * Gives a request to the queue. Nothing reaches the device for sure before vst_block_kick.
 *
 *     VST_OK             the queue owns the request until poll returns it
 *     VST_ERR_FULL       no room: poll and try again
 *     VST_ERR_INVALID    misaligned, or segments do not sum up
 *     VST_ERR_RANGE      beyond the end
 *     VST_ERR_READ_ONLY, VST_ERR_UNSUPPORTED, VST_ERR_BROKEN, VST_ERR_GONE
 */
enum vst_status vst_block_submit(struct vst_block_queue *queue,
                                 struct vst_block_request *request) VST_MUST_USE;

/**
 * Rings the doorbell for all that was submitted since the last kick, unless the device asked not
 * to be told.
 */
void vst_block_kick(struct vst_block_queue *queue);

/**
 * Stores up to `max` finished requests in `done`, in order of completion; returns how many. Does
 * not block unless the device has failed (see below).
 */
size_t vst_block_poll(struct vst_block_queue *queue, struct vst_block_request **done,
                      size_t max) VST_MUST_USE;

/**
 * Whether poll may have something to return: for loops that wait (cheap: no work is done) and
 * before going idle. Time-outs are noticed by poll only, and so is room for buffers that other
 * queues have held (struct vst_platform, dma_map), so call that at least once a second as well.
 */
bool vst_block_ready(const struct vst_block_queue *queue);

/**
 * Says that nothing is in flight and that the queue will not be polled for a while. The next submit
 * ends that by itself. Does nothing if something is in flight. On the queue's CPU. Does not block
 * unless the device has failed: then for as long as poll may.
 */
void vst_block_rest(struct vst_block_queue *queue);

/*
 * When a device fails
 *
 * A device that lies, falls silent beyond the time-out or asks to be reset is reset, alone or only
 * its queue, and goes on: what was in flight is given to it again. That is safe for
 *
 *     reads, flushes, lifetime      they change nothing
 *     writes, discard, zeroes, erase     once the reset is confirmed the old command touches
 *                       nothing any more, and the same is done to the same sectors again; until it
 *                       has ended, nobody may count on the old data or the new
 *
 * It is not for zone appends, reports and commands, and for writes to a host-managed device, whose
 * zones remember what they were given: these end with VST_ERR_RESET, as does what the driver's
 * configuration excludes. They may have taken effect or not (vstor/zoned.h).
 *
 * A request is given again twice at most; then it ends with VST_ERR_TIMEOUT or VST_ERR_BROKEN. A
 * split request starts over from its first part, unless a part had failed; a durable write is
 * written and flushed again.
 *
 * The caller's part, where a device has several queues: a queue with requests in flight is polled
 * at least once a second, one without is polled or rests (vst_block_rest). Resetting a device waits
 * for all its queues; if that takes 5 seconds, the device is out of service. Meanwhile submit
 * answers VST_ERR_FULL. The poll that does the reset takes as long as that does: 4 seconds at most.
 *
 * A SCSI unit that does not answer is brought back by steps, each with a deadline, a minute for all:
 * what is late is waited for a little longer, aborted; the unit, its target, the adapter are reset;
 * then the unit is out of service. Meanwhile submit answers VST_ERR_FULL; other units go on. What a
 * step brings back unanswered is given again four times, and then ends with VST_ERR_TIMEOUT.
 */

/*
 * What is durable, and when
 *
 * Requests of a queue, and of several, run in any order and end in any order: the device may begin
 * the second before the first, and of two writes to one sector in flight together either may be the
 * one that stays. Who needs an order waits: only what is submitted after a request has been returned
 * by poll comes after it. A request that was split is not one to the device: others' requests may
 * come between its parts, and after a failure or a power cut some of them may be done.
 *
 *     a write has ended well     every read that is submitted from then on sees it, by any queue. It
 *                       is durable if the device has no write cache (write_cache false), else not yet
 *     a flush has ended well     durable is every write, zeroes, discard and append, by any queue of
 *                       the device, that poll had returned before the flush was submitted. Of those
 *                       in flight meanwhile nothing is said: wait for them, then flush
 *     a durable write has ended well     it is durable itself, all of it; nothing is said of others.
 *                       Where writes_durably it is one command (FUA); where there is a cache without
 *                       that, the write, and once that has ended a flush, which ends it; where there
 *                       is none, a write
 *     a flush or durable write has failed     what it was for may be durable or not, and the device
 *                       may have dropped it: a later flush that ends well does not tell. Write again
 *
 * A flush to a device that has no write cache, or is read-only, ends well at once, without a command.
 * Switching the cache off (vst_block_set_write_cache) flushes. A device that was reset has been given
 * again what was in flight before anybody is told that it ended: nothing above changes by that.
 */

/*
 * Waiting for an interrupt instead of polling, where irq_mode is not "poll":
 *
 *     if (!vst_block_arm(queue))
 *         sleep unless vst_block_awaited(queue)     (looked at with interrupts off: no lost wake-up)
 *     vst_block_disarm(queue)
 *     vst_block_poll(...)
 *
 * All on the queue's CPU. A sleep must end now and then without an interrupt: see vst_block_ready.
 */

/**
 * Asks the device to interrupt at the next completion. True if something is there already, or if no
 * interrupt would come (nothing in flight, no interrupts): then do not sleep.
 */
bool vst_block_arm(struct vst_block_queue *queue) VST_MUST_USE;

/**
 * The same for the n-th completion from now, if the ring can tell (EVENT_IDX); else, or if fewer are
 * in flight, an earlier one. Fewer interrupts for a longer wait.
 */
bool vst_block_arm_after(struct vst_block_queue *queue, uint32_t n) VST_MUST_USE;

/** Whether what the queue was armed for has come. One look at memory. */
bool vst_block_awaited(const struct vst_block_queue *queue);

/** Back to polling: the device is not to interrupt. One that is under way may still come. */
void vst_block_disarm(struct vst_block_queue *queue);

/** Counts an interrupt of the queue. For interrupt handlers, on one CPU at a time. */
static inline void vst_block_interrupted(struct vst_block_queue *queue)
{
    uint64_t *count = &queue->stats.interrupts;

    __atomic_store_n(count, __atomic_load_n(count, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

/**
 * For drivers: to be called once limits, write_cache, read_only or broken of a device have been set
 * or have changed. From any CPU while others submit: of the limits only capacity and physical block
 * may change then, and a request checked meanwhile keeps the old capacity or the new. What differs
 * from the last call becomes an event; the first call, when the device is attached, is silent.
 */
void vst_block_limits_changed(struct vst_block_device *device);

/*
 * Removable media. The driver finds that the medium has changed when a request or vst_block_refresh
 * meets it. From then on all requests end with VST_ERR_MEDIUM_CHANGED until the next refresh that
 * has looked at the new one, and, if somebody holds the device, until nobody does: what one holder
 * reads is of one medium. `media_id` tells media apart.
 */

/**
 * Has the drive give out its medium, or take in the one that lies in its tray, and looks at what is
 * there then. On the CPU of the first queue; blocks for as long as the drive takes, half a minute at
 * most. Who calls may hold the device, once. VST_ERR_UNSUPPORTED: the drive can't; VST_ERR_NOT_READY:
 * somebody else holds the device, or the drive does not let go; VST_ERR_NO_MEDIUM (load): the tray
 * is empty; errors of reading.
 */
enum vst_status vst_block_eject(struct vst_block_device *device) VST_MUST_USE;
/** The other way: see vst_block_eject. */
enum vst_status vst_block_load(struct vst_block_device *device) VST_MUST_USE;

/** For drivers: what is in the drive is not what it was, or not there any more. From any CPU. */
void vst_block_medium_lost(struct vst_block_device *device);

/**
 * For drivers: the drive was looked at. `medium` VST_OK: a medium of `n_sectors`, another one than
 * before if `is_new`; else why there is none. On the CPU of the first queue.
 */
void vst_block_medium_found(struct vst_block_device *device, enum vst_status medium,
                            uint64_t n_sectors, bool is_new);

/** For drivers: the event, unless the value is the same as the last. From any CPU. */
void vst_block_note(struct vst_block_device *device, enum vst_block_event_kind what,
                    uint64_t value);

/**
 * For drivers: a part of a split request has ended. True if that ended the request, which is then
 * to be returned.
 */
bool vst_block_part_done(struct vst_block_queue *queue, struct vst_block_request *request,
                         uint64_t start_sector, enum vst_status status);

/**
 * For drivers: a part of a split request was in flight when the device was reset, or is to be done
 * again for another reason. VST_OK: the request is to start over, which it does once none of its
 * parts is in flight, by the polls that follow; else it is to end with `status`. True if this was
 * the last such part and the request starts over. Only from the driver's poll.
 */
bool vst_block_part_dropped(struct vst_block_queue *queue, struct vst_block_request *request,
                            uint64_t start_sector, enum vst_status status);

/** For drivers: ends a request outside the ring (the device died); the next poll returns it. */
void vst_block_finish(struct vst_block_queue *queue, struct vst_block_request *request,
                      enum vst_status status);

/** Comings and goings that are remembered. */
#define VST_BLOCK_N_PLUGS 32u

/** Devices of one instance, in order of registration. The caller owns it; start with all zero. */
struct vst_block_registry {
    struct vst_block_device *first, *last;
    /** A device that has come or gone. */
    struct vst_block_plug {
        char name[16];
        bool plugged;
        uint64_t n_sectors, time_ns;
    } plugs[VST_BLOCK_N_PLUGS]; /**< the last ones, by n_plugs mod their number */
    uint32_t n_plugs, n_plugs_told;
    uint32_t n_registered; /**< ever */
    /** Of the first prefixes used: how many names are given, and whether lower numbers are free. */
    struct vst_block_names {
        char prefix[8];
        unsigned n;
        bool has_gaps;
    } names[4];
};

/**
 * Names the device (`prefix` "vd" gives vda .. vdz, vdaa ..; one that ends in 0 is counted on: "sr0"
 * gives sr0, sr1 ..) and appends it.
 */
void vst_block_register(struct vst_block_registry *registry, struct vst_block_device *device,
                        const char *prefix);
/** Takes it out again; its name is free. It must be registered. */
void vst_block_unregister(struct vst_block_registry *registry, struct vst_block_device *device);
/** `device` takes the place and the name of another, which is not registered any more and has none. */
void vst_block_replace(struct vst_block_registry *registry, struct vst_block_device *old,
                       struct vst_block_device *device);

/*
 * Devices that are unplugged. A device that is gone ends what is in flight with VST_ERR_GONE and
 * refuses the rest. Its structure stays for as long as somebody holds it: who goes on to use a
 * device after others may have run (the owner, who looks after unplugged ones) holds it meanwhile.
 * Both and vst_block_is_idle_and_gone on the CPU of the device's first queue; other CPUs use queues
 * on behalf of a holder. Both block for a command where the medium is removable: it is locked in
 * while somebody holds the device.
 */
/** The device stays until as many vst_block_let_go have followed. */
void vst_block_hold(struct vst_block_device *device);
/** Takes back one vst_block_hold. */
void vst_block_let_go(struct vst_block_device *device);
/** True if the owner may take the device from the registry and detach it. */
static inline bool vst_block_is_idle_and_gone(const struct vst_block_device *device)
{
    return __atomic_load_n(&device->gone, __ATOMIC_ACQUIRE) && device->n_holders == 0;
}

/**
 * For the owner: makes an event of a device that was registered (`plugged`), or is to be
 * unregistered, while the machine runs. The last VST_BLOCK_N_PLUGS that nobody fetched are kept.
 */
void vst_block_note_plug(struct vst_block_registry *registry, const struct vst_block_device *device,
                         bool plugged);

/**
 * Finds by name ("vda"), path ("pci-0000:00:04.0"), serial number ("serial=abc") or world-wide name
 * ("wwn=0x5000c500a1b2c3d4"). NULL if there is none, or several of that serial number or world-wide
 * name; a device that is gone is found by name only.
 */
struct vst_block_device *vst_block_find(const struct vst_block_registry *registry,
                                        const char *name);

/*
 * Changes of a device in use (size, cache, service). A driver notices them when it is called for
 * something else, or by vst_block_refresh, which the owner calls now and then or when told by an
 * interrupt; they are fetched as events:
 *
 *     vst_block_refresh(device)                       (for each device, ten times a second, say)
 *     while (vst_block_next_event(registry, &event))
 *         ...
 *
 * Events are kept by kind in the device: none is lost however late they are fetched and however
 * many there are, for what is not fetched becomes one event with the oldest value and the newest.
 */

/**
 * For the handler of an interrupt: the configuration may have changed. On any CPU. (The handler of
 * an interrupt line asks vst_virtio_blk_interrupt, which does it.)
 */
static inline void vst_block_config_interrupted(struct vst_block_device *device)
{
    __atomic_store_n(&device->config_interrupt, true, __ATOMIC_RELEASE);
}

/**
 * Looks whether the device has changed, and takes it over: the new capacity is in `limits`, and
 * requests beyond it get VST_ERR_RANGE from now on; those in flight are the device's business.
 * Cheap if nothing has happened: one look at memory where interrupts tell of changes, else some
 * register reads (VIRTIO 1.2, 2.5). Does not block. On the CPU of the device's first queue, not from
 * interrupt handlers; other CPUs may use their queues meanwhile.
 *
 * VST_ERR_MALFORMED    the new configuration makes no sense, or never settles
 * VST_ERR_UNSUPPORTED  something has changed that can't under a device in use (logical block, most
 *                      segments): detach and attach again     VST_ERR_BROKEN  out of service
 * VST_ERR_FULL         another CPU is at it, after a reset     VST_ERR_GONE  it was unplugged
 *
 * After an error all stays as it was.
 */
enum vst_status vst_block_refresh(struct vst_block_device *device) VST_MUST_USE;

/**
 * Stores the event that has waited longest; false if there is none. One CPU at a time. A change at
 * the moment of the call may be told twice, the second time with the old value equal to the new.
 * Events of a device that is unplugged are gone with it; that of its leaving comes when
 * it leaves the registry.
 */
bool vst_block_next_event(struct vst_block_registry *registry, struct vst_block_event *event);

/**
 * Switches the device's write cache on or off (VIRTIO 1.2, 5.2.5: CONFIG_WCE). When VST_OK is
 * returned for off, everything written so far is durable: it flushes once the cache is off, so that
 * what other CPUs wrote until then is in it. Blocks for the flush; on the CPU of the first queue.
 * VST_ERR_UNSUPPORTED if the device can't (write_cache_settable) or did not; else the errors of
 * vst_block_refresh and vst_block_flush (the cache is off then, but what was written before may not
 * be durable).
 */
enum vst_status vst_block_set_write_cache(struct vst_block_device *device, bool on) VST_MUST_USE;

/*
 * Blocking convenience on top: each submits, kicks and polls until its own request has ended.
 * Requests of others on the same queue that end meanwhile are kept for the next vst_block_poll.
 * Bounded by the device's own time-out, which may pass three times if the device fails.
 */

/** Runs one request to its end and returns its status. */
enum vst_status vst_block_execute(struct vst_block_queue *queue,
                                  struct vst_block_request *request) VST_MUST_USE;

/**
 * Reads or writes any byte range, also such that cuts logical blocks: those are read, changed and
 * written back through `bounce` (at least one logical block; may be NULL if neither offset nor
 * length cuts one). A range that does not lie wholly on the device is refused before anything is
 * transferred. On an error *error_offset, if not NULL, is the byte offset of the failing part. A
 * torn write can leave a cut block old or new, never mixed beyond what the device itself does. Who
 * writes a block that is cut, by any means, while another does so, may undo what the other wrote.
 */
enum vst_status vst_block_read_bytes(struct vst_block_queue *queue, uint64_t offset_bytes,
                                     void *buffer, size_t bytes, void *bounce, size_t bounce_bytes,
                                     uint64_t *error_offset) VST_MUST_USE;
/** The same for writing: see vst_block_read_bytes. */
enum vst_status vst_block_write_bytes(struct vst_block_queue *queue, uint64_t offset_bytes,
                                      const void *buffer, size_t bytes, void *bounce,
                                      size_t bounce_bytes, uint64_t *error_offset) VST_MUST_USE;
/** Runs a VST_BLOCK_FLUSH to its end. Blocks; errors are those of the request. */
enum vst_status vst_block_flush(struct vst_block_queue *queue) VST_MUST_USE;

/**
 * Runs one operation on one range (see vst_block_op_has_ranges) to its end. VST_ERR_UNSUPPORTED
 * where the device has no such command; on an error *error_sector, if not NULL, is the first sector
 * of the lowest part that failed.
 */
enum vst_status vst_block_on_range(struct vst_block_queue *queue, enum vst_block_op op,
                                   struct vst_block_range range,
                                   uint64_t *error_sector) VST_MUST_USE;

VST_END_C

#endif
