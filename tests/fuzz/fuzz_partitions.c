/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk of zeroes with pieces that are the fuzzer's, and with checksums made right if it likes: what
 * is found lies on the disk, and looking for it ends.
 */
#include <string.h>

#include "block/partitions.h"
#include "tests/fuzz/fuzz_input.h"

#define DISK_BYTES (256u << 10)
#define MOST       200u
#define PIECE_UNIT 16u

static uint8_t disk[DISK_BYTES];
static unsigned n_reads;

static enum vst_status read_disk(void *ctx, uint64_t offset_bytes, void *buffer, size_t bytes)
{
    (void)ctx;
    FUZZ_CHECK(n_reads++ < 2000);
    FUZZ_CHECK(offset_bytes <= DISK_BYTES && bytes <= DISK_BYTES - offset_bytes);
    memcpy(buffer, disk + offset_bytes, bytes);
    return VST_OK;
}

static uint32_t crc32_of(const uint8_t *data, size_t bytes)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void put_le32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/** A header there passes for sound, as does its array if that lies on the disk. */
static void mend(uint8_t *header, uint32_t block_bytes)
{
    uint64_t offset = table_le64(header + 72) * block_bytes;
    uint64_t bytes = (uint64_t)table_le32(header + 80) * table_le32(header + 84);

    memcpy(header, "EFI PART\0\0\1", 12);
    put_le32(header + 12, 92);
    if (table_le64(header + 72) < DISK_BYTES && offset <= DISK_BYTES &&
        bytes <= DISK_BYTES - offset)
        put_le32(header + 88, crc32_of(disk + offset, bytes));
    put_le32(header + 16, 0);
    put_le32(header + 16, crc32_of(header, 92));
}

/** The catalogue that the descriptor names, if it lies on the disk, has the sum that it should. */
static void mend_catalogue(void)
{
    uint64_t at = (uint64_t)table_le32(disk + 17 * 2048 + 71) * 2048;
    uint16_t sum = 0;

    if (at > DISK_BYTES - 32)
        return;
    disk[at] = 1;
    memcpy(disk + at + 28, "\0\0\x55\xaa", 4);
    for (unsigned i = 0; i < 32; i += 2)
        sum = (uint16_t)(sum + table_le16(disk + at + i));
    disk[at + 28] = (uint8_t)-sum;
    disk[at + 29] = (uint8_t)((uint16_t)-sum >> 8);
}

static void check(const struct vst_partition *list, const struct vst_partition_table *table)
{
    FUZZ_CHECK((unsigned)table->scheme < VST_PARTITIONS_N_SCHEMES && table->n <= MOST);
    FUZZ_CHECK(table->flaws >> VST_PARTITIONS_N_FLAWS == 0);
    for (uint32_t i = 0; i < table->n; i++) {
        const struct vst_partition *p = &list[i];
        FUZZ_CHECK(p->bytes > 0 && p->offset_bytes < DISK_BYTES &&
                   p->bytes <= DISK_BYTES - p->offset_bytes);
        FUZZ_CHECK((p->offset_bytes | p->bytes) % table->block_bytes == 0);
        FUZZ_CHECK(p->number >= 1 && memchr(p->name, 0, sizeof(p->name)) != NULL);
        (void)vst_partition_type_name(table, p);
    }
}

/** Pieces: where, in units of 16 bytes, from the start or from the end; how many bytes; these. */
static void put_pieces(struct fuzz_input *input)
{
    memset(disk, 0, sizeof(disk));
    while (input->left > 3) {
        size_t at = fuzz_u8(input) | (size_t)fuzz_u8(input) << 8;
        size_t bytes = fuzz_u8(input) + 1u;
        at = at * PIECE_UNIT % DISK_BYTES;
        bytes = bytes < input->left ? bytes : input->left;
        bytes = bytes < DISK_BYTES - at ? bytes : DISK_BYTES - at;
        memcpy(disk + at, input->at, bytes);
        input->at += bytes;
        input->left -= bytes;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct vst_partition list[MOST];
    static uint8_t buffer[MAX_TABLE_BLOCK_BYTES];
    struct fuzz_input input = {data, bytes};
    struct vst_partition_table table;
    uint8_t how = fuzz_u8(&input);
    uint32_t block_bytes = how & 128 ? 2048 : how & 1 ? 4096 : 512;
    uint32_t table_bytes = how & 2 ? 4096 : 512;

    put_pieces(&input);
    if (how & 4)
        memcpy(disk + 510, "\x55\xaa", 2);
    if (how & 8)
        disk[450] = 0xee;
    if (how & 16)
        mend(disk + table_bytes, table_bytes);
    if (how & 32)
        mend(disk + DISK_BYTES - table_bytes, table_bytes);
    if (how & 128)
        mend_catalogue();
    n_reads = 0;
    const struct partition_source source = {NULL, read_disk, DISK_BYTES, block_bytes, buffer};
    struct partition_list found = {.partitions = list, .max = how & 64 ? 3 : MOST, .table = &table};
    enum vst_status status = vst_partitions_parse(&source, &found);
    FUZZ_CHECK(status == VST_OK || status == VST_ERR_MALFORMED);
    FUZZ_CHECK(status == VST_OK || table.n == 0);
    check(list, &table);
    return 0;
}
