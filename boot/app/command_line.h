/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The boot command line as a shell would take it: words for argv, '...', "..." and \ to keep blanks
 * and signs, <FILE, >FILE, >>FILE, 2>FILE and 2>&1 for standard input, output and error. Nothing is
 * expanded, and there are no other signs.
 */
#ifndef VSTOR_APP_COMMAND_LINE_H
#define VSTOR_APP_COMMAND_LINE_H

#include <vstor/types.h>

#define COMMAND_LINE_MAX_WORDS 1024u
#define COMMAND_LINE_N_FILES   3u

struct command_line {
    unsigned n_words;
    char *words[COMMAND_LINE_MAX_WORDS + 1]; /**< ended by NULL */
    const char *files[COMMAND_LINE_N_FILES]; /**< standard ones; NULL: the console */
    bool error_to_output;                    /**< 2>&1 */
};

/**
 * Takes `text` apart, which it changes and of which it keeps pointers; the first word is `name`. NULL,
 * or what is wrong with it: fixed text.
 */
const char *command_line_take(struct command_line *line, char *name, char *text);

#endif
