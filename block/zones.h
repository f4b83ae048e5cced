/* SPDX-License-Identifier: BSD-2-Clause */
/* What zones ask of reads and writes, and requests that only zoned devices take. */
#ifndef VSTOR_BLOCK_ZONES_H
#define VSTOR_BLOCK_ZONES_H

#include <vstor/zoned.h>

static inline bool vst_block_is_host_managed(const struct vst_block_limits *limits)
{
    return limits->zones.model == VST_ZONE_MODEL_HOST_MANAGED;
}

/** Most sectors that a command may reach from there on: up to the end of the zone, if that binds. */
static inline uint64_t vst_block_zone_reach(const struct vst_block_limits *limits,
                                            uint64_t start_sector)
{
    uint32_t zone_sectors = limits->zones.zone_sectors;

    return vst_block_is_host_managed(limits) ? zone_sectors - start_sector % zone_sectors
                                             : UINT64_MAX;
}

/** Bytes of which a command of this kind carries a multiple, and begins at one. */
static inline uint32_t vst_block_unit_bytes(const struct vst_block_limits *limits,
                                            enum vst_block_op op)
{
    return op != VST_BLOCK_READ && vst_block_is_host_managed(limits)
               ? limits->zones.write_granularity_bytes
               : limits->logical_block_bytes;
}

/** Whether a read, or a write that a host-managed device takes. */
static inline bool vst_block_keeps_granularity(const struct vst_block_limits *limits,
                                               const struct vst_block_request *request)
{
    uint32_t unit_sectors = limits->zones.write_granularity_bytes / VST_SECTOR_BYTES;

    return request->op == VST_BLOCK_READ || !vst_block_is_host_managed(limits) ||
           (request->start_sector % unit_sectors == 0 && request->n_sectors % unit_sectors == 0);
}

/** Whether the parts of a split request go one after the other, and none after one that failed. */
static inline bool vst_block_goes_in_order(const struct vst_block_limits *limits,
                                           enum vst_block_op op)
{
    return limits->zones.model != VST_ZONE_MODEL_NONE &&
           (op == VST_BLOCK_WRITE || op == VST_BLOCK_WRITE_DURABLE);
}

/** Checks and submits what vst_block_op_is_zoned says. */
enum vst_status vst_block_submit_zoned(struct vst_block_queue *queue,
                                       struct vst_block_request *request) VST_MUST_USE;

#endif
