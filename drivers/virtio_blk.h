/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio block device's driver: its private structures. (VIRTIO 1.2, 5.2) */
#ifndef VSTOR_DRIVERS_VIRTIO_BLK_H
#define VSTOR_DRIVERS_VIRTIO_BLK_H

#include "drivers/virtio_irq.h"
#include "drivers/virtio_pieces.h"
#include "drivers/virtio_recovery.h"

#include <vstor/zoned.h>

/**
 * Shared memory of a slot: struct virtio_blk_req's head and its status byte (5.2.6); the indirect
 * table follows.
 */
struct blk_header {
    drv_le32 type;
    drv_le32 reserved;      /**< stays 0 */
    drv_le64 sector;        /**< 512-byte units */
    dev_le64 append_sector; /**< zone append only, whose answer it is, with the status behind it */
    dev_u8 status;
    uint8_t padding[7];
    struct virtq_desc table[]; /**< head, data, status */
};
_Static_assert(sizeof(struct blk_header) == 32,
               "the table is aligned to 16 bytes (VIRTIO 1.2, 2.7)");
#define BLK_REQUEST_HEAD_BYTES 16u

/** 5.2.6: what discard, write zeroes and secure erase carry, one per range. */
struct blk_range {
    drv_le64 sector;
    drv_le32 n_sectors;
    drv_le32 flags;
};
_Static_assert(sizeof(struct blk_range) == sizeof(struct virtq_desc), "ranges stand in the table");

/* Ranges stand in the slot's table behind the entries of their own chain; without indirect
 * descriptors, where a table would be. */
#define BLK_RANGE_CHAIN_ENTRIES 3u
#define BLK_DIRECT_RANGES       1u

/**
 * Not one of the values that a device may write (5.2.6): what still holds it has not been
 * answered.
 */
#define BLK_STATUS_POISON 0xffu

struct blk_queue {
    struct vst_block_queue base;
    struct virtq vq;
    struct blk_device *blk;
    bool maps;                       /**< the platform maps buffers: dma_map is not NULL */
    struct virtio_mapping *mappings; /**< max_segments for each slot; NULL unless maps */
    size_t mappings_bytes;
    uint32_t n_in_order;   /**< IN_ORDER: chains given back that poll has not taken yet */
    struct virtio_run run; /**< recovery: see virtio_recovery.h, virtio_blk_recovery.c */
    struct vst_block_request_list waiting; /**< to be replayed, once the platform can map them */
    uint16_t waiting_since; /**< the epoch; they wait for as long as commands may take */
    /* the watch: see blk_watch */
    uint16_t epoch;
    uint32_t n_used_at_watch;
    bool unanswered_at_watch;
    uint8_t n_polls;
    uint64_t watch_ns;
};

/** What the configuration says, checked. */
struct blk_limits_read {
    uint64_t capacity_sectors;
    uint32_t size_max, seg_max, blk_size;
    uint8_t physical_exponent, writeback, alignment_offset, zeroes_may_unmap;
    uint16_t min_io_blocks;
    uint32_t opt_io_blocks;
    struct blk_ranges_read {
        bool offered;
        uint32_t max_sectors, max_ranges, alignment_sectors;
    } discard, zeroes, erase;
    struct vst_block_geometry geometry;
    struct blk_zones_read {
        bool offered;
        uint8_t model;
        uint32_t zone_sectors, max_open, max_active, max_append_sectors, write_granularity_bytes;
    } zones;
    uint16_t num_queues; /**< 1 without MQ; as the device says it, else */
};

#define BLK_MAX_FEATURE_NAMES 32

struct blk_device {
    struct vst_block_device base;
    union {
        struct virtio_device virtio; /**< the same as pci.base */
        struct virtio_pci_device pci;
        union virtio_any_device any;
    };
    struct vst_virtio_blk_config config; /**< defaults filled in */
    uint64_t watch_interval_ns;          /**< a quarter of the time-out, at most a second */
    uint16_t timeout_epochs;
    bool reset_unconfirmed; /**< the device may still write: its memory must not be used again */
    struct virtio_recovery recovery;
    bool refreshing;       /**< some CPU takes over a changed configuration */
    bool config_unsettled; /**< the last look at it found no end to its changing: said once */
    struct virtio_irq irq;
    uint16_t n_queues_created;
    size_t bytes; /**< of this structure with what follows */
    const char *feature_names[BLK_MAX_FEATURE_NAMES];
    struct vst_block_queue **queue_list; /**< behind the queues */
    struct blk_queue queues[];           /**< config.n_queues */
};

/** For vst_virtio_config_snapshot: fills a struct blk_limits_read. */
void vst_virtio_blk_read_fields(struct virtio_device *device, void *into);

/**
 * Reads the configuration as one piece; VST_ERR_MALFORMED with a log line if it does not settle,
 * VST_ERR_GONE if there is no device any more.
 */
enum vst_status vst_virtio_blk_read_config(struct blk_device *blk,
                                           struct blk_limits_read *read) VST_MUST_USE;

/**
 * Checks configuration and turns it into limits. VST_ERR_MALFORMED with a log line if it makes no
 * sense.
 */
enum vst_status vst_virtio_blk_limits(const struct blk_device *blk,
                                      const struct blk_limits_read *read, uint16_t queue_size,
                                      struct vst_block_limits *limits) VST_MUST_USE;

/**
 * Reads the configuration and takes over what may change under a live device, with events; from
 * FEATURES_OK on, so also of a device that was just started again, and from any CPU. Errors: see
 * vst_block_refresh.
 */
enum vst_status vst_virtio_blk_refresh(struct blk_device *blk) VST_MUST_USE;
/** The same for who has set `refreshing`. */
enum vst_status vst_virtio_blk_take_config(struct blk_device *blk) VST_MUST_USE;

