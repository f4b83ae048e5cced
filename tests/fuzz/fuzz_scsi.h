/* SPDX-License-Identifier: BSD-2-Clause */
/* For the fuzzers of SCSI data: what was received, in memory that ends where it ends. */
#ifndef VSTOR_TESTS_FUZZ_SCSI_H
#define VSTOR_TESTS_FUZZ_SCSI_H

#include <string.h>

#include "scsi/bytes.h"
#include "tests/fuzz/fuzz_input.h"

static inline struct scsi_view fuzz_received(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes);

    if (bytes > 0)
        memcpy(copy, data, bytes);
    return scsi_view_of(copy, bytes);
}

static inline void fuzz_received_free(struct scsi_view received)
{
    free((void *)(uintptr_t)received.at);
}

/** Part of what was received, and no more. */
static inline void fuzz_check_inside(struct scsi_view part, struct scsi_view whole)
{
    FUZZ_CHECK(part.bytes <= whole.bytes);
    FUZZ_CHECK(part.bytes == 0 ||
               (part.at >= whole.at && part.at + part.bytes <= whole.at + whole.bytes));
}

/** Printable, without spaces around, in `bytes` with its end. */
static inline void fuzz_check_text(const char *text, size_t bytes)
{
    size_t n = strnlen(text, bytes);

    FUZZ_CHECK(n < bytes);
    FUZZ_CHECK(n == 0 || (text[0] != ' ' && text[n - 1] != ' '));
    for (size_t i = 0; i < n; i++)
        FUZZ_CHECK(text[i] >= ' ' && text[i] <= '~');
}

#endif
