/* SPDX-License-Identifier: BSD-2-Clause */
/* A key, whatever it was typed on, and the bytes that a terminal would send for it. */
#ifndef VSTOR_EFI_LOADER_KEYS_H
#define VSTOR_EFI_LOADER_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum loader_key_name {
    LOADER_KEY_NONE,
    LOADER_KEY_CHARACTER,
    LOADER_KEY_UP,
    LOADER_KEY_DOWN,
    LOADER_KEY_RIGHT,
    LOADER_KEY_LEFT,
    LOADER_KEY_HOME,
    LOADER_KEY_END,
    LOADER_KEY_INSERT,
    LOADER_KEY_DELETE,
    LOADER_KEY_PAGE_UP,
    LOADER_KEY_PAGE_DOWN,
    LOADER_KEY_ESCAPE,
};

struct loader_key {
    enum loader_key_name name;
    /** Of LOADER_KEY_CHARACTER: ASCII, with Ctrl the control character; Enter is '\r'. */
    char character;
    bool control; /**< of the other keys: with Ctrl */
};

#define LOADER_KEY_BYTES 8u

/** As an xterm sends it. Returns the number of bytes; 0 for LOADER_KEY_NONE. */
size_t loader_key_bytes(const struct loader_key *key, char bytes[LOADER_KEY_BYTES]);

#endif
