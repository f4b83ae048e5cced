/* SPDX-License-Identifier: BSD-2-Clause */
#include "history.h"

#include <stdlib.h>
#include <string.h>

static size_t find(const struct history *history, const char *line)
{
    size_t i = 0;

    while (i < history->n_lines && strcmp(history->lines[i], line) != 0)
        i++;
    return i;
}

/* Moves the lines before `end` back by one, so that the first place is free. */
static void make_first_free(struct history *history, size_t end)
{
    memmove(&history->lines[1], &history->lines[0], end * sizeof(history->lines[0]));
}

void history_add(struct history *history, const char *line)
{
    size_t at = find(history, line);
    char *kept;

    if (*line == '\0')
        return;
    if (at < history->n_lines) {
        kept = history->lines[at];
        make_first_free(history, at);
        history->lines[0] = kept;
        return;
    }
    kept = strdup(line);
    if (kept == NULL) /* a history is a comfort: without memory there is none */
        return;
    if (history->n_lines == HISTORY_LINES)
        free(history->lines[--history->n_lines]);
    make_first_free(history, history->n_lines);
    history->lines[0] = kept;
    history->n_lines++;
}

const char *history_get(const struct history *history, size_t back)
{
    return back < history->n_lines ? history->lines[back] : NULL;
}

void history_clear(struct history *history)
{
    while (history->n_lines > 0)
        free(history->lines[--history->n_lines]);
}
