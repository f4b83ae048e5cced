/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines typed before: the last 32, each once. */
#ifndef VSTOR_SHELL_HISTORY_H
#define VSTOR_SHELL_HISTORY_H

#include <stddef.h>

#define HISTORY_LINES 32u

/** Start with all zero. */
struct history {
    char *lines[HISTORY_LINES]; /* newest first */
    size_t n_lines;
};

/** Makes the line the newest; a line that was there already moves. Empty lines are not kept. */
void history_add(struct history *history, const char *line);
/** The line `back` steps ago, 0 being the newest; NULL if there are not so many. */
const char *history_get(const struct history *history, size_t back);
void history_clear(struct history *history);

#endif
