/* SPDX-License-Identifier: BSD-2-Clause */
/* vstor/vstor.h: all of the library's public face. */
#ifndef VSTOR_VSTOR_H
#define VSTOR_VSTOR_H

#include <vstor/types.h>
#include <vstor/platform.h>
#include <vstor/log.h>
#include <vstor/bounce.h>
#include <vstor/pci.h>
#include <vstor/block.h>
#include <vstor/partition.h>
#include <vstor/cache.h>
#include <vstor/files.h>
#include <vstor/scsi.h>
#include <vstor/scsi_units.h>
#include <vstor/scsi_paths.h>
#include <vstor/scsi_raw.h>
#include <vstor/scsi_reserve.h>
#include <vstor/zoned.h>
#include <vstor/trace.h>
#include <vstor/latency.h>
#include <vstor/virtio.h>

#endif
