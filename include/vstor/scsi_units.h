/* SPDX-License-Identifier: BSD-2-Clause */
/* vstor/scsi_units.h: finding the logical units behind a host adapter, and using them as disks. */
#ifndef VSTOR_SCSI_UNITS_H
#define VSTOR_SCSI_UNITS_H

#include <vstor/scsi.h>

/**
 * Runs one command on a queue to its end, which is its outcome; what is not answered in time ends by
 * an adapter reset. Sets command->done and ->late. On the queue's CPU; blocks for the command's
 * time-out and the reset, seconds at most beyond it. Errors: those of vst_scsi_hba_ops.submit; VST_OK
 * says that there is an outcome, whatever it is.
 */
enum vst_status vst_scsi_run(struct vst_scsi_hba_queue *queue,
                             struct vst_scsi_command *command) VST_MUST_USE;

/** A unit that a scan has found. */
struct vst_scsi_found {
    uint8_t target;
    struct vst_scsi_lun lun;
    uint8_t type; /**< enum vst_scsi_device_type */
    bool removable;
    char vendor[9], product[17], revision[5]; /**< printable, without spaces around */
};

/**
 * Looks for units: REPORT LUNS to LUN 0 of every target, one LUN after the other where a target does
 * not know it. Calls `found` for each. On the CPU of the adapter's first queue; blocks as long as
 * targets take to answer. VST_ERR_NO_MEMORY; VST_ERR_BROKEN: the adapter fails.
 */
enum vst_status vst_scsi_scan(struct vst_scsi_hba *hba,
                              void (*found)(void *ctx, const struct vst_scsi_found *unit),
                              void *ctx) VST_MUST_USE;

/**
 * Makes a block device of a disk. Memory, all through platform->alloc: 2 KiB, and 1 KiB for each of
 * the adapter's queues, private. On the CPU of the adapter's first queue, blocks while the unit
 * answers some commands. The name is the registry's to give ("sd"), the adapter must outlive it.
 *
 * VST_ERR_UNSUPPORTED    it is no disk
 * VST_ERR_MALFORMED      what it says of itself makes no sense
 * VST_ERR_NOT_READY, VST_ERR_NO_MEDIUM, VST_ERR_IO ...   it does not tell its capacity
 */
enum vst_status vst_scsi_disk_attach(struct vst_scsi_hba *hba, uint8_t target,
                                     const struct vst_scsi_lun *lun,
                                     struct vst_block_device **device) VST_MUST_USE;

/** Gives its memory back. Nothing of it may be in flight. */
void vst_scsi_disk_detach(struct vst_block_device *device);

#endif
