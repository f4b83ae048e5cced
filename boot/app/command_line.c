/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "boot/app/command_line.h"

enum { INPUT, OUTPUT, ERROR };

static const char not_closed[] = "a quote is not closed";

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static bool ends_word(char c)
{
    return c == '\0' || is_blank(c) || c == '<' || c == '>';
}

/* What stands in quotes, without them. Behind its end, or NULL if there is none. */
static char *take_quoted(char *from, char **to)
{
    char quote = *from++;

    for (; *from != quote; from++) {
        if (quote == '"' && *from == '\\' && (from[1] == '"' || from[1] == '\\'))
            from++;
        if (*from == '\0')
            return NULL;
        *(*to)++ = *from;
    }
    return from + 1;
}

/*
 * One word, which becomes shorter where it stands. *next is the sign that ended it, for its place may
 * be needed for the word's own end. Behind it, or NULL if a quote is not closed.
 */
static char *take_word(char *from, char **word, char *next)
{
    char *to = from;

    *word = from;
    while (from != NULL && !ends_word(*from)) {
        if (*from == '\'' || *from == '"') {
            from = take_quoted(from, &to);
            continue;
        }
        if (*from == '\\' && from[1] != '\0')
            from++;
        *to++ = *from++;
    }
    if (from == NULL)
        return NULL;
    *next = *from;
    *to = '\0';
    return from;
}

/* At the sign of a redirection, which `c` was. ">>" is ">": disks always are written from their begin. */
static const char *take_redirection(struct command_line *line, char **at, char *c, unsigned file)
{
    char *from = *at + 1;
    char *word;

    from += *c == '>' && *from == '>';
    if (file == ERROR && strncmp(from, "&1", 2) == 0 && ends_word(from[2])) {
        line->error_to_output = true;
        *at = from + 2;
        *c = **at;
        return NULL;
    }
    while (is_blank(*from))
        from++;
    if (ends_word(*from))
        return "a file name is missing behind < or >";
    *at = take_word(from, &word, c);
    line->files[file] = word;
    return *at == NULL ? not_closed : NULL;
}

/* Digits right before a sign say which file is meant. */
static bool is_error_sign(const char *at)
{
    return at[0] == '2' && at[1] == '>';
}

const char *command_line_take(struct command_line *line, char *name, char *text)
{
    const char *wrong = NULL;
    char c = *text;

    memset(line, 0, sizeof(*line));
    line->words[line->n_words++] = name;
    while (c != '\0' && wrong == NULL) {
        if (is_blank(c)) {
            c = *++text;
        } else if (c == '<' || c == '>') {
            wrong = take_redirection(line, &text, &c, c == '<' ? INPUT : OUTPUT);
        } else if (is_error_sign(text)) {
            c = *++text;
            wrong = take_redirection(line, &text, &c, ERROR);
        } else if (line->n_words == COMMAND_LINE_MAX_WORDS) {
            wrong = "too many words";
        } else {
            text = take_word(text, &line->words[line->n_words++], &c);
            wrong = text == NULL ? not_closed : NULL;
        }
    }
    return wrong;
}
