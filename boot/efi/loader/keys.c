/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/keys.h"

/* What follows ESC [; those that end by '~' are numbers. */
static const char sequences[][3] = {
    [LOADER_KEY_UP] = "A",         [LOADER_KEY_DOWN] = "B",    [LOADER_KEY_RIGHT] = "C",
    [LOADER_KEY_LEFT] = "D",       [LOADER_KEY_HOME] = "H",    [LOADER_KEY_END] = "F",
    [LOADER_KEY_INSERT] = "2~",    [LOADER_KEY_DELETE] = "3~", [LOADER_KEY_PAGE_UP] = "5~",
    [LOADER_KEY_PAGE_DOWN] = "6~",
};

static size_t append(char *bytes, size_t n, const char *text)
{
    for (; *text != '\0'; text++)
        bytes[n++] = *text;
    return n;
}

size_t loader_key_bytes(const struct loader_key *key, char bytes[LOADER_KEY_BYTES])
{
    if (key->name == LOADER_KEY_CHARACTER || key->name == LOADER_KEY_ESCAPE) {
        bytes[0] = key->name == LOADER_KEY_ESCAPE ? '\x1b' : key->character;
        return 1;
    }
    if (key->name == LOADER_KEY_NONE)
        return 0;
    const char *sequence = sequences[key->name];
    size_t n = append(bytes, 0, "\x1b[");
    if (key->control && sequence[1] == '\0')
        n = append(bytes, n, "1;5");
    return append(bytes, n, sequence);
}
