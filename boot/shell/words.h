/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a line to commands and words, the way people know it from a Unix shell:
 *
 *     command word 'one word' "another one"; next-command ...
 *
 * ';' separates commands. Within '...' everything stands for itself; within "..." and outside
 * quotes a backslash takes the next character as it is. There are no variables, patterns or
 * redirections.
 */
#ifndef VSTOR_SHELL_WORDS_H
#define VSTOR_SHELL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/** Most words that a line of this length can hold. */
size_t words_max(size_t line_bytes);

/**
 * Takes the next command from *rest: stores its words, which stay inside the line's own memory (it
 * is changed), and moves *rest behind it, or to NULL after the last one. Empty commands give 0
 * words. False at a quote or backslash without an end; then *rest is NULL.
 */
bool words_next_command(char **rest, char **words, size_t *n_words);

#endif
