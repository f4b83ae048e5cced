/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_scsi_disk.h"

#include <string.h>

static uint64_t be(const uint8_t *at, unsigned n)
{
    uint64_t value = 0;
    while (n-- > 0)
        value = value << 8 | *at++;
    return value;
}

static void put_be(uint8_t *at, uint64_t value, unsigned n)
{
    for (; n > 0; value >>= 8)
        at[--n] = (uint8_t)value;
}

/* ------------------------------------------------------------------ what it tells */

size_t fake_disk_pages(const struct fake_unit *unit, uint8_t *data)
{
    size_t n = 6;

    if (unit->disk.has_limits)
        data[n++] = 0xb0;
    if (unit->disk.has_provisioning)
        data[n++] = 0xb2;
    data[3] = (uint8_t)(n - 4);
    return n;
}

bool fake_disk_page(const struct fake_unit *unit, uint8_t page, uint8_t *data)
{
    const struct fake_disk *disk = &unit->disk;

    data[1] = page;
    data[3] = 60;
    if (page == 0xb2 && disk->has_provisioning) {
        data[5] = disk->provisioning;
        return true;
    }
    data[5] = disk->max_compare;
    put_be(data + 20, disk->max_unmap, 4);
    put_be(data + 24, disk->max_unmap_descriptors, 4);
    put_be(data + 28, disk->granularity, 4);
    put_be(data + 32, disk->alignment, 4);
    put_be(data + 36, disk->max_same, 8);
    return page == 0xb0 && disk->has_limits;
}

void fake_disk_capacity(const struct fake_unit *unit, uint8_t *data)
{
    const struct fake_disk *disk = &unit->disk;

    if (disk->protection_type > 0)
        data[12] = (uint8_t)(1 | (disk->protection_type - 1) << 1);
    data[14] = (uint8_t)(disk->thin << 7 | disk->reads_zeroes << 6);
}

size_t fake_disk_mode(const struct fake_unit *unit, const uint8_t *cdb, uint8_t *data)
{
    const struct fake_disk *disk = &unit->disk;
    bool is_6 = cdb[0] == 0x1a;
    size_t header = is_6 ? 4 : 8;
    uint8_t device = (uint8_t)((unit->write_protected ? 0x80 : 0) | (disk->knows_fua ? 0x10 : 0));
    bool wce = cdb[2] >> 6 == 1 ? !disk->cache_fixed : !disk->cache_off;

    if (is_6 != disk->mode_6_only)
        return 0;
    data[is_6 ? 0 : 1] = (uint8_t)(header + 20 - (is_6 ? 1 : 2));
    data[is_6 ? 2 : 3] = device;
    data[header] = 0x88; /* the caching page; it can be saved */
    data[header + 1] = 0x12;
    data[header + 2] = wce ? 0x04 : 0;
    data[header + 3] = 0x77; /* something else that must stay */
    return header + 20;
}

bool fake_disk_takes(struct fake_unit *unit, const uint8_t *cdb)
{
    bool by_32 = cdb[0] == 0x7f, is_write = ((by_32 ? cdb[9] : cdb[0]) & 2) != 0;
    bool fua = ((by_32 ? cdb[10] : cdb[1]) & 0x08) != 0;

    if (by_32 != (unit->disk.protection_type == 2) || (fua && !unit->disk.knows_fua))
        return false;
    if (by_32 && (cdb[7] != 0x18 || cdb[8] != 0 || (cdb[9] != 9 && cdb[9] != 11) ||
                  be(cdb + 20, 4) != (uint32_t)be(cdb + 12, 8)))
        return false;
    unit->disk.n_durable += fua && is_write;
    return true;
}

/* ------------------------------------------------------------------ what it does */

static void refuse(struct fake_disk_sense *sense, uint8_t asc)
{
    *sense = (struct fake_disk_sense){.key = 5, .asc = asc};
}

static uint8_t *place(const struct fake_unit *unit, uint64_t block)
{
    return unit->data + block * unit->block_bytes % (FAKE_UNIT_SECTORS * 512);
}

static void set_blocks(const struct fake_unit *unit, uint64_t block, uint64_t n,
                       const uint8_t *data)
{
    uint64_t most = FAKE_UNIT_SECTORS * 512 / unit->block_bytes;

    for (uint64_t i = 0; i < n && i < most; i++)
        memcpy(place(unit, block + i), data, unit->block_bytes);
}

static bool is_on_disk(const struct fake_unit *unit, uint64_t block, uint64_t n,
                       struct fake_disk_sense *sense)
{
    if (n <= unit->n_blocks && block <= unit->n_blocks - n)
        return true;
    refuse(sense, 0x21);
    return false;
}

/** What is unmapped reads as 0xee, unless zeroes are promised. */
static void unmap(struct fake_unit *unit, const uint8_t *data, size_t bytes,
                  struct fake_disk_sense *sense)
{
    static uint8_t nothing[65536];
    struct fake_disk *disk = &unit->disk;
    size_t n = (bytes - 8) / 16;
    uint64_t sum = 0;

