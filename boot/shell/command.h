/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a command is, and what all commands share: their words and options, how they fail, how they
 * speak JSON.
 *
 * The shell has checked the words before a command runs: their number, that every option is known,
 * and that the device exists. A command returns false after it has said why it failed, by one of
 * the shell_fail functions.
 */
#ifndef VSTOR_SHELL_COMMAND_H
#define VSTOR_SHELL_COMMAND_H

#include "json.h"
#include "shell.h"

/** Whether the first word names a block device or a partition, or a SCSI unit of any type. */
enum device_word { DEVICE_NONE, DEVICE_OPTIONAL, DEVICE_REQUIRED, DEVICE_UNIT };

struct shell_session {
    unsigned depth; /* of files that run files */
    bool exit_requested;
    int exit_status;
};

struct shell_context {
    const struct shell_host *host;
    struct shell_session *session;
    const struct shell_command *command;
    char *const *typed; /* all words as typed, the command's name first */
    size_t n_typed;
    char **words; /* what follows the name, options taken out */
    size_t n_words;
    char **options;
    size_t n_options;
    struct vst_block_device *device; /* NULL where no word names one */
    struct vst_extent extent;        /* of it: all, or the partition that the word names */
    char name[VST_PARTITION_DEVICE_NAME_BYTES]; /* "vda", "vda1" */
    struct vst_block_queue *queue;              /* the device's first, or that of queue= */
    struct vst_scsi_unit *unit;                 /* NULL unless a word names one (DEVICE_UNIT) */
    bool json;
};

struct shell_command {
    const char *name;
    const char *usage;   /* what follows the name */
    const char *summary; /* one line */
    const char *help;    /* all the rest, lines ended by '\n' */
    size_t min_words, max_words;
    enum device_word device;
    bool whole_device;               /* a partition will not do */
    size_t n_paths;                  /* words behind the device that are paths on it */
    const char *const *path_options; /* those whose values are such, ended by NULL; or NULL */
    const char *const *options;      /* "-v", "seed=", ended by NULL; NULL if there are none */
    bool (*run)(struct shell_context *context);
};

/** All commands in the order of `help`. */
extern const struct shell_command *const shell_commands[];
extern const size_t n_shell_commands;

/** Runs the commands of a line in a session that goes on. False after one that failed, which has said
 * so. */
bool shell_run_line(const struct shell_host *host, struct shell_session *session, const char *line);

/** NULL if there is none of that name. */
const struct shell_command *shell_command_find(const char *name);
void shell_command_print_help(const struct shell_command *command);
/** Whether a word is one of its options. */
bool shell_is_option(const struct shell_command *command, const char *word);

/*
 * Failing. All print one line (or one JSON object) and return false.
 */

/** "read vda 1M 4k: TEXT". */
bool shell_fail(const struct shell_context *context, enum vst_status status, const char *format,
                ...) VST_PRINTF(3, 4);
/** "read vda 1M 4k: beyond the end of the device at byte 1048576". */
bool shell_fail_at(const struct shell_context *context, enum vst_status status,
                   uint64_t offset_bytes);
/** The same, of a request: its offset is counted from the start of the device. */
bool shell_fail_on_device(const struct shell_context *context, enum vst_status status,
                          uint64_t device_bytes);
/** What to do if a word or option is not what it should be. */
bool shell_fail_usage(const struct shell_context *context, const char *format, ...)
    VST_PRINTF(2, 3);
/** "sg sr0 00 00 00 00 00 00: NOT READY, medium not present (02/3a/00)". */
bool shell_fail_verdict(const struct shell_context *context,
                        const struct vst_scsi_verdict *verdict);
/** "RESERVATION CONFLICT: held by 0x1234 (exclusive access)": asks the unit who that is. */
void shell_conflict_text(struct vst_scsi_unit *unit, char *text, size_t bytes);
bool shell_fail_interrupted(const struct shell_context *context);

/*
 * Words and options.
 */

/** Value behind "NAME=" (name given with the '='), "" for a flag such as "-v", NULL if it was not
 * given. */
const char *shell_option(const struct shell_context *context, const char *name);
/** The option's number, or `otherwise` if it was not given. False, having said so, if it is no
 * number. */
bool shell_option_number(const struct shell_context *context, const char *name, uint64_t otherwise,
                         uint64_t *value);
/** Word `index` as a number or size. False, having said so, if it is none. */
bool shell_word_number(const struct shell_context *context, size_t index, const char *what,
                       uint64_t *value);
/** Words 1 and 2 as offset and length; what is missing reaches to the end. False, having said so,
 * beyond the end. */
bool shell_range(const struct shell_context *context, uint64_t *offset_bytes, uint64_t *bytes);
/** False, having said so, if the range is not inside the device or partition. */
bool shell_range_is_inside(const struct shell_context *context, uint64_t offset_bytes,
                           uint64_t bytes);

uint64_t shell_device_bytes(const struct vst_block_device *device);

/** Bytes of what the first word names. Offsets of commands count from its start. */
uint64_t shell_extent_bytes(const struct shell_context *context);
/** The same place, counted from the start of the device. */
static inline uint64_t shell_on_device(const struct shell_context *context, uint64_t offset_bytes)
{
    return context->extent.offset_bytes + offset_bytes;
}

/** The device or partition of that name. False, having said so, if there is none. */
bool shell_find_extent(const struct shell_context *context, const char *name,
                       struct vst_extent *extent);
/** "vda", "vda1". */
const char *shell_extent_name(const struct vst_extent *extent,
                              char text[VST_PARTITION_DEVICE_NAME_BYTES]);

/** The members that stand for the counters of one queue. */
void shell_json_stats(struct json *json, const struct vst_block_stats *stats);

/** The member "sense"; left out where there is none. */
void shell_json_sense(struct json *json, const struct vst_scsi_sense *sense);

/** "writeback" or "writethrough". */
const char *shell_cache_name(bool write_cache);

/** {"cmd":..,"dev":.. - the caller adds the rest and calls json_close. */
void shell_json_open(const struct shell_context *context, struct json *json);

#endif
