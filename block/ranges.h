/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests on ranges of sectors, without data: checked, and cut into parts. */
#ifndef VSTOR_BLOCK_RANGES_H
#define VSTOR_BLOCK_RANGES_H

#include <vstor/block.h>

/** Whether the device has the operation, and all ranges lie on it in whole blocks. */
enum vst_status vst_block_check_ranges(const struct vst_block_device *device,
                                       const struct vst_block_request *request) VST_MUST_USE;

/** The next part of a request that has some left: as many pieces of ranges as one command takes. */
struct vst_block_part vst_block_next_range_part(const struct vst_block_request *request,
                                                const struct vst_block_limits *limits);

/** Where that part begins. */
uint64_t vst_block_next_range_sector(const struct vst_block_request *request);

/** The part has been issued: the request stands behind it. */
void vst_block_advance_ranges(struct vst_block_request *request, const struct vst_block_part *part,
                              const struct vst_block_limits *limits);

#endif
