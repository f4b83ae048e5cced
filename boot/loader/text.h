/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of untrusted text files: keys and values, patterns, versions. */
#ifndef VSTOR_LOADER_TEXT_H
#define VSTOR_LOADER_TEXT_H

#include <string.h>
#include <vstor/types.h>

/** A piece of the caller's text, without a NUL. All zero: there is none, which is not the same as "". */
struct loader_text {
    const char *at;
    size_t bytes;
};

struct loader_text loader_text_of(const char *text);
bool loader_text_is(struct loader_text text, const char *word);

/** As memcmp; of two where one begins with the other, the shorter one is less. */
int loader_text_compare(struct loader_text a, struct loader_text b);

/** Copies it with a NUL, cut to what has room; false if it was cut. room > 0. */
bool loader_text_copy(struct loader_text text, char *to, size_t room);

/** A decimal number, all of the text. False if it is none or above `max`. */
bool loader_text_number(struct loader_text text, uint32_t max, uint32_t *value) VST_MUST_USE;

/** "1", "yes", "true", "on", "y", "t" and their contraries, in any case. False if it is neither. */
bool loader_text_bool(struct loader_text text, bool *value) VST_MUST_USE;

/**
 * Takes the next line off *rest and parts it: the key up to the first blank, the value without
 * blanks around it. Empty lines and those that begin with '#' are passed over. False at the end.
 */
bool loader_next_line(struct loader_text *rest, struct loader_text *key,
                      struct loader_text *value) VST_MUST_USE;

/** The value of KEY=value in a text like os-release, without its quotes; false if there is none. */
bool loader_os_release(struct loader_text text, const char *key,
                       struct loader_text *value) VST_MUST_USE;

/** Whether a text fits a pattern of '*', '?', '[a-z]', '[!a-z]' and '\\', in any case. Takes no
 * longer than their lengths multiplied. */
bool loader_fits(struct loader_text text, struct loader_text pattern);

/**
 * Compares versions (UAPI.10): less than, equal to or greater than 0 as `a` is older than, as old as
 * or newer than `b`.
 */
int loader_version_compare(struct loader_text a, struct loader_text b);

#endif
