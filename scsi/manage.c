/* SPDX-License-Identifier: BSD-2-Clause */
/* One task management function, waited for; and the names of all. (SAM-5, 7) */
#include <vstor/scsi_units.h>

#define NS_PER_S 1000000000ull
/* Until another function, or a reset, has left room for it. */
#define PATIENCE_NS (10 * NS_PER_S)

enum vst_status vst_scsi_manage(struct vst_scsi_hba *hba, struct vst_scsi_function *function)
{
    const struct vst_platform *platform = hba->platform;
    uint64_t start_ns = platform->time_ns(platform->ctx);
    enum vst_status status;

    while ((status = hba->ops->manage(hba, function)) == VST_ERR_FULL) {
        if (platform->time_ns(platform->ctx) - start_ns > PATIENCE_NS)
            return VST_ERR_TIMEOUT;
        hba->ops->look(hba);
        platform->relax(platform->ctx);
    }
    /* The adapter ends it by its deadline. */
    while (status == VST_OK && !vst_scsi_function_ended(function)) {
        hba->ops->look(hba);
        platform->relax(platform->ctx);
    }
    return status;
}

const char *vst_scsi_function_name(unsigned kind)
{
    static const char *const names[VST_SCSI_N_FUNCTIONS] = {
        [VST_SCSI_ABORT_TASK] = "abort",
        [VST_SCSI_ABORT_TASK_SET] = "abort_set",
        [VST_SCSI_CLEAR_ACA] = "clear_aca",
        [VST_SCSI_CLEAR_TASK_SET] = "clear_set",
        [VST_SCSI_I_T_NEXUS_RESET] = "nexus_reset",
        [VST_SCSI_LOGICAL_UNIT_RESET] = "lun_reset",
        [VST_SCSI_QUERY_TASK] = "query",
        [VST_SCSI_QUERY_TASK_SET] = "query_set",
        [VST_SCSI_NOTIFICATION_QUERY] = "notification_query",
        [VST_SCSI_NOTIFICATION_SUBSCRIBE] = "notification_subscribe",
    };

    return kind < VST_SCSI_N_FUNCTIONS ? names[kind] : "unknown";
}

const char *vst_scsi_function_response_name(unsigned response)
{
    static const char *const names[VST_SCSI_N_FUNCTION_RESPONSES] = {
        [VST_SCSI_FUNCTION_COMPLETE] = "complete",
        [VST_SCSI_FUNCTION_SUCCEEDED] = "succeeded",
        [VST_SCSI_FUNCTION_REJECTED] = "rejected",
        [VST_SCSI_FUNCTION_INCORRECT_LUN] = "incorrect LUN",
        [VST_SCSI_FUNCTION_BAD_TARGET] = "bad target",
        [VST_SCSI_FUNCTION_RESET] = "adapter reset meanwhile",
        [VST_SCSI_FUNCTION_BUSY] = "busy",
        [VST_SCSI_FUNCTION_TRANSPORT_FAILURE] = "transport failure",
        [VST_SCSI_FUNCTION_TARGET_FAILURE] = "target failure",
        [VST_SCSI_FUNCTION_NEXUS_FAILURE] = "nexus failure",
        [VST_SCSI_FUNCTION_FAILURE] = "failure",
        [VST_SCSI_FUNCTION_TIMEOUT] = "not answered in time",
        [VST_SCSI_FUNCTION_MALFORMED] = "an answer that makes no sense",
    };

    return response < VST_SCSI_N_FUNCTION_RESPONSES ? names[response] : "unknown";
}
