/* SPDX-License-Identifier: BSD-2-Clause */
#include "scsi/inquiry.h"

/* 6.6.2: what every unit must tell, up to the additional length. */
#define LEAST_BYTES 5u

enum vst_status vst_scsi_inquiry_parse(struct scsi_view bytes, struct scsi_inquiry *inquiry)
{
    if (!scsi_has(bytes, 0, LEAST_BYTES))
        return VST_ERR_MALFORMED;
    bytes = scsi_cut(bytes, LEAST_BYTES + scsi_u8(bytes, 4));
    *inquiry = (struct scsi_inquiry){
        .qualifier = scsi_u8(bytes, 0) >> 5,
        .type = scsi_u8(bytes, 0) & 0x1f,
        .removable = scsi_u8(bytes, 1) & 0x80,
        .version = scsi_u8(bytes, 2),
        .deep_luns = scsi_u8(bytes, 3) & 0x10,
        .port_groups = scsi_u8(bytes, 5) >> 4 & 3,
        .protection = scsi_u8(bytes, 5) & 0x01,
        .multiport = scsi_u8(bytes, 6) & 0x10,
        .queueing = scsi_u8(bytes, 7) & 0x02,
    };
    vst_scsi_text(scsi_part(bytes, 8, 8), inquiry->vendor, sizeof(inquiry->vendor));
    vst_scsi_text(scsi_part(bytes, 16, 16), inquiry->product, sizeof(inquiry->product));
    vst_scsi_text(scsi_part(bytes, 32, 4), inquiry->revision, sizeof(inquiry->revision));
    return VST_OK;
}

const char *vst_scsi_type_name(uint8_t type)
{
    static const char *const names[] = {
        [0x00] = "disk",     [0x01] = "tape",       [0x02] = "printer", [0x03] = "process",
        [0x04] = "worm",     [0x05] = "cd/dvd",     [0x06] = "scanner", [0x07] = "optical",
        [0x08] = "mediumx",  [0x09] = "comms",      [0x0c] = "storage", [0x0d] = "enclosu",
        [0x0e] = "sim disk", [0x0f] = "optical cr", [0x11] = "osd",     [0x12] = "automation",
        [0x14] = "zbc",      [0x1e] = "wlun",       [0x1f] = "no dev",
    };

    return type < VST_ARRAY_LENGTH(names) && names[type] != NULL ? names[type] : "unknown";
}
