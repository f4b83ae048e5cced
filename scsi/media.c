/* SPDX-License-Identifier: BSD-2-Clause */
#include "scsi/media.h"

/* ------------------------------------------------------------------ media events */

#define EVENT_HEADER_BYTES 4u
#define NO_EVENT_AVAILABLE 0x80u
#define NOTIFICATION_CLASS 0x07u
#define CLASS_MEDIA        4u
#define STATUS_DOOR_OPEN   0x01u
#define STATUS_PRESENT     0x02u
#define EVENT_CODE         0x0fu

enum vst_status vst_scsi_media_status_parse(struct scsi_view bytes, struct scsi_media_status *media)
{
    uint8_t what;

    if (!scsi_has(bytes, 0, EVENT_HEADER_BYTES))
        return VST_ERR_MALFORMED;
    /* 6.7.2.4: the length counts what follows it. */
    bytes = scsi_cut(bytes, scsi_be16(bytes, 0) + 2u);
    what = scsi_u8(bytes, 2);
    if ((what & NO_EVENT_AVAILABLE) != 0 || (what & NOTIFICATION_CLASS) != CLASS_MEDIA)
        return VST_ERR_UNSUPPORTED;
    if (!scsi_has(bytes, EVENT_HEADER_BYTES, 2))
        return VST_ERR_MALFORMED;
    uint8_t event = scsi_u8(bytes, 4) & EVENT_CODE;
    *media = (struct scsi_media_status){
        .event = event < SCSI_MEDIA_N_EVENTS ? event : SCSI_MEDIA_SAME,
        .present = scsi_u8(bytes, 5) & STATUS_PRESENT,
        .door_open = scsi_u8(bytes, 5) & STATUS_DOOR_OPEN,
    };
    return VST_OK;
}

/* ------------------------------------------------------------------ table of contents */

#define TRACK_BYTES  8u
#define MOST_TRACKS  100u
#define LAST_TRACK   99u
#define CONTROL_DATA 0x04u

enum vst_status vst_scsi_toc_parse(struct scsi_view bytes, struct scsi_toc *toc)
{
    if (!scsi_has(bytes, 0, SCSI_TOC_HEADER_BYTES))
        return VST_ERR_MALFORMED;
    bytes = scsi_cut(bytes, scsi_be16(bytes, 0) + 2u);
    struct scsi_view entries = scsi_part(bytes, SCSI_TOC_HEADER_BYTES, TRACK_BYTES * MOST_TRACKS);
    struct scsi_toc found = {
        .first_track = scsi_u8(bytes, 2),
        .last_track = scsi_u8(bytes, 3),
        .n_entries = (uint8_t)(entries.bytes / TRACK_BYTES),
        .entries = entries,
    };
    if (found.first_track == 0 || found.first_track > found.last_track ||
        found.last_track > LAST_TRACK)
        return VST_ERR_MALFORMED;
    *toc = found;
    return VST_OK;
}

struct scsi_track vst_scsi_toc_track(const struct scsi_toc *toc, unsigned index)
{
    struct scsi_view entry = scsi_part(toc->entries, (size_t)index * TRACK_BYTES, TRACK_BYTES);

    return (struct scsi_track){
        .number = scsi_u8(entry, 2),
        .is_data = scsi_u8(entry, 1) & CONTROL_DATA,
        .start_block = scsi_be32(entry, 4),
    };
}

/* ------------------------------------------------------------------ capacity */

enum vst_status vst_scsi_cd_capacity_parse(struct scsi_view bytes, uint64_t *n_blocks)
{
    uint32_t last = scsi_be32(bytes, 0), block_bytes = scsi_be32(bytes, 4);

    if (!scsi_has(bytes, 0, 8) || last == UINT32_MAX)
        return VST_ERR_MALFORMED;
    if (block_bytes != SCSI_CD_BLOCK_BYTES && block_bytes != 0 && block_bytes != 2340 &&
        block_bytes != 2352)
        return VST_ERR_UNSUPPORTED;
    *n_blocks = last + 1ull;
    return VST_OK;
}

/* ------------------------------------------------------------------ features */

#define LENGTH_BYTES         4u /* in front of what the length counts */
#define FEATURE_HEADER_BYTES 4u
#define FEATURE_CURRENT      0x01u

enum vst_status vst_scsi_configuration_parse(struct scsi_view bytes,
                                             struct scsi_configuration *configuration)
{
    uint32_t length;

    if (!scsi_has(bytes, 0, SCSI_CONFIGURATION_HEADER_BYTES))
        return VST_ERR_MALFORMED;
    length = scsi_be32(bytes, 0);
    if (length < SCSI_CONFIGURATION_HEADER_BYTES - LENGTH_BYTES)
        return VST_ERR_MALFORMED;
    /* The command can't ask for more than 64 KiB. */
    if (length > UINT16_MAX - LENGTH_BYTES)
        length = UINT16_MAX - LENGTH_BYTES;
    *configuration = (struct scsi_configuration){
        .profile = scsi_be16(bytes, 6),
        .whole_bytes = length + LENGTH_BYTES,
        .features = scsi_part(scsi_cut(bytes, length + LENGTH_BYTES),
                              SCSI_CONFIGURATION_HEADER_BYTES, length),
    };
    return VST_OK;
}

bool vst_scsi_find_feature(const struct scsi_configuration *configuration, uint16_t code,
                           struct scsi_feature *feature)
{
    struct scsi_view all = configuration->features;
    size_t bytes;

    for (size_t at = 0; scsi_has(all, at, FEATURE_HEADER_BYTES);
         at += FEATURE_HEADER_BYTES + bytes) {
        bytes = scsi_u8(all, at + 3);
        if (scsi_be16(all, at) != code)
            continue;
        *feature = (struct scsi_feature){
            .code = code,
            .current = scsi_u8(all, at + 2) & FEATURE_CURRENT,
            .data = scsi_part(all, at + FEATURE_HEADER_BYTES, bytes),
        };
        return feature->data.bytes == bytes;
    }
    return false;
}

const char *vst_scsi_profile_name(uint16_t profile)
{
    switch (profile) {
    case 0x0000:
        return "no medium";
    case 0x0008:
        return "CD-ROM";
    case 0x0009:
        return "CD-R";
    case 0x000a:
        return "CD-RW";
    case 0x0010:
        return "DVD-ROM";
    case 0x0011:
        return "DVD-R";
    case 0x0012:
        return "DVD-RAM";
    case 0x001a:
        return "DVD+RW";
    case 0x001b:
        return "DVD+R";
    case 0x0040:
        return "BD-ROM";
    case 0x0041:
        return "BD-R";
    case 0x0043:
        return "BD-RE";
    default:
        return "unknown";
    }
}
