/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line of input, edited on a serial terminal of which nothing is known but that it understands
 * the few ANSI sequences every terminal does. A line longer than the screen scrolls sideways, so no
 * wrapping has to be guessed.
 *
 * The editor is a machine without a console: bytes go in, screen output comes out through `put`.
 */
#ifndef VSTOR_SHELL_LINE_EDIT_H
#define VSTOR_SHELL_LINE_EDIT_H

#include "history.h"

#include <stdbool.h>
#include <stddef.h>

/* The end mark included. A line may be a command line of Linux, of up to 2,047. */
#define LINE_EDIT_BYTES      4096u
#define LINE_EDIT_WORD_BYTES 1024u /* longer ones are not completed */
#define LINE_EDIT_COLUMNS    80u

enum line_edit_event {
    LINE_EDIT_MORE,   /* feed the next byte */
    LINE_EDIT_DONE,   /* Enter: the line is in text */
    LINE_EDIT_CANCEL, /* Ctrl-C */
    LINE_EDIT_END,    /* Ctrl-D on an empty line */
};

struct line_edit;

/** Called once for each text that could stand where the word before the cursor is. */
typedef void line_edit_candidate(void *taker, const char *text);

struct line_edit_config {
    const char *prompt;
    void *ctx;
    void (*put)(void *ctx, const char *bytes, size_t n);
    /** Names all candidates that begin with `word`, which begins at `start` of the line. May be
     * NULL. */
    void (*complete)(void *ctx, const char *line, size_t start, const char *word,
                     line_edit_candidate *candidate, void *taker);
    struct history *history;
};

struct line_edit {
    const struct line_edit_config *config;
    char text[LINE_EDIT_BYTES];
    size_t length, cursor;
    size_t scroll;        /* first byte of the line on the screen */
    size_t history_place; /* 0: the line being written, n: the n-th newest */
    char draft[LINE_EDIT_BYTES];
    unsigned escape_state;
    unsigned escape_number, escape_modifier;
    bool last_was_return; /* CR LF is one Enter */
};

/** Once, before the first line. */
void line_edit_init(struct line_edit *edit, const struct line_edit_config *config);
/** Begins a line: shows the prompt. */
void line_edit_begin(struct line_edit *edit);
/** The same with a text to be changed, the cursor behind it; of it what has room. */
void line_edit_begin_with(struct line_edit *edit, const char *text);
enum line_edit_event line_edit_feed(struct line_edit *edit, unsigned char byte);
/** True while an escape sequence has begun: if no byte follows soon, call line_edit_time_out. */
bool line_edit_in_escape(const struct line_edit *edit);
void line_edit_time_out(struct line_edit *edit);

#endif
