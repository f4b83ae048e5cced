/* SPDX-License-Identifier: BSD-2-Clause */
#include "mismatch.h"

#include <inttypes.h>
#include <stdio.h>

#include "pattern.h"

bool mismatch_check(struct mismatch *mismatch, uint64_t seed, uint64_t offset_bytes,
                    const uint8_t *data, size_t bytes)
{
    size_t wrong = pattern_first_difference(seed, offset_bytes, data, bytes);

    if (wrong == bytes)
        return true;
    mismatch->offset = offset_bytes + wrong;
    mismatch->seed = seed;
    mismatch->expected = pattern_byte(seed, mismatch->offset);
    mismatch->found = data[wrong];
    pattern_explain(seed, offset_bytes, data, bytes, wrong, mismatch->explanation,
                    sizeof(mismatch->explanation));
    return false;
}

bool mismatch_fail(const struct shell_context *context, const struct mismatch *mismatch)
{
    struct json json;

    if (!context->json) {
        for (size_t i = 0; i < context->n_typed; i++)
            printf("%s%s", i ? " " : "", context->typed[i]);
        printf(": wrong at byte %" PRIu64 ": expected %02x, found %02x%s%s\n", mismatch->offset,
               mismatch->expected, mismatch->found, *mismatch->explanation ? "; " : "",
               mismatch->explanation);
        return false;
    }
    shell_json_open(context, &json);
    json_text(&json, "error", "mismatch");
    json_u64(&json, "offset", mismatch->offset);
    json_u64(&json, "expected", mismatch->expected);
    json_u64(&json, "found", mismatch->found);
    json_u64(&json, "seed", mismatch->seed);
    json_text(&json, "text", *mismatch->explanation ? mismatch->explanation : "not the pattern");
    json_close(&json);
    return false;
}
