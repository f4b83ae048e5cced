/* SPDX-License-Identifier: BSD-2-Clause */
#include "words.h"

size_t words_max(size_t line_bytes)
{
    return line_bytes / 2 + 1;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Copies one word to `to` with its quotes removed; it never gets longer. Moves *at behind it. */
static bool take_word(char **at, char **to)
{
    char quote = '\0';

    for (; **at != '\0'; (*at)++) {
        char c = **at;
        if (quote == '\0' && (is_space(c) || c == ';'))
            break;
        if (c == '\\' && quote != '\'') {
            if (*++*at == '\0')
                return false;
            *(*to)++ = **at;
        } else if (c == quote) {
            quote = '\0';
        } else if (quote == '\0' && (c == '"' || c == '\'')) {
            quote = c;
        } else {
            *(*to)++ = c;
        }
    }
    return quote == '\0';
}

bool words_next_command(char **rest, char **words, size_t *n_words)
{
    char *at = *rest;

    *n_words = 0;
    *rest = NULL;
    for (;;) {
        while (is_space(*at))
            at++;
        if (*at == '\0' || *at == ';')
            break;
        char *word = at, *end = at;
        if (!take_word(&at, &end))
            return false;
        /* The end mark may fall on the separator, so that one is looked at first. */
        char separator = *at;
        *end = '\0';
        words[(*n_words)++] = word;
        if (separator == ';') {
            *rest = at + 1;
            return true;
        }
        if (separator == '\0')
            return true;
        at++;
    }
    if (*at == ';')
        *rest = at + 1;
    return true;
}
