/* SPDX-License-Identifier: BSD-2-Clause */
/* What lsblk and parts tell of a device's partition table. */
#ifndef VSTOR_SHELL_PARTITIONS_H
#define VSTOR_SHELL_PARTITIONS_H

#include "command.h"

struct partitions {
    struct vst_block_device *device;
    enum vst_status status; /* of reading; not VST_OK: there are none */
    struct vst_partition_table table;
    struct vst_partition *list; /* table.n; NULL if there are none */
};

/*
 * What is known of a device is kept until something is written to it, its medium or size changes, or
 * partitions_forget: to look at a list of disks asks nothing of them but the first time. All are
 * valid until the next call.
 */

/**
 * What is known; if nothing is, it is read, unless the device is out of service, has no medium, or has
 * once left a command without an answer: a list is not worth waiting for that again.
 */
const struct partitions *partitions_known(const struct shell_host *host,
                                          struct vst_block_device *device);
/** The same, read anew. */
const struct partitions *partitions_look(const struct shell_host *host,
                                         struct vst_block_device *device);
/** Of all devices. */
void partitions_forget(void);

/** The boot catalogue of a CD's image that has another table as well; to be freed. */
void partitions_read_boot_images(struct partitions *partitions, struct vst_block_device *device);
void partitions_free(struct partitions *partitions);

/** Of that number; NULL if there is none. */
const struct vst_partition *partitions_number(const struct partitions *partitions, uint32_t number);

/** The members of a partition: "name", "offset", ... */
void partitions_json_one(struct json *json, const struct partitions *partitions,
                         const struct vst_partition *partition);
/** "pttype", what is wrong, and "partitions". */
void partitions_json(struct json *json, const struct partitions *partitions);

/** "Linux"; what type it is where that has no name we know. Returns `text` or a fixed one. */
#define PARTITION_TYPE_BYTES VST_GUID_TEXT_BYTES
const char *partitions_type_text(const struct partitions *partitions,
                                 const struct vst_partition *partition,
                                 char text[PARTITION_TYPE_BYTES]);

/** What ought to be repaired, one by one: `i` from 0 on; NULL behind the last. */
const char *partitions_complaint(const struct partitions *partitions, unsigned i);

#endif
