/* SPDX-License-Identifier: BSD-2-Clause */
#include "scsi/port_groups.h"

#define LENGTH_BYTES     4u /* in front of what the length counts */
#define MOST_BYTES       65536u
#define DESCRIPTOR_BYTES 8u
#define PORT_BYTES       4u

const char *vst_scsi_access_state_name(uint8_t state)
{
    switch (state) {
    case SCSI_ACTIVE_OPTIMIZED:
        return "active/optimized";
    case SCSI_ACTIVE_NON_OPTIMIZED:
        return "active/non-optimized";
    case SCSI_STANDBY:
        return "standby";
    case SCSI_UNAVAILABLE:
        return "unavailable";
    case SCSI_LBA_DEPENDENT:
        return "block dependent";
    case SCSI_OFFLINE:
        return "offline";
    case SCSI_TRANSITIONING:
        return "transitioning";
    default:
        return "unknown";
    }
}

enum vst_status vst_scsi_port_groups_parse(struct scsi_view bytes, struct scsi_port_groups *groups)
{
    uint32_t length = scsi_be32(bytes, 0);

    if (!scsi_has(bytes, 0, LENGTH_BYTES))
        return VST_ERR_MALFORMED;
    if (length > MOST_BYTES - LENGTH_BYTES)
        length = MOST_BYTES - LENGTH_BYTES;
    *groups = (struct scsi_port_groups){
        .whole_bytes = LENGTH_BYTES + length,
        .groups = scsi_part(bytes, LENGTH_BYTES, length),
    };
    return VST_OK;
}

bool vst_scsi_next_port_group(const struct scsi_port_groups *groups, size_t *at,
                              struct scsi_port_group *group)
{
    struct scsi_view rest = scsi_part(groups->groups, *at, groups->groups.bytes);
    uint8_t n_ports = scsi_u8(rest, 7);

    if (!scsi_has(rest, 0, DESCRIPTOR_BYTES + (size_t)n_ports * PORT_BYTES))
        return false;
    *group = (struct scsi_port_group){
        .number = scsi_be16(rest, 2),
        .state = scsi_u8(rest, 0) & 0x0f,
        .preferred = scsi_u8(rest, 0) & 0x80,
        .n_ports = n_ports,
        .ports = scsi_part(rest, DESCRIPTOR_BYTES, (size_t)n_ports * PORT_BYTES),
    };
    *at += DESCRIPTOR_BYTES + group->ports.bytes;
    return true;
}

uint16_t vst_scsi_port_of_group(const struct scsi_port_group *group, unsigned index)
{
    return scsi_be16(group->ports, (size_t)index * PORT_BYTES + 2);
}