    if (bytes < 8 || be(data, 2) != bytes - 2 || be(data + 2, 2) != bytes - 8 || bytes % 16 != 8)
        sense->misuse = "UNMAP whose list has other lengths than it says";
    memset(nothing, disk->reads_zeroes ? 0 : 0xee, sizeof(nothing));
    for (size_t i = 0; sense->misuse == NULL && i < n; i++) {
        uint64_t block = be(data + 8 + 16 * i, 8), n_blocks = be(data + 16 + 16 * i, 4);
        if (!is_on_disk(unit, block, n_blocks, sense))
            return;
        set_blocks(unit, block, n_blocks, nothing);
        sum += n_blocks;
    }
    if (sum > disk->max_unmap || n > disk->max_unmap_descriptors)
        sense->misuse = "UNMAP of more than the disk takes";
    disk->n_unmaps++;
    disk->n_descriptors += (unsigned)n;
}

static void write_same(struct fake_unit *unit, const uint8_t *cdb, const uint8_t *data,
                       size_t bytes, struct fake_disk_sense *sense)
{
    uint64_t block = be(cdb + 2, 8), n = be(cdb + 10, 4);

    if (bytes != unit->block_bytes)
        sense->misuse = "WRITE SAME that sends no block";
    else if (n == 0 || (unit->disk.max_same != 0 && n > unit->disk.max_same))
        sense->misuse = "WRITE SAME of more than the disk takes";
    else if (is_on_disk(unit, block, n, sense))
        set_blocks(unit, block, n, data);
    unit->disk.n_sames++;
    unit->disk.last_same_flags = cdb[1];
}

static void compare_and_write(struct fake_unit *unit, const uint8_t *cdb, const uint8_t *data,
                              size_t bytes, struct fake_disk_sense *sense)
{
    uint64_t block = be(cdb + 2, 8);
    size_t half = (size_t)cdb[13] * unit->block_bytes;

    if (cdb[13] > unit->disk.max_compare || bytes != 2 * half)
        sense->misuse = "COMPARE AND WRITE of another length";
    else if (memcmp(place(unit, block), data, half) != 0)
        *sense = (struct fake_disk_sense){.key = 14, .asc = 0x1d};
    else
        memcpy(place(unit, block), data + half, half);
}

static void verify(struct fake_unit *unit, const uint8_t *cdb, struct fake_disk_sense *sense)
{
    bool is_16 = cdb[0] == 0x8f;
    uint64_t block = be(cdb + 2, is_16 ? 8 : 4), n = is_16 ? be(cdb + 10, 4) : be(cdb + 7, 2);

    if (!is_on_disk(unit, block, n, sense))
        return;
    if (block <= unit->bad_block && unit->bad_block < block + n)
        *sense = (struct fake_disk_sense){3, 0x11, true, unit->bad_block, NULL};
    unit->disk.n_verified += (unsigned)n;
}

static void mode_select(struct fake_unit *unit, const uint8_t *cdb, const uint8_t *data,
                        size_t bytes, struct fake_disk_sense *sense)
{
    struct fake_disk *disk = &unit->disk;
    bool is_6 = cdb[0] == 0x15;
    size_t header = is_6 ? 4 : 8;

    if (is_6 != disk->mode_6_only || disk->refuses_select) {
        refuse(sense, 0x20);
        return;
    }
    if (cdb[1] != 0x10 || bytes != header + 20 || data[header] != 8 || data[header + 1] != 0x12 ||
        data[header + 3] != 0x77 || data[0] != 0)
        sense->misuse = "MODE SELECT of something else than the caching page as it was";
    if (!disk->cache_fixed)
        disk->cache_off = (data[header + 2] & 4) == 0;
    disk->n_selects++;
}

void fake_disk_serve(struct fake_unit *unit, const uint8_t *cdb, const uint8_t *data, size_t bytes,
                     struct fake_disk_sense *sense)
{
    const struct fake_disk *disk = &unit->disk;
    bool unmaps = disk->thin && !disk->refuses_ranges && (disk->provisioning & 0x80) != 0;
    bool sames = !disk->refuses_ranges && (disk->max_same > 0 || (disk->provisioning & 0x40) != 0);

    if (cdb[0] == 0x42 && unmaps && be(cdb + 7, 2) == bytes)
        unmap(unit, data, bytes, sense);
    else if (cdb[0] == 0x93 && sames)
        write_same(unit, cdb, data, bytes, sense);
    else if (cdb[0] == 0x89 && disk->max_compare > 0)
        compare_and_write(unit, cdb, data, bytes, sense);
    else if (cdb[0] == 0x2f || cdb[0] == 0x8f)
        verify(unit, cdb, sense);
    else if (cdb[0] == 0x55 || cdb[0] == 0x15)
        mode_select(unit, cdb, data, bytes, sense);
    else
        refuse(sense, 0x20);
}
