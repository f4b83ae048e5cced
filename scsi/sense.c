/* SPDX-License-Identifier: BSD-2-Clause */
/* Sense data, fixed and descriptor format. (SPC-4, 4.5) */
#include <vstor/scsi_types.h>

#include "scsi/bytes.h"

#define CODE_FIXED               0x70u
#define CODE_FIXED_DEFERRED      0x71u
#define CODE_DESCRIPTOR          0x72u
#define CODE_DESCRIPTOR_DEFERRED 0x73u

#define HEADER_BYTES 8u

/* ------------------------------------------------------------------ what both formats have */

/** 4.5.2.4: what these three bytes mean depends on the key. */
static void take_key_specific(struct scsi_view bytes, struct vst_scsi_sense *sense)
{
    uint8_t first = scsi_u8(bytes, 0);
    uint16_t value = scsi_be16(bytes, 1);

    if (!scsi_has(bytes, 0, 3) || (first & 0x80) == 0) /* SKSV */
        return;
    switch (sense->key) {
    case VST_SCSI_ILLEGAL_REQUEST:
        sense->has_field = true;
        sense->field_in_cdb = first & 0x40;
        sense->field = value;
        break;
    case VST_SCSI_NO_SENSE:
    case VST_SCSI_NOT_READY:
        sense->has_progress = true;
        sense->progress = value;
        break;
    case VST_SCSI_RECOVERED_ERROR:
    case VST_SCSI_MEDIUM_ERROR:
    case VST_SCSI_HARDWARE_ERROR:
        sense->has_retries = true;
        sense->retries = value;
        break;
    default:
        break;
    }
}

/** Of stream and block commands: the same bits at the same place. */
static void take_marks(uint8_t byte, struct vst_scsi_sense *sense)
{
    sense->filemark = byte & 0x80;
    sense->end_of_medium = byte & 0x40;
    sense->incorrect_length = byte & 0x20;
}

/* ------------------------------------------------------------------ fixed format (4.5.3) */

static void parse_fixed(struct scsi_view bytes, struct vst_scsi_sense *sense)
{
    if (scsi_has(bytes, 7, 1))
        bytes = scsi_cut(bytes, HEADER_BYTES + scsi_u8(bytes, 7));
    sense->key = scsi_u8(bytes, 2) & 0x0f;
    sense->overflow = scsi_u8(bytes, 2) & 0x10;
    take_marks(scsi_u8(bytes, 2), sense);
    if ((scsi_u8(bytes, 0) & 0x80) != 0 && scsi_has(bytes, 3, 4)) {
        sense->has_information = true;
        sense->information = scsi_be32(bytes, 3);
    }
    /* No bit says whether it means anything: 0 is what most commands leave there. */
    sense->specific = scsi_be32(bytes, 8);
    sense->has_specific = sense->specific != 0;
    sense->asc = scsi_u8(bytes, 12);
    sense->ascq = scsi_u8(bytes, 13);
    sense->unit_code = scsi_u8(bytes, 14);
    take_key_specific(scsi_part(bytes, 15, 3), sense);
}

/* ------------------------------------------------------------------ descriptor format (4.5.2) */

enum descriptor_type {
    DESCRIPTOR_INFORMATION = 0x00,
    DESCRIPTOR_COMMAND_SPECIFIC = 0x01,
    DESCRIPTOR_KEY_SPECIFIC = 0x02,
    DESCRIPTOR_UNIT_CODE = 0x03,
    DESCRIPTOR_STREAM = 0x04,
    DESCRIPTOR_BLOCK = 0x05,
    DESCRIPTOR_PROGRESS = 0x0a,
    DESCRIPTOR_DIRECT_ACCESS = 0x0d,
};

static void take_information(struct scsi_view bytes, size_t at, struct vst_scsi_sense *sense)
{
    if ((scsi_u8(bytes, 2) & 0x80) == 0 || !scsi_has(bytes, at, 8))
        return;
    sense->has_information = true;
    sense->information = scsi_be64(bytes, at);
}

