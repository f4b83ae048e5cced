/* SPDX-License-Identifier: BSD-2-Clause */
#include "hexdump.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_line(uint64_t offset_bytes, const uint8_t *data, size_t bytes)
{
    printf("%08" PRIx64 " ", offset_bytes);
    for (size_t i = 0; i < HEXDUMP_LINE_BYTES; i++) {
        if (i == HEXDUMP_LINE_BYTES / 2)
            putchar(' ');
        if (i < bytes)
            printf(" %02x", data[i]);
        else
            fputs("   ", stdout);
    }
    fputs("  |", stdout);
    for (size_t i = 0; i < bytes; i++)
        putchar(data[i] >= 0x20 && data[i] < 0x7f ? data[i] : '.');
    puts("|");
}

void hexdump_add(struct hexdump *dump, uint64_t offset_bytes, const uint8_t *data, size_t bytes)
{
    for (size_t done = 0, n; done < bytes; done += n) {
        n = bytes - done < HEXDUMP_LINE_BYTES ? bytes - done : HEXDUMP_LINE_BYTES;
        bool full = n == HEXDUMP_LINE_BYTES;
        if (full && dump->has_last && memcmp(dump->last, data + done, n) == 0) {
            if (!dump->folding)
                puts("*");
            dump->folding = true;
            continue;
        }
        print_line(offset_bytes + done, data + done, n);
        memcpy(dump->last, data + done, n);
        dump->has_last = full;
        dump->folding = false;
    }
    dump->end_bytes = offset_bytes + bytes;
}

void hexdump_end(struct hexdump *dump)
{
    printf("%08" PRIx64 "\n", dump->end_bytes);
}
