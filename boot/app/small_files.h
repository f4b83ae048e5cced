/* SPDX-License-Identifier: BSD-2-Clause */
/* /dev/null, /dev/zero, /dev/full, and the console as /dev/console and /dev/tty. */
#ifndef VSTOR_APP_SMALL_FILES_H
#define VSTOR_APP_SMALL_FILES_H

#include "boot/app/file.h"

struct small_file;

/** By its name below /dev; NULL if there is none. */
const struct small_file *small_file_find(const char *name);
/** The n-th one's name, NULL behind the last. */
const char *small_file_name(unsigned n);

/** Makes `file`, with its flags set, that. */
void small_file_open(struct file *file, const struct small_file *small);
void small_file_status(const struct small_file *small, struct stat *status);

#endif
