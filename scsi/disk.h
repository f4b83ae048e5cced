/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk as a block device: private structures. (SBC-3) */
#ifndef VSTOR_SCSI_DISK_H
#define VSTOR_SCSI_DISK_H

#include "scsi/policy.h"
#include "scsi/run.h"
#include "scsi/units.h"

/** One of the disk's queues: one of its adapter's. */
struct disk_queue {
    struct vst_scsi_block_queue base;
    struct disk *disk;
    uint8_t block_shift; /**< a logical block is VST_SECTOR_BYTES << block_shift */
    bool is_long;        /**< blocks beyond 32 bits: 16-byte commands */
    /** To be given again, not before again_ns. */
    struct vst_block_request_list waiting;
    uint64_t again_ns;
    int32_t n_most;    /**< base.n_room with nothing in flight */
    uint64_t parts_ns; /**< parts of split requests are not given before; 0: at once */
};

struct disk {
    struct vst_block_device base;
    struct vst_scsi_hba *hba;
    struct unit *unit;
    bool owns_unit; /**< nobody else knows of it */
    size_t bytes;   /**< of this structure with what follows */
    struct vst_block_queue **queue_list;
    struct disk_queue queues[];
};

extern const struct vst_block_driver vst_scsi_disk_driver;
extern const struct vst_scsi_block_upcalls vst_scsi_disk_upcalls;
extern const struct unit_driver vst_scsi_disk_unit_driver;

#endif
