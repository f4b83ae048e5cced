/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands, by the files that hold them. commands.c lists them in the order of `help`. */
#ifndef VSTOR_SHELL_COMMANDS_H
#define VSTOR_SHELL_COMMANDS_H

#include "command.h"

/* commands_pci.c */
extern const struct shell_command command_lspci;
/* commands_scsi.c */
extern const struct shell_command command_lsscsi;
extern const struct shell_command command_luns;
extern const struct shell_command command_inq;
/* commands_tmf.c */
extern const struct shell_command command_tmf;
/* commands_block.c */
extern const struct shell_command command_lsblk;
extern const struct shell_command command_read;
extern const struct shell_command command_write;
extern const struct shell_command command_flush;
/* commands_parts.c */
extern const struct shell_command command_parts;
/* commands_ranges.c */
extern const struct shell_command command_discard;
extern const struct shell_command command_zero;
extern const struct shell_command command_erase;
/* commands_zones.c */
extern const struct shell_command command_zone;
/* commands_raw.c */
extern const struct shell_command command_sg;
/* commands_reserve.c */
extern const struct shell_command command_reserve;
/* copy.c */
extern const struct shell_command command_copy;
/* commands_watch.c */
extern const struct shell_command command_stats;
extern const struct shell_command command_trace;
/* commands_changes.c */
extern const struct shell_command command_cache;
extern const struct shell_command command_events;
extern const struct shell_command command_rescan;
/* commands_media.c */
extern const struct shell_command command_eject;
extern const struct shell_command command_load;
/* commands_files.c */
extern const struct shell_command command_ls;
extern const struct shell_command command_cat;
/* commands_data.c */
extern const struct shell_command command_sum;
extern const struct shell_command command_fill;
extern const struct shell_command command_verify;
/* bench.c */
extern const struct shell_command command_bench;
/* commands_boot.c */
extern const struct shell_command command_boot;
/* commands_source.c */
extern const struct shell_command command_source;
/* commands_basic.c */
extern const struct shell_command command_echo;
extern const struct shell_command command_sleep;
extern const struct shell_command command_help;
extern const struct shell_command command_reboot;
extern const struct shell_command command_exit;

#endif
