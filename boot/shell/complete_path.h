/* SPDX-License-Identifier: BSD-2-Clause */
/* What could stand where a file is to be named. */
#ifndef VSTOR_SHELL_COMPLETE_PATH_H
#define VSTOR_SHELL_COMPLETE_PATH_H

#include "line_edit.h"
#include "shell.h"

/**
 * Offers the files and directories of a device or partition whose paths begin with the word; its first
 * `prefix` bytes are no path ("initrd="), and stand before all that is offered. Reads the disk; says
 * nothing if that fails.
 */
void complete_path(const struct shell_host *host, const char *device, const char *word,
                   size_t prefix, line_edit_candidate *candidate, void *taker);

#endif
