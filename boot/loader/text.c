/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/loader/text.h"

struct loader_text loader_text_of(const char *text)
{
    return (struct loader_text){text, strlen(text)};
}

bool loader_text_is(struct loader_text text, const char *word)
{
    size_t bytes = strlen(word);

    return text.bytes == bytes && memcmp(text.at, word, bytes) == 0;
}

int loader_text_compare(struct loader_text a, struct loader_text b)
{
    size_t common = a.bytes < b.bytes ? a.bytes : b.bytes;
    int order = common > 0 ? memcmp(a.at, b.at, common) : 0;

    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

bool loader_text_copy(struct loader_text text, char *to, size_t room)
{
    size_t bytes = text.bytes < room ? text.bytes : room - 1;

    if (bytes > 0)
        memcpy(to, text.at, bytes);
    to[bytes] = '\0';
    return bytes == text.bytes;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool loader_text_number(struct loader_text text, uint32_t max, uint32_t *value)
{
    uint64_t number = 0;

    for (size_t i = 0; i < text.bytes; i++) {
        if (!is_digit(text.at[i]))
            return false;
        number = number * 10 + (uint64_t)(text.at[i] - '0');
        if (number > max)
            return false;
    }
    *value = (uint32_t)number;
    return text.bytes > 0;
}

static bool is_word(struct loader_text text, const char *word)
{
    if (text.bytes != strlen(word))
        return false;
    for (size_t i = 0; i < text.bytes; i++)
        if (lower(text.at[i]) != word[i])
            return false;
    return true;
}

bool loader_text_bool(struct loader_text text, bool *value)
{
    static const char *const words[] = {"0",   "1",  "no", "yes", "false", "true",
                                        "off", "on", "n",  "y",   "f",     "t"};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(words); i++)
        if (is_word(text, words[i])) {
            *value = i % 2 != 0;
            return true;
        }
    return false;
}

/* ---------------------------------------------------------------- lines */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct loader_text skip(struct loader_text text, size_t bytes)
{
    return (struct loader_text){text.at + bytes, text.bytes - bytes};
}

static struct loader_text trim(struct loader_text text)
{
    while (text.bytes > 0 && is_blank(text.at[0]))
        text = skip(text, 1);
    while (text.bytes > 0 && is_blank(text.at[text.bytes - 1]))
        text.bytes--;
    return text;
}

/* Up to the byte, or all of it. */
static size_t length_to(struct loader_text text, char byte)
{
    const char *found = text.bytes > 0 ? memchr(text.at, byte, text.bytes) : NULL;

    return found != NULL ? (size_t)(found - text.at) : text.bytes;
}

static struct loader_text take_line(struct loader_text *rest)
{
    struct loader_text line = {rest->at, length_to(*rest, '\n')};

    *rest = skip(*rest, line.bytes < rest->bytes ? line.bytes + 1 : line.bytes);
    return trim(line);
}

bool loader_next_line(struct loader_text *rest, struct loader_text *key, struct loader_text *value)
{
    while (rest->bytes > 0) {
        struct loader_text line = take_line(rest);
        size_t n = 0;
        if (line.bytes == 0 || line.at[0] == '#')
            continue;
        while (n < line.bytes && !is_blank(line.at[n]))
            n++;
        *key = (struct loader_text){line.at, n};
        *value = trim(skip(line, n));
        return true;
    }
    return false;
}

bool loader_os_release(struct loader_text text, const char *key, struct loader_text *value)
{
    while (text.bytes > 0) {
        struct loader_text line = take_line(&text);
        struct loader_text name = {line.at, length_to(line, '=')};
        if (name.bytes == line.bytes || !loader_text_is(name, key))
            continue;
        *value = trim(skip(line, name.bytes + 1));
        char quote = value->bytes >= 2 ? value->at[0] : '\0';
        if ((quote == '"' || quote == '\'') && value->at[value->bytes - 1] == quote)
            *value = (struct loader_text){value->at + 1, value->bytes - 2};
        return true;
    }
    return false;
}

/* ---------------------------------------------------------------- patterns */

/* Looks whether one character fits what the pattern begins with, and how long that is. */
static bool fits_set(char c, struct loader_text pattern, size_t *length)
{
    size_t i = 1;
    bool not = i < pattern.bytes && (pattern.at[i] == '!' || pattern.at[i] == '^'), found = false;

    i += not ;
    for (size_t first = i; i < pattern.bytes && (pattern.at[i] != ']' || i == first); i++) {
        char low = lower(pattern.at[i]), high = low;
        if (i + 2 < pattern.bytes && pattern.at[i + 1] == '-' && pattern.at[i + 2] != ']') {
            high = lower(pattern.at[i + 2]);
            i += 2;
        }
        found |= c >= low && c <= high;
    }
    *length = i + 1;
    return i < pattern.bytes && found != not ; /* a set without an end fits nothing */
}

static bool fits_one(char c, struct loader_text pattern, size_t *length)
{
    *length = 1;
    if (pattern.bytes == 0)
        return false;
    if (pattern.at[0] == '?')
        return true;
    if (pattern.at[0] == '[')
        return fits_set(lower(c), pattern, length);
    if (pattern.at[0] == '\\' && pattern.bytes > 1)
        *length = 2;
    return lower(c) == lower(pattern.at[*length - 1]);
}

/* After a '*' has failed to match so much it is tried with one character more; those before it never
 * need to be looked at again. */
bool loader_fits(struct loader_text text, struct loader_text pattern)
{
    struct loader_text star_text = {NULL, 0}, star_pattern = {NULL, 0};
    size_t length;

    while (text.bytes > 0) {
        if (pattern.bytes > 0 && pattern.at[0] == '*') {
            pattern = star_pattern = skip(pattern, 1);
            star_text = text;
        } else if (fits_one(text.at[0], pattern, &length)) {
            text = skip(text, 1);
            pattern = skip(pattern, length);
        } else if (star_text.at != NULL) {
            text = star_text = skip(star_text, 1);
            pattern = star_pattern;
        } else {
            return false;
        }
    }
    while (pattern.bytes > 0 && pattern.at[0] == '*')
        pattern = skip(pattern, 1);
    return pattern.bytes == 0;
}

/* ---------------------------------------------------------------- versions */

static bool is_letter(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static char first_of(struct loader_text text)
{
    return text.bytes > 0 ? text.at[0] : '\0';
}

static bool is_of_version(char c)
{
    return is_letter(c) || is_digit(c) || c == '~' || c == '-' || c == '^' || c == '.';
}

static struct loader_text skip_separators(struct loader_text text)
{
    while (text.bytes > 0 && !is_of_version(text.at[0]))
        text = skip(text, 1);
    return text;
}

/* Takes the digits, or else the letters, that both begin with, and compares those. */
static int compare_runs(struct loader_text *a, struct loader_text *b)
{
    bool digits = is_digit(first_of(*a)) || is_digit(first_of(*b));
    struct loader_text runs[2], *rest[] = {a, b};

    for (unsigned i = 0; i < 2; i++) {
        while (digits && first_of(*rest[i]) == '0')
            *rest[i] = skip(*rest[i], 1);
        runs[i] = (struct loader_text){rest[i]->at, 0};
        while (runs[i].bytes < rest[i]->bytes && (digits ? is_digit(rest[i]->at[runs[i].bytes])
                                                         : is_letter(rest[i]->at[runs[i].bytes])))
            runs[i].bytes++;
        *rest[i] = skip(*rest[i], runs[i].bytes);
    }
    if (digits && runs[0].bytes != runs[1].bytes)
        return runs[0].bytes > runs[1].bytes ? 1 : -1;
    return loader_text_compare(runs[0], runs[1]);
}

/* A mark that only one of them has here decides; one that both have is passed over. */
static int compare_mark(struct loader_text *a, struct loader_text *b, char mark)
{
    bool in_a = first_of(*a) == mark, in_b = first_of(*b) == mark;

    if (in_a && in_b) {
        *a = skip(*a, 1);
        *b = skip(*b, 1);
    }
    return (int)in_b - (int)in_a;
}

int loader_version_compare(struct loader_text a, struct loader_text b)
{
    for (;;) {
        a = skip_separators(a);
        b = skip_separators(b);
        int order = compare_mark(&a, &b, '~');
        if (order == 0 && (a.bytes == 0 || b.bytes == 0))
            return (a.bytes > 0) - (b.bytes > 0);
        for (const char *mark = "-^."; order == 0 && *mark != '\0'; mark++)
            order = compare_mark(&a, &b, *mark);
        if (order == 0)
            order = compare_runs(&a, &b);
        if (order != 0)
            return order;
    }
}
