/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What expands the boot loader, beside zlib: what that takes comes out byte for byte the same, what
 * that refuses is refused. The input is compressed data.
 */
#include <string.h>

#include "tests/fuzz/fuzz_input.h"

/* Both have the same name. */
#define inflate expand_deflated
#include "boot/efi/packed/inflate.c"
#undef inflate

#include <zlib.h>

#define MAX_OUT_BYTES 65536u

struct judged {
    bool taken; /* all of the input, and it ends there */
    size_t bytes;
    uint8_t *out;
};

static struct judged judge(const uint8_t *data, size_t bytes)
{
    struct judged judged = {.out = malloc(MAX_OUT_BYTES)};
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data,
                       .avail_in = (uInt)bytes,
                       .next_out = judged.out,
                       .avail_out = MAX_OUT_BYTES};

    FUZZ_CHECK(inflateInit2(&stream, -MAX_WBITS) == Z_OK);
    judged.taken = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0;
    judged.bytes = stream.total_out;
    inflateEnd(&stream);
    return judged;
}

/* From and to memory of exactly these sizes, so that the sanitizer sees a byte too much. */
static bool expand(const uint8_t *data, size_t bytes, size_t to_bytes, const uint8_t *wanted)
{
    struct inflate_work *work = malloc(sizeof(*work));
    uint8_t *from = malloc(bytes + 1), *to = malloc(to_bytes + 1);

    memcpy(from + 1, data, bytes);
    bool ok = expand_deflated(work, from + 1, bytes, to + 1, to_bytes);
    if (ok && wanted != NULL)
        FUZZ_CHECK(memcmp(to + 1, wanted, to_bytes) == 0);
    free(work);
    free(from);
    free(to);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct judged judged = judge(data, bytes);

    FUZZ_CHECK(expand(data, bytes, judged.bytes, judged.out) == judged.taken);
    if (judged.bytes < MAX_OUT_BYTES) /* else it may go on */
        FUZZ_CHECK(!expand(data, bytes, judged.bytes + 1, NULL));
    if (judged.bytes > 0)
        FUZZ_CHECK(!expand(data, bytes, judged.bytes - 1, NULL));
    free(judged.out);
    return 0;
}
