/* SPDX-License-Identifier: BSD-2-Clause */
/* What a device says of itself must not steer the terminal of the person who reads it. */
#ifndef VSTOR_SHELL_PRINTABLE_H
#define VSTOR_SHELL_PRINTABLE_H

/** Turns every byte that is not printable ASCII into '?'. Returns text. */
static inline char *printable(char *text)
{
    for (char *c = text; *c != '\0'; c++)
        *c = *c >= 0x20 && *c < 0x7f ? *c : '?';
    return text;
}

#endif