static void take_specific(struct scsi_view bytes, size_t at, struct vst_scsi_sense *sense)
{
    if (!scsi_has(bytes, at, 8))
        return;
    sense->has_specific = true;
    sense->specific = scsi_be64(bytes, at);
}

/** Another operation's progress; that of the command itself comes first. */
static void take_progress(struct scsi_view bytes, struct vst_scsi_sense *sense)
{
    if (sense->has_progress || !scsi_has(bytes, 6, 2))
        return;
    sense->has_progress = true;
    sense->progress = scsi_be16(bytes, 6);
}

/** SBC-3, 4.18.2: several of the above in one. */
static void take_direct_access(struct scsi_view bytes, struct vst_scsi_sense *sense)
{
    sense->incorrect_length = scsi_u8(bytes, 2) & 0x20;
    take_key_specific(scsi_part(bytes, 4, 3), sense);
    sense->unit_code = scsi_u8(bytes, 7);
    take_information(bytes, 8, sense);
    take_specific(bytes, 16, sense);
}

static void take_descriptor(struct scsi_view bytes, struct vst_scsi_sense *sense)
{
    switch (scsi_u8(bytes, 0)) {
    case DESCRIPTOR_INFORMATION:
        take_information(bytes, 4, sense);
        break;
    case DESCRIPTOR_COMMAND_SPECIFIC:
        take_specific(bytes, 4, sense);
        break;
    case DESCRIPTOR_KEY_SPECIFIC:
        take_key_specific(scsi_part(bytes, 4, 3), sense);
        break;
    case DESCRIPTOR_UNIT_CODE:
        sense->unit_code = scsi_u8(bytes, 3);
        break;
    case DESCRIPTOR_STREAM:
        take_marks(scsi_u8(bytes, 3), sense);
        break;
    case DESCRIPTOR_BLOCK:
        sense->incorrect_length = scsi_u8(bytes, 3) & 0x20;
        break;
    case DESCRIPTOR_PROGRESS:
        take_progress(bytes, sense);
        break;
    case DESCRIPTOR_DIRECT_ACCESS:
        take_direct_access(bytes, sense);
        break;
    default: /* of no use here */
        break;
    }
}

static void parse_descriptors(struct scsi_view bytes, struct vst_scsi_sense *sense)
{
    sense->key = scsi_u8(bytes, 1) & 0x0f;
    sense->asc = scsi_u8(bytes, 2);
    sense->ascq = scsi_u8(bytes, 3);
    sense->overflow = scsi_u8(bytes, 4) & 0x80;
    bytes = scsi_cut(bytes, HEADER_BYTES + scsi_u8(bytes, 7));
    for (size_t at = HEADER_BYTES; scsi_has(bytes, at, 2); at += 2u + bytes.at[at + 1])
        take_descriptor(scsi_part(bytes, at, 2u + bytes.at[at + 1]), sense);
}

/* ------------------------------------------------------------------ */

enum vst_status vst_scsi_sense_parse(const void *data, size_t bytes, struct vst_scsi_sense *sense)
{
    struct scsi_view view = scsi_view_of(data, bytes);
    uint8_t code = scsi_u8(view, 0) & 0x7f;

    *sense = (struct vst_scsi_sense){
        .is_descriptor = code == CODE_DESCRIPTOR || code == CODE_DESCRIPTOR_DEFERRED,
        .deferred = code == CODE_FIXED_DEFERRED || code == CODE_DESCRIPTOR_DEFERRED,
    };
    if (code < CODE_FIXED || code > CODE_DESCRIPTOR_DEFERRED ||
        !scsi_has(view, sense->is_descriptor ? 1 : 2, 1))
        return VST_ERR_MALFORMED;
    sense->valid = true;
    if (sense->is_descriptor)
        parse_descriptors(view, sense);
    else
        parse_fixed(view, sense);
    return VST_OK;
}
