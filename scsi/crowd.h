/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many short commands at the same time, each with the retries that the policy has, while it is found
 * out what there is: a number of conversations, each with one unit at a time.
 */
#ifndef VSTOR_SCSI_CROWD_H
#define VSTOR_SCSI_CROWD_H

#include <vstor/scsi.h>

#include "scsi/bytes.h"
#include "scsi/policy.h"
#include "scsi/recovery.h"

enum scsi_call_state {
    SCSI_CALL_IDLE,
    SCSI_CALL_ASKS, /**< has a question that is to be given, not before again_ns */
    SCSI_CALL_WAITS,
    SCSI_CALL_ENDED, /**< the command has */
};

/** One conversation. */
struct scsi_call {
    enum scsi_call_state state;
    void *shared; /**< memory that units may write */
    struct vst_scsi_command command;
    struct vst_block_segment segment;
    struct scsi_tries tries;
    struct vst_scsi_hba *hba;
    struct scsi_recovery recovery; /**< of what is not answered in time */
    bool was_late;
    uint32_t waited_ms;
    uint64_t again_ns;
    void *topic; /**< the user's: whom it is about */
    unsigned step;
};

struct scsi_crowd {
    struct vst_scsi_hba_queue *queue;
    /** More to ask: begins with scsi_call_ask and returns true; false: that was all. */
    bool (*begin)(struct scsi_crowd *crowd, struct scsi_call *call);
    /**
     * How a question ended, as the policy says, and the bytes that came, which are valid during the
     * call. It may go on with scsi_call_ask.
     */
    void (*answered)(struct scsi_crowd *crowd, struct scsi_call *call, enum vst_status status,
                     struct scsi_view view);
    void *ctx;
    uint32_t patience_ms; /**< how long a unit may put off an answer */
    uint64_t end_ns;      /**< nothing is asked later than that */
    /** How the crowd failed: VST_ERR_BROKEN, VST_ERR_GONE: the adapter; VST_ERR_TIMEOUT: end_ns. */
    enum vst_status status;
    uint32_t bytes_each;
    uint8_t *bytes;   /**< what came last, copied out */
    size_t n_bytes;   /**< of this structure with what follows */
    uint16_t n_calls; /**< conversations */
    struct scsi_call calls[];
};

/**
 * For `n_calls` conversations with answers of at most `bytes_each` bytes. NULL: no memory. The user
 * fills begin, answered, ctx, and may change patience_ms and end_ns: 2 seconds, 2 minutes from now.
 */
struct scsi_crowd *vst_scsi_crowd_open(struct vst_scsi_hba *hba, uint16_t n_calls,
                                       uint32_t bytes_each);
void vst_scsi_crowd_close(struct scsi_crowd *crowd);

/** A question that brings at most `bytes` bytes. From begin and answered. */
void vst_scsi_call_ask(struct scsi_call *call, const struct vst_scsi_nexus *nexus,
                       struct vst_scsi_cdb cdb, uint32_t bytes);

/** Until nobody has anything to ask. Blocks, see above. Returns crowd->status. */
enum vst_status vst_scsi_crowd_run(struct scsi_crowd *crowd) VST_MUST_USE;

#endif
