/* SPDX-License-Identifier: BSD-2-Clause */
/* What REPORT TARGET PORT GROUPS tells: how well each way to a unit serves. (SPC-4, 5.16, 6.37) */
#ifndef VSTOR_SCSI_PORT_GROUPS_H
#define VSTOR_SCSI_PORT_GROUPS_H

#include <vstor/scsi_types.h>

#include "scsi/bytes.h"

/** ASYMMETRIC ACCESS STATE */
enum scsi_access_state {
    SCSI_ACTIVE_OPTIMIZED = 0x0,
    SCSI_ACTIVE_NON_OPTIMIZED = 0x1,
    SCSI_STANDBY = 0x2,
    SCSI_UNAVAILABLE = 0x3,
    SCSI_LBA_DEPENDENT = 0x4,
    SCSI_OFFLINE = 0xe,
    SCSI_TRANSITIONING = 0xf,
};

/** "active/optimized", ...; "unknown" for others. */
const char *vst_scsi_access_state_name(uint8_t state);

struct scsi_port_groups {
    uint32_t whole_bytes; /**< that the list takes, at most 64 KiB: to ask again */
    struct scsi_view groups;
};

struct scsi_port_group {
    uint16_t number; /**< as page 83h names it */
    uint8_t state;   /**< enum scsi_access_state */
    bool preferred;
    uint8_t n_ports;        /**< received, whole */
    struct scsi_view ports; /**< 4 bytes each, the relative target port in the last two */
};

/** VST_ERR_MALFORMED: not even the header. */
enum vst_status vst_scsi_port_groups_parse(struct scsi_view bytes,
                                           struct scsi_port_groups *groups) VST_MUST_USE;
/** Takes the one at *at, which starts at 0, and goes on behind it. False: no more, or it is cut. */
bool vst_scsi_next_port_group(const struct scsi_port_groups *groups, size_t *at,
                              struct scsi_port_group *group);
/** Relative target port `index` below n_ports; 0, which is none, beyond. */
uint16_t vst_scsi_port_of_group(const struct scsi_port_group *group, unsigned index);

#endif
