/* SPDX-License-Identifier: BSD-2-Clause */
/* What a unit sent, cut at every length: memory that ends where the received bytes end. */
#ifndef VSTOR_TESTS_SCSI_RECEIVED_H
#define VSTOR_TESTS_SCSI_RECEIVED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/bytes.h"

/** All of an array. */
#define RECEIVED(array) scsi_view_of(array, sizeof(array))

/** Calls `look` with the first 0, 1, ... `bytes` bytes, each a block of its own for ASan to guard. */
static inline void at_every_length(const void *data, size_t bytes,
                                   void (*look)(struct scsi_view received))
{
    for (size_t n = 0; n <= bytes; n++) {
        uint8_t *copy = malloc(n);
        if (n > 0)
            memcpy(copy, data, n);
        look(scsi_view_of(copy, n));
        free(copy);
    }
}

#define AT_EVERY_LENGTH(array, look) at_every_length(array, sizeof(array), look)

#endif
