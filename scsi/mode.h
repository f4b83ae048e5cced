/* SPDX-License-Identifier: BSD-2-Clause */
/* Mode parameters: write protection and the write cache. (SPC-4, 7.5; SBC-3, 6.4) */
#ifndef VSTOR_SCSI_MODE_H
#define VSTOR_SCSI_MODE_H

#include <vstor/scsi_types.h>

#include "scsi/bytes.h"

enum scsi_mode_page {
    SCSI_MODE_PAGE_CACHING = 0x08,
    SCSI_MODE_PAGE_ALL = 0x3f,
};

/** Which of the two forms of MODE SENSE and MODE SELECT. */
enum scsi_mode_form {
    SCSI_MODE_6,
    SCSI_MODE_10,
};

/** Enough for header, block descriptors and the caching page. */
#define SCSI_MODE_BYTES 192u

struct scsi_mode {
    bool write_protected;
    bool can_fua; /**< DPOFUA: it understands DPO and FUA */
    bool has_caching;
    bool write_cache;         /**< WCE */
    bool read_cache;          /**< RCD is not set */
    uint8_t header_bytes;     /**< of the form */
    struct scsi_view pages;   /**< what follows header and block descriptors */
    struct scsi_view caching; /**< the caching page, with its header; empty unless has_caching */
};

/** VST_ERR_MALFORMED: not even the header, or block descriptors that reach beyond the end. */
enum vst_status vst_scsi_mode_parse(struct scsi_view bytes, enum scsi_mode_form form,
                                    struct scsi_mode *mode) VST_MUST_USE;

/**
 * Into `list` the parameter list of a MODE SELECT that switches the write cache and leaves all else
 * as `mode` has it; the length is stored in *list_bytes. VST_ERR_UNSUPPORTED: no caching page with
 * that bit. VST_ERR_TOO_LARGE: no room.
 */
enum vst_status vst_scsi_mode_put_write_cache(const struct scsi_mode *mode, bool on, uint8_t *list,
                                              size_t max_bytes, size_t *list_bytes) VST_MUST_USE;

#endif
