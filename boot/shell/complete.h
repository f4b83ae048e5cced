/* SPDX-License-Identifier: BSD-2-Clause */
/* What Tab offers: commands, devices, options. */
#ifndef VSTOR_SHELL_COMPLETE_H
#define VSTOR_SHELL_COMPLETE_H

#include "line_edit.h"
#include "shell.h"

/** Names each candidate for the word that begins at `start` of the line. */
void complete_word(const struct shell_host *host, const char *line, size_t start, const char *word,
                   line_edit_candidate *candidate, void *taker);

#endif
