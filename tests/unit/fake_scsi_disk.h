/* SPDX-License-Identifier: BSD-2-Clause */
/* What the disks behind fake_virtio_scsi.h do beyond reading and writing: struct fake_disk says which. */
#ifndef VSTOR_TESTS_FAKE_SCSI_DISK_H
#define VSTOR_TESTS_FAKE_SCSI_DISK_H

#include "tests/unit/fake_virtio_scsi.h"

/** How a command ended: key 0 is well. */
struct fake_disk_sense {
    uint8_t key, asc;
    bool has_block;
    uint64_t block;
    const char *misuse; /* what no driver may do */
};

/** The list of pages, behind the two that every unit has; its length. */
size_t fake_disk_pages(const struct fake_unit *unit, uint8_t *data);
/** B0h or B2h, 64 bytes; false: the disk has no such page. */
bool fake_disk_page(const struct fake_unit *unit, uint8_t page, uint8_t *data);
/** Provisioning and protection into READ CAPACITY (16). */
void fake_disk_capacity(const struct fake_unit *unit, uint8_t *data);
/** MODE SENSE; 0: it does not know that form. */
size_t fake_disk_mode(const struct fake_unit *unit, const uint8_t *cdb, uint8_t *data);
/** Whether it knows that form of READ and WRITE. */
bool fake_disk_takes(struct fake_unit *unit, const uint8_t *cdb);
/** All other commands, with the data that they send. */
void fake_disk_serve(struct fake_unit *unit, const uint8_t *cdb, const uint8_t *data, size_t bytes,
                     struct fake_disk_sense *sense);

#endif
