/* SPDX-License-Identifier: BSD-2-Clause */
/* How well each path serves, by what the unit says of its ports. (SPC-4, 5.16, 6.37, 6.45) */
#include "scsi/paths.h"

#include <vstor/log.h>

#include "scsi/cdb.h"

#define PATIENCE_MS    2000u
#define FIRST_BYTES    1024u
#define ACTIVATE_TRIES 5u
#define TELLS_EXPLICIT 2u /* struct vst_scsi_unit.port_groups */
#define COMMAND_NS     30000000000ull
#define LIST_BYTES     8u

const char *vst_scsi_path_state_name(enum vst_scsi_path_state state)
{
    static const char *const names[VST_SCSI_N_PATH_STATES] = {
        [VST_SCSI_PATH_OPTIMIZED] = "active/optimized",
        [VST_SCSI_PATH_NON_OPTIMIZED] = "active/non-optimized",
        [VST_SCSI_PATH_STANDBY] = "standby",
        [VST_SCSI_PATH_TRANSITIONING] = "transitioning",
        [VST_SCSI_PATH_UNAVAILABLE] = "unavailable",
        [VST_SCSI_PATH_FAILED] = "failed",
        [VST_SCSI_PATH_LEAVING] = "leaving",
        [VST_SCSI_PATH_NONE] = "none",
    };

    return (unsigned)state < VST_SCSI_N_PATH_STATES ? names[state] : "unknown";
}

/** Where blocks differ in what serves them, and where we don't understand it, trying is all there is. */
static enum vst_scsi_path_state state_of(uint8_t access)
{
    switch (access) {
    case SCSI_ACTIVE_OPTIMIZED:
        return VST_SCSI_PATH_OPTIMIZED;
    case SCSI_STANDBY:
        return VST_SCSI_PATH_STANDBY;
    case SCSI_UNAVAILABLE:
    case SCSI_OFFLINE:
        return VST_SCSI_PATH_UNAVAILABLE;
    case SCSI_TRANSITIONING:
        return VST_SCSI_PATH_TRANSITIONING;
    default:
        return VST_SCSI_PATH_NON_OPTIMIZED;
    }
}

void vst_scsi_path_raise(struct vst_scsi_path *path)
{
    enum vst_scsi_path_state before = scsi_path_state(path);

    if (before >= VST_SCSI_PATH_LEAVING || before == path->access)
        return;
    __atomic_store_n(&path->state, path->access, __ATOMIC_RELEASE);
    vst_log(path->multi->platform, VST_LOG_INFO, "%s: path %s: %s, was %s", path->multi->base.name,
            path->unit->path, vst_scsi_path_state_name((enum vst_scsi_path_state)path->access),
            vst_scsi_path_state_name(before));
}

void vst_scsi_multi_take_states(struct scsi_multi *multi, const struct scsi_port_groups *groups)
{
    struct scsi_port_group group;
    size_t at = 0;

    while (vst_scsi_next_port_group(groups, &at, &group))
        for (unsigned i = 0; i < VST_SCSI_MOST_PATHS; i++) {
            struct vst_scsi_path *path = &multi->path[i];
            if (!scsi_path_is_there(path) || !path->unit->has_port_group ||
                path->unit->port_group != group.number)
                continue;
            path->access = (uint8_t)state_of(group.state);
            path->preferred = group.preferred;
            /* A failed one stays that until it has answered itself. */
            if (scsi_path_state(path) != VST_SCSI_PATH_FAILED)
                vst_scsi_path_raise(path);
        }
}

static enum vst_status ask(struct scsi_talk *talk, uint32_t bytes, struct scsi_port_groups *groups)
{
    struct scsi_view view;
    enum vst_status status =
        vst_scsi_ask(talk, vst_scsi_report_target_port_groups(bytes), bytes, PATIENCE_MS, &view);

    return status == VST_OK ? vst_scsi_port_groups_parse(view, groups) : status;
}

void vst_scsi_path_ask_states(struct vst_scsi_path *path, struct scsi_talk *talk)
{
    struct scsi_port_groups groups;

    if (path->unit->port_groups == 0)
        return;
    enum vst_status status = ask(talk, FIRST_BYTES, &groups);
    if (status == VST_OK && groups.whole_bytes > FIRST_BYTES)
        status =
            ask(talk, groups.whole_bytes < SCSI_TALK_BYTES ? groups.whole_bytes : SCSI_TALK_BYTES,
                &groups);
    if (status == VST_OK)
        vst_scsi_multi_take_states(path->multi, &groups);
}

/* ------------------------------------------------------------------ making one active */

/** Whether the unit has done it; *again: it wanted to say something else first. */
static bool tell(struct scsi_talk *talk, bool *again)
{
    const struct vst_block_segment list = {talk->shared, LIST_BYTES};
    struct vst_scsi_cdb cdb = vst_scsi_set_target_port_groups(LIST_BYTES);
    struct vst_scsi_command command = {
        .nexus = talk->nexus,
        .cdb_bytes = vst_scsi_cdb_bytes(cdb.bytes[0]),
        .n_out = 1,
        .out = &list,
        .timeout_ns = COMMAND_NS,
    };
    struct vst_scsi_sense sense;

    __builtin_memcpy(command.cdb, cdb.bytes, sizeof(cdb.bytes));
    *again = false;
    if (vst_scsi_run(talk->queue, &command) != VST_OK ||
        command.outcome.response != VST_SCSI_RESPONSE_OK)
        return false;
    *again = vst_scsi_sense_parse(command.outcome.sense, command.outcome.sense_bytes, &sense) ==
                 VST_OK &&
             sense.key == VST_SCSI_UNIT_ATTENTION;
    return command.outcome.status == VST_SCSI_GOOD;
}

bool vst_scsi_path_activate(struct vst_scsi_path *path)
{
    bool again = true, done = false;

    if (scsi_path_state(path) != VST_SCSI_PATH_STANDBY || !path->unit->has_port_group ||
        (path->unit->port_groups & TELLS_EXPLICIT) == 0)
        return false;
    struct scsi_talk *talk = vst_scsi_talk_open(path->unit->hba);
    if (talk == NULL)
        return false;
    talk->nexus = path->unit->nexus;
    const uint8_t list[LIST_BYTES] = {[4] = SCSI_ACTIVE_OPTIMIZED,
                                      [6] = (uint8_t)(path->unit->port_group >> 8),
                                      [7] = (uint8_t)path->unit->port_group};
    __builtin_memcpy(talk->shared, list, sizeof(list));
    for (unsigned i = 0; i < ACTIVATE_TRIES && again && !done; i++)
        done = tell(talk, &again);
    vst_log(path->multi->platform, done ? VST_LOG_INFO : VST_LOG_WARNING,
            "%s: path %s is %s made active", path->multi->base.name, path->unit->path,
            done ? "being" : "refused to be");
    vst_scsi_talk_close(talk);
    return done;
}
