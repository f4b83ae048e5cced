/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/zoned.h: zoned block devices: host-managed ones, whose sequential zones are written at their
 * write pointer only, and host-aware ones. (VIRTIO 1.3, 5.2)
 *
 * What the library guarantees on such a device, and what is left to the caller:
 *
 * - Requests go to the device in the order in which they are submitted to a queue; none is split
 *   that one command can carry, and writes are never joined. But a device may carry out at once, and
 *   in any order, whatever it has: who writes a zone keeps one write of it in flight at a time (on
 *   all queues together), or appends.
 * - A write that needs several commands is given to the device one command at a time, each when the
 *   one before it has succeeded. After an error nothing was given to it but what lies before
 *   error_sector, which succeeded, and the command that begins there. What was submitted to the queue
 *   after it waits.
 * - On a host-managed device no command crosses from one zone into the next: reads and writes that
 *   do are split there. Start and length of writes are multiples of write_granularity_bytes
 *   (VST_ERR_INVALID), in conventional zones as well: which they are the library does not know.
 * - An append is one command, or it is refused (VST_ERR_TOO_LARGE).
 * - Where the device fails and is reset, no append, no command to a zone and, on a host-managed
 *   device, no write is given to it again: done twice they would fail, or be there twice. They end
 *   with VST_ERR_RESET. A report tells by the write pointer what has arrived; of several appends in
 *   flight, it does not tell which.
 * - Discard and write zeroes are not used on a host-managed device (VST_ERR_UNSUPPORTED): zones are
 *   emptied by a reset. A secure erase names whole zones.
 *
 * A queue belongs to one CPU, as always; zones are the device's, whatever the queue.
 */
#ifndef VSTOR_ZONED_H
#define VSTOR_ZONED_H

#include <vstor/block.h>

VST_BEGIN_C

/** Where a zone may be written. */
enum vst_zone_type {
    VST_ZONE_CONVENTIONAL,         /**< written anywhere, in any order */
    VST_ZONE_SEQUENTIAL,           /**< written at the write pointer only */
    VST_ZONE_SEQUENTIAL_PREFERRED, /**< better written there */
    VST_ZONE_N_TYPES
};

/** What may be done with it now. (ZBC, 4.4.3) */
enum vst_zone_state {
    VST_ZONE_NO_POINTER, /**< conventional */
    VST_ZONE_EMPTY,
    VST_ZONE_OPEN_BY_WRITE, /**< the device may close it again by itself */
    VST_ZONE_OPEN,          /**< by VST_BLOCK_ZONE_OPEN */
    VST_ZONE_CLOSED,        /**< written in part */
    VST_ZONE_FULL,
    VST_ZONE_READ_ONLY, /**< worn out: it can still be read */
    VST_ZONE_OFFLINE,   /**< worn out: neither read nor written */
    VST_ZONE_N_STATES
};

/** A zone as the device last reported it. 512-byte sectors. */
struct vst_zone {
    uint64_t start_sector, n_sectors;
    uint64_t capacity_sectors; /**< from the start on: what can be written; at most n_sectors */
    uint64_t write_sector;     /**< where the next write goes; where there is no such place (see
                                  vst_zone_has_pointer), the end of the capacity */
    enum vst_zone_type type;
    enum vst_zone_state state;
};

/** "conventional", "sequential", ...; "unknown" for others. */
const char *vst_zone_type_name(enum vst_zone_type type);
/** "empty", "full", ...; "unknown" for others. */
const char *vst_zone_state_name(enum vst_zone_state state);
/** "none", "host-managed", "host-aware"; "unknown" for others. */
const char *vst_zone_model_name(enum vst_zone_model model);

/** Whether write_sector of a zone in this state is where the next write goes. */
static inline bool vst_zone_has_pointer(enum vst_zone_state state)
{
    return state >= VST_ZONE_EMPTY && state <= VST_ZONE_CLOSED;
}

/** How many zones the device has, the shorter last one included; 0 if it is not zoned. */
static inline uint64_t vst_zone_count(const struct vst_block_limits *limits)
{
    uint32_t zone_sectors = limits->zones.zone_sectors;

    return zone_sectors == 0
               ? 0
               : limits->n_sectors / zone_sectors + (limits->n_sectors % zone_sectors != 0);
}

/** Bytes of a buffer that takes a report of n zones. */
#define VST_ZONE_REPORT_BYTES(n) (64u * ((n) + 1u))

/**
 * What a VST_BLOCK_ZONE_REPORT request with this start_sector has brought into `report`: stores at
 * most `max` zones, from that which holds the sector on, each checked against the device's limits
 * and the one before it, and how many these are, at least 1. `report` should have held zeroes before
 * the request: a device that writes less than it says is found out by that. Touches nothing else.
 *
 * VST_ERR_MALFORMED    the report makes no sense          VST_ERR_UNSUPPORTED  not a zoned device
 */
enum vst_status vst_zone_report_parse(const struct vst_block_device *device, uint64_t start_sector,
                                      const void *report, size_t bytes, struct vst_zone *zones,
                                      size_t max, size_t *n_zones) VST_MUST_USE;

/**
 * Reports zones from that which holds start_sector on: as many as `max`, the device and `buffer`
 * (the caller's, for the report itself: VST_ZONE_REPORT_BYTES, of which one segment's worth is used)
 * allow, at least one. The next call begins at the end of the last. Blocks like vst_block_execute;
 * its errors and those of vst_zone_report_parse.
 */
enum vst_status vst_zone_report(struct vst_block_queue *queue, uint64_t start_sector, void *buffer,
                                size_t buffer_bytes, struct vst_zone *zones, size_t max,
                                size_t *n_zones) VST_MUST_USE;

/**
 * VST_BLOCK_ZONE_OPEN, CLOSE, FINISH or RESET of the zone that begins at start_sector, or RESET_ALL
 * with 0. Blocks like vst_block_execute. VST_ERR_ZONE_* as the device says (VIRTIO 1.3, 5.2.6.2),
 * VST_ERR_INVALID if no zone begins there.
 */
enum vst_status vst_zone_manage(struct vst_block_queue *queue, enum vst_block_op op,
                                uint64_t start_sector) VST_MUST_USE;

/**
 * Writes `bytes` (a multiple of write_granularity_bytes) at the write pointer of the zone that begins
 * at start_sector; *append_sector, unless NULL, is where that was. Blocks like vst_block_execute.
 * VST_ERR_TOO_LARGE if one command can't carry it; VST_ERR_MALFORMED if the device names a place
 * outside the zone: the data are somewhere.
 */
enum vst_status vst_zone_append(struct vst_block_queue *queue, uint64_t start_sector,
                                const void *buffer, size_t bytes,
                                uint64_t *append_sector) VST_MUST_USE;

VST_END_C

#endif
