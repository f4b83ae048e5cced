/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/arguments.h"

#include <stdlib.h>
#include <string.h>

#include "boot/efi/loader/loader.h"
#include "boot/shell/words.h"

/* Load options may be anything, so they are text only if all of it is ASCII up to the end. */
static char *text_of_options(void)
{
    EFI_LOADED_IMAGE_PROTOCOL *loaded;

    if (EFI_ERROR(firmware->HandleProtocol(loader_image, &guid_loaded_image, (VOID **)&loaded)) ||
        loaded->LoadOptions == NULL)
        return NULL;
    const CHAR16 *units = loaded->LoadOptions;
    size_t n_units = loaded->LoadOptionsSize / sizeof(*units), n = 0;
    char *text = malloc(n_units + 1);
    for (; text != NULL && n < n_units && units[n] != 0; n++) {
        if (units[n] > 0x7e) {
            free(text);
            return NULL;
        }
        text[n] = (char)units[n];
    }
    if (text != NULL)
        text[n] = '\0';
    return text;
}

static bool is_image_name(const char *word)
{
    size_t length = strlen(word);

    return length >= 4 && word[length - 4] == '.' && (word[length - 3] | 0x20) == 'e' &&
           (word[length - 2] | 0x20) == 'f' && (word[length - 1] | 0x20) == 'i';
}

/* The words with blanks between, and what else follows: "-c lsblk vda; exit" needs no quotes. */
static char *join(char *const *words, size_t n_words, const char *rest)
{
    size_t bytes = rest != NULL ? strlen(rest) + 2 : 1;

    for (size_t i = 0; i < n_words; i++)
        bytes += strlen(words[i]) + 1;
    char *line = calloc(1, bytes);
    if (line == NULL)
        return NULL;
    for (size_t i = 0; i < n_words; i++) {
        strcat(line, words[i]);
        strcat(line, i + 1 < n_words ? " " : "");
    }
    if (rest != NULL)
        strcat(strcat(line, ";"), rest);
    return line;
}

static struct arguments parse(char *text, char **words)
{
    struct arguments arguments = {ARGUMENTS_NONE, NULL};
    char *rest = text;
    size_t n = 0;

    if (!words_next_command(&rest, words, &n)) {
        arguments.kind = ARGUMENTS_BAD;
        return arguments;
    }
    size_t first = n > 0 && is_image_name(words[0]);
    if (first == n)
        return arguments;
    if (strcmp(words[first], "shell") == 0)
        arguments.kind = ARGUMENTS_SHELL;
    if (strcmp(words[first], "-c") != 0)
        return arguments;
    arguments.commands = first + 1 < n ? join(words + first + 1, n - first - 1, rest) : NULL;
    arguments.kind = arguments.commands != NULL ? ARGUMENTS_COMMANDS : ARGUMENTS_BAD;
    return arguments;
}

struct arguments arguments_read(void)
{
    struct arguments arguments = {ARGUMENTS_NONE, NULL};
    char *text = text_of_options();

    if (text == NULL)
        return arguments;
    char **words = malloc(words_max(strlen(text)) * sizeof(*words));
    if (words != NULL)
        arguments = parse(text, words);
    free(words);
    free(text);
    return arguments;
}
