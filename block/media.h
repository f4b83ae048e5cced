/* SPDX-License-Identifier: BSD-2-Clause */
/* What the path of a request asks of removable media. */
#ifndef VSTOR_BLOCK_MEDIA_H
#define VSTOR_BLOCK_MEDIA_H

#include <vstor/block.h>

/** VST_OK, or what requests end with. */
enum vst_status vst_block_medium_status(const struct vst_block_device *device);

#endif
