/* SPDX-License-Identifier: BSD-2-Clause */
#include "commands.h"

const struct shell_command *const shell_commands[] = {
    &command_lspci,  &command_lsblk,   &command_parts,  &command_lsscsi, &command_luns,
    &command_inq,    &command_ls,      &command_cat,    &command_read,   &command_write,
    &command_sum,    &command_fill,    &command_verify, &command_copy,   &command_flush,
    &command_cache,  &command_discard, &command_zero,   &command_erase,  &command_zone,
    &command_bench,  &command_stats,   &command_trace,  &command_events, &command_rescan,
    &command_sg,     &command_reserve, &command_tmf,    &command_eject,  &command_load,
    &command_echo,   &command_sleep,   &command_help,   &command_boot,   &command_source,
    &command_reboot, &command_exit,
};
const size_t n_shell_commands = VST_ARRAY_LENGTH(shell_commands);
