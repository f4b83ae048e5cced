/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "boot/kernel/option_words.h"

#define WORD_ENDS " \t;"

static bool begins_word(const char *line, const char *at, const char *prefix)
{
    return (at == line || strchr(WORD_ENDS, at[-1]) != NULL) &&
           strncmp(at, prefix, strlen(prefix)) == 0;
}

void option_words_cut(char *line, const char *prefix, void (*take)(void *ctx, char *word),
                      void *ctx)
{
    char word[OPTION_WORD_BYTES];
    char *from = line, *to = line;

    while (*from != '\0') {
        if (!begins_word(line, from, prefix)) {
            *to++ = *from++;
            continue;
        }
        size_t length = strcspn(from, WORD_ENDS);
        size_t kept = length < sizeof(word) ? length : sizeof(word) - 1;
        memcpy(word, from, kept);
        word[kept] = '\0';
        from += length;
        take(ctx, word);
    }
    *to = '\0';
}