/** Driver operations: see vst_block_driver. */
enum vst_status vst_virtio_blk_refresh_if_changed(struct vst_block_device *device) VST_MUST_USE;
enum vst_status vst_virtio_blk_set_write_cache(struct vst_block_device *device,
                                               bool on) VST_MUST_USE;

/* virtio_blk_details.c */
/** Reads topology and geometry (5.2.4), unchecked. */
void vst_virtio_blk_read_hints(struct virtio_device *device, struct blk_limits_read *read);
/** Fills in topology and geometry; logical_block_bytes is known already. */
void vst_virtio_blk_hints(const struct blk_limits_read *read, struct vst_block_limits *limits);

/* virtio_blk_ranges.c */
/** Reads what bounds discard, write zeroes and secure erase. */
void vst_virtio_blk_read_ranges(struct virtio_device *device, struct blk_limits_read *read);
/** Checks that and fills the limits, whose logical_block_bytes and max_segments are known already. */
void vst_virtio_blk_range_limits(const struct blk_device *blk, const struct blk_limits_read *read,
                                 struct vst_block_limits *limits);
/** Entries of a slot's indirect table. */
uint16_t vst_virtio_blk_table_entries(const struct vst_block_limits *limits);
/** Writes the ranges of a part into the slot's shared memory; returns their bus address. */
uint64_t vst_virtio_blk_put_ranges(struct blk_queue *q, uint16_t id,
                                   const struct vst_block_part *part);

/* virtio_blk_zoned.c */
/** For struct virtio_device.choose: what may be negotiated with a zoned device. */
enum vst_status vst_virtio_blk_choose_features(struct virtio_device *device, uint64_t offered,
                                               uint64_t *features) VST_MUST_USE;
void vst_virtio_blk_read_zones(struct virtio_device *device, struct blk_limits_read *read);
/**
 * Checks that and fills limits->zones, all else in `limits` being known; narrows what is for ranges.
 * VST_ERR_MALFORMED with a log line if a host-managed device's zones make no sense.
 */
enum vst_status vst_virtio_blk_zone_limits(const struct blk_device *blk,
                                           const struct blk_limits_read *read,
                                           struct vst_block_limits *limits) VST_MUST_USE;
/** VST_ERR_UNSUPPORTED with a log line if zones have changed by which requests were cut. */
enum vst_status vst_virtio_blk_zones_stay(const struct blk_device *blk,
                                          const struct vst_zone_limits *read_now) VST_MUST_USE;
/** An answer that a device without zones does not give. */
enum vst_status vst_virtio_blk_zone_answer(const struct blk_device *blk,
                                           uint8_t answer) VST_MUST_USE;
/** An append has ended well: takes over where the data went, if that can be. */
enum vst_status vst_virtio_blk_take_append(const struct blk_queue *q, uint16_t id,
                                           struct vst_block_request *request) VST_MUST_USE;
/** See vst_block_driver. */
enum vst_status vst_virtio_blk_parse_zones(const void *report, size_t bytes, struct vst_zone *zones,
                                           size_t max, size_t *n_zones) VST_MUST_USE;

/** The second records every request (virtio_blk_traced.c). */
extern const struct vst_block_driver vst_virtio_blk_driver, vst_virtio_blk_traced_driver;

/**
 * Gives a command that is no read, write or flush to the ring; for GET_ID. `part.start_sector`
 * must be 0.
 */
enum vst_status vst_virtio_blk_issue(struct blk_queue *q, struct vst_block_request *request,
                                     uint32_t type, const struct vst_block_part *part) VST_MUST_USE;

/** Fills memory_bytes and queue_memory_bytes of a device whose queues have been created. */
void vst_virtio_blk_count_memory(struct blk_device *blk);

/** Logs what a queue looks like: its ring, what is in flight, its last events. On the queue's CPU. */
void vst_virtio_blk_dump(const struct blk_queue *q);

/**
 * True if the device was unplugged: its place on the bus is empty. Requests end by that alone;
 * memory that the device could reach is used again once its owner says so too (vst_virtio_blk_unplug).
 */
static inline VST_MUST_USE bool vst_virtio_blk_is_gone(const struct blk_device *blk)
{
    return vst_virtio_irq_is_gone(&blk->irq);
}

/** What a device out of service answers to who submits. */
static inline enum vst_status vst_virtio_blk_refusal(const struct blk_device *blk)
{
    return blk->base.gone ? VST_ERR_GONE : VST_ERR_BROKEN;
}

/** Stops the device for good: reset, or cut off from memory if it does not confirm that or is gone. */
void vst_virtio_blk_stop(struct blk_device *blk);

/**
 * Ends the command of a slot, with the request unless that has further parts: true if it has ended.
 * Unmaps its buffers; the slot's token and descriptors are the caller's.
 */
bool vst_virtio_blk_end_command(struct blk_queue *q, uint16_t id, struct vst_block_request *request,
                                enum vst_status status);
/** Unmaps what the platform has mapped for the slot's command, if anything. */
void vst_virtio_blk_unmap(struct blk_queue *q, uint16_t id,
                          const struct vst_block_request *request);

/*
 * Recovery (virtio_recovery.h): what is virtio-blk's of it, on the queue's CPU. Requests that it ends
 * are returned by polls.
 */

/** Tries again to replay what the platform had no room to map. From poll. */
void vst_virtio_blk_replay_waiting(struct blk_queue *q);
/** What recovery asks of this driver. */
extern const struct virtio_recovery_ops vst_virtio_blk_recovery_ops;

/** Before or after a reset, with INTx: what the device has to tell is taken from it. */
void vst_virtio_blk_irq_acknowledge(struct blk_device *blk);

#endif
