/* SPDX-License-Identifier: BSD-2-Clause */
/* CD and DVD: media events, tables of contents, features. (MMC-6, 6.6, 6.7, 6.26) */
#ifndef VSTOR_SCSI_MEDIA_H
#define VSTOR_SCSI_MEDIA_H

#include <vstor/scsi_types.h>

#include "scsi/bytes.h"

/* ------------------------------------------------------------------ GET EVENT STATUS NOTIFICATION */

#define SCSI_EVENT_STATUS_BYTES 8u

/** MEDIA EVENT: 6.7.2.6 */
enum scsi_media_event {
    SCSI_MEDIA_SAME,
    SCSI_MEDIA_EJECT_WANTED, /**< somebody pressed the button */
    SCSI_MEDIA_NEW,
    SCSI_MEDIA_REMOVED,
    SCSI_MEDIA_CHANGED,
    SCSI_MEDIA_FORMAT_ENDED,
    SCSI_MEDIA_FORMAT_RESTARTED,
    SCSI_MEDIA_N_EVENTS
};

struct scsi_media_status {
    uint8_t event; /**< enum scsi_media_event; those not known are SCSI_MEDIA_SAME */
    bool present, door_open;
};

/** VST_ERR_UNSUPPORTED: the unit has no such events. VST_ERR_MALFORMED: not whole. */
enum vst_status vst_scsi_media_status_parse(struct scsi_view bytes,
                                            struct scsi_media_status *media) VST_MUST_USE;

/* ------------------------------------------------------------------ READ TOC */

#define SCSI_TOC_HEADER_BYTES 4u
/** Of 99 tracks and the lead-out. */
#define SCSI_TOC_BYTES (SCSI_TOC_HEADER_BYTES + 100u * 8u)

#define SCSI_TRACK_LEAD_OUT 0xaau

struct scsi_track {
    uint8_t number; /**< 1 to 99, or SCSI_TRACK_LEAD_OUT */
    bool is_data;   /**< else audio */
    uint32_t start_block;
};

struct scsi_toc {
    uint8_t first_track, last_track;
    uint8_t n_entries; /**< received, the lead-out among them; at most 100 */
    struct scsi_view entries;
};

/** VST_ERR_MALFORMED: not even the header, or no sense in it. */
enum vst_status vst_scsi_toc_parse(struct scsi_view bytes, struct scsi_toc *toc) VST_MUST_USE;
/** Entry `index` below n_entries. */
struct scsi_track vst_scsi_toc_track(const struct scsi_toc *toc, unsigned index);

/* ------------------------------------------------------------------ READ CAPACITY */

/** Blocks of CDs and DVDs have so many bytes of data, whatever else is stored with them. */
#define SCSI_CD_BLOCK_BYTES 2048u

/**
 * How many blocks the medium has. Drives that tell the length of raw blocks, or none, mean blocks
 * of data. VST_ERR_MALFORMED: too short, or more blocks than READ (10) names; VST_ERR_UNSUPPORTED:
 * other blocks.
 */
enum vst_status vst_scsi_cd_capacity_parse(struct scsi_view bytes, uint64_t *n_blocks) VST_MUST_USE;

/* ------------------------------------------------------------------ GET CONFIGURATION */

#define SCSI_CONFIGURATION_HEADER_BYTES 8u

enum scsi_feature_code {
    SCSI_FEATURE_PROFILES = 0x0000,
    SCSI_FEATURE_REMOVABLE = 0x0003,
    SCSI_FEATURE_RANDOM_READ = 0x0010,
    SCSI_FEATURE_RANDOM_WRITE = 0x0020,
};

struct scsi_configuration {
    uint16_t profile; /**< what the medium is: 0 none, 8 CD-ROM, 16 DVD-ROM, ... */
    uint32_t
        whole_bytes; /**< that the list takes, to ask again where it is more than was received */
    struct scsi_view features;
};

struct scsi_feature {
    uint16_t code;
    bool current;          /**< with the medium that is in now */
    struct scsi_view data; /**< whole */
};

enum vst_status vst_scsi_configuration_parse(struct scsi_view bytes,
                                             struct scsi_configuration *configuration) VST_MUST_USE;
/** False if there is none of that code, or it is cut. */
bool vst_scsi_find_feature(const struct scsi_configuration *configuration, uint16_t code,
                           struct scsi_feature *feature);

/** "CD-ROM", "DVD-ROM", ...; "no medium" for 0, "unknown" for others. */
const char *vst_scsi_profile_name(uint16_t profile);

#endif
