/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_ranges.h"

#include <assert.h>
#include <string.h>

enum { GET_LIFETIME = 10, DISCARD = 11, WRITE_ZEROES = 13, SECURE_ERASE = 14 };
enum { OK = 0, IOERR = 1, UNSUPP = 2 };

static bool has(const struct fake_virtio_blk *blk, unsigned bit)
{
    return (blk->driver_features >> bit & 1) != 0;
}

static void expect(struct fake_virtio_blk *blk, bool kept, const char *rule)
{
    if (!kept)
        fake_virtio_blk_misuse(blk, rule);
}

static unsigned feature_of(uint32_t type)
{
    return type == DISCARD ? 13 : type == WRITE_ZEROES ? 14 : 16;
}

static const struct fake_range_limits *limits_of(const struct fake_ranges *ranges, uint32_t type)
{
    return type == DISCARD        ? &ranges->discard
           : type == WRITE_ZEROES ? &ranges->zeroes
                                  : &ranges->erase;
}

/** Carries one range out. */
static uint8_t wipe(struct fake_ranges *ranges, struct fake_virtio_blk *blk,
                    const struct fake_range_seen *range)
{
    const struct fake_range_limits *limits = limits_of(ranges, range->type);
    uint8_t fill = range->type == DISCARD        ? FAKE_DISCARDED
                   : range->type == WRITE_ZEROES ? 0
                                                 : FAKE_ERASED;

    expect(blk, range->n_sectors > 0, "an empty range");
    expect(blk, limits->max_sectors == 0 || range->n_sectors <= limits->max_sectors,
           "a range longer than the limit");
    expect(blk, range->flags == 0 || (range->type == WRITE_ZEROES && range->flags == 1),
           "flags that are not defined there");
    expect(blk,
           range->sector <= blk->disk_sectors &&
               range->n_sectors <= blk->disk_sectors - range->sector,
           "a range beyond the capacity");
    if (blk->saw_misuse || ranges->fail_sector - range->sector < range->n_sectors)
        return IOERR;
    memset(blk->disk + range->sector * 512, fill, (size_t)range->n_sectors * 512);
    return OK;
}

static uint8_t serve_ranges(struct fake_ranges *ranges, struct fake_virtio_blk *blk,
                            const struct fake_request *request)
{
    const struct fake_range_limits *limits = limits_of(ranges, request->type);
    uint8_t answer = ranges->answer;

    expect(blk, has(blk, feature_of(request->type)), "a command that was not negotiated");
    expect(blk, request->sector == 0, "a sector where none may be");
    expect(blk, (blk->offered_features >> 5 & 1) == 0, "a read-only device's data are destroyed");
    expect(blk, request->n_data == 1 && request->data->bytes > 0 && request->data->bytes % 16 == 0,
           "data that are no whole ranges");
    expect(blk, limits->max_ranges == 0 || request->data->bytes / 16 <= limits->max_ranges,
           "more ranges than the limit");
    expect(blk, !request->data->writable, "ranges in writable memory");
    if (blk->saw_misuse)
        return IOERR;
    ranges->n_commands++;
    for (uint32_t at = 0; at < request->data->bytes; at += 16) {
        const char *bytes = (const char *)(uintptr_t)request->data->addr + at;
        assert(ranges->n_seen < FAKE_RANGES_MAX_SEEN);
        struct fake_range_seen *seen = &ranges->seen[ranges->n_seen++];
        *seen = (struct fake_range_seen){.type = request->type, .command = ranges->n_commands};
        memcpy(&seen->sector, bytes, 8);
        memcpy(&seen->n_sectors, bytes + 8, 4);
        memcpy(&seen->flags, bytes + 12, 4);
        if (answer == OK)
            answer = wipe(ranges, blk, seen);
    }
    return answer;
}

static uint8_t serve_lifetime(struct fake_ranges *ranges, struct fake_virtio_blk *blk,
                              const struct fake_request *request)
{
    expect(blk, has(blk, 15), "a command that was not negotiated");
    expect(blk, request->sector == 0, "a sector where none may be");
    expect(blk, request->n_data == 1 && request->data->bytes == 6 && request->data->writable,
           "no room of 6 bytes");
    if (blk->saw_misuse)
        return IOERR;
    ranges->n_lifetimes++;
    if (!ranges->tells_nothing)
        memcpy((void *)(uintptr_t)request->data->addr, ranges->lifetime, 6);
    return ranges->answer;
}

static bool serve(struct fake_extension *extension, struct fake_virtio_blk *blk,
                  const struct fake_request *request, uint8_t *answer)
{
    struct fake_ranges *ranges = VST_CONTAINER_OF(extension, struct fake_ranges, extension);

    if (ranges->n_types < sizeof(ranges->types))
        ranges->types[ranges->n_types++] = (uint8_t)request->type;
    switch (request->type) {
    case DISCARD:
    case WRITE_ZEROES:
    case SECURE_ERASE:
        *answer = serve_ranges(ranges, blk, request);
        return true;
    case GET_LIFETIME:
        *answer = serve_lifetime(ranges, blk, request);
        return true;
    default:
        return false;
    }
}

void fake_ranges_offer(struct fake_ranges *ranges, struct fake_virtio_blk *blk)
{
    static const struct fake_range_limits usual = {1000, 8};

    *ranges = (struct fake_ranges){.extension.serve = serve,
                                   .discard = usual,
                                   .zeroes = usual,
                                   .erase = usual,
                                   .lifetime = {1, 3, 11},
                                   .fail_sector = UINT64_MAX};
    fake_virtio_blk_extend(blk, &ranges->extension);
    blk->offered_features |= 1u << 13 | 1u << 14 | 1u << 15 | 1u << 16;
    for (unsigned at = 36; at <= 60; at += 12) { /* discard, write zeroes, secure erase */
        fake_virtio_blk_set_config32(blk, at, usual.max_sectors);
        fake_virtio_blk_set_config32(blk, at + 4, usual.max_ranges);
    }
    fake_virtio_blk_set_config32(blk, 44, 8);
    blk->config[56] = 1; /* write_zeroes_may_unmap */
    fake_virtio_blk_set_config32(blk, 68, 8);
}
