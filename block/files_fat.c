/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FAT12, FAT16 and FAT32, long names. (FAT: General Overview of On-Disk Format, 1.03)
 *
 * A chain is followed with a mark that moves to where we are at every power of two (Brent): who
 * comes upon the mark again runs in a circle.
 */
#include "block/files.h"

#define ENTRY_BYTES         32u
#define MAX_DIRECTORY_BYTES (65536u * ENTRY_BYTES)
#define FIRST_CLUSTER       2u
#define ATTR_VOLUME         0x08u
#define ATTR_DIRECTORY      0x10u
#define ATTR_LONG           0x0fu
#define ATTR_MASK           0x3fu
#define MARK_DELETED        0xe5u
#define SLOT_UNITS          13u
#define MAX_SLOTS           20u
#define MAX_LONG_UNITS      255u

/* ------------------------------------------------------------------ short names */

/** Code page 437 from 0x80 on, as Linux takes it by default. */
static const uint16_t code_page[128] = {
    0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef,
    0x00ee, 0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9,
    0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3, 0x00fa,
    0x00f1, 0x00d1, 0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb,
    0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557,
    0x255d, 0x255c, 0x255b, 0x2510, 0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f,
    0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559,
    0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580,
    0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4,
    0x221e, 0x03c6, 0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248,
    0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0,
};

static void put_short(struct files_text *text, const uint8_t *from, unsigned n, bool lower)
{
    while (n > 0 && (from[n - 1] == ' ' || from[n - 1] == 0)) /* some pad with that */
        n--;
    for (unsigned i = 0; i < n; i++) {
        uint32_t rune = from[i] < 0x80 ? from[i] : code_page[from[i] - 0x80];
        if (lower && rune >= 'A' && rune <= 'Z')
            rune += 'a' - 'A';
        vst_files_put_rune(text, rune);
    }
}

/** "README.TXT"; parts that the two bits of Windows NT say are in small letters are. */
static void short_name(const uint8_t *entry, char *name, size_t bytes)
{
    struct files_text text = files_text_begin(name, bytes);
    uint8_t base[8];

    __builtin_memcpy(base, entry, sizeof(base));
    if (base[0] == 0x05) /* 0xe5 would mean deleted */
        base[0] = MARK_DELETED;
    put_short(&text, base, sizeof(base), (entry[12] & 0x08) != 0);
    if (files_same(entry + 8, "   ", 3))
        return;
    vst_files_put_rune(&text, '.');
    put_short(&text, entry + 8, 3, (entry[12] & 0x10) != 0);
}

/* ------------------------------------------------------------------ long names */

/** The slots before an entry, last part of the name first. */
struct long_name {
    uint8_t units[MAX_SLOTS * SLOT_UNITS * 2];
    unsigned n, left; /* slots of the name, and those still to come; n 0: there is no name */
    uint8_t checksum;
};

static void long_take(struct long_name *name, const uint8_t *slot)
{
    const unsigned order = slot[0] & 0x3fu;

    if ((slot[0] & 0x40) != 0)
        *name = (struct long_name){.n = order, .left = order, .checksum = slot[13]};
    if (order == 0 || order > MAX_SLOTS || order != name->left || slot[13] != name->checksum) {
        name->n = 0;
        return;
    }
    uint8_t *to = name->units + --name->left * (SLOT_UNITS * 2);
    __builtin_memcpy(to, slot + 1, 10);
    __builtin_memcpy(to + 10, slot + 14, 12);
    __builtin_memcpy(to + 22, slot + 28, 4);
}

static uint8_t checksum(const uint8_t *entry)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < 11; i++)
        sum = (uint8_t)((sum >> 1 | sum << 7) + entry[i]);
    return sum;
}

/** False if the name does not belong to the entry or is none: then the short one counts. */
static bool long_put(const struct long_name *name, const uint8_t *entry, char *to, size_t bytes)
{
    struct files_text text = files_text_begin(to, bytes);
    unsigned n = 0;

    if (name->n == 0 || name->left != 0 || name->checksum != checksum(entry))
        return false;
    while (n < name->n * SLOT_UNITS && (name->units[2 * n] | name->units[2 * n + 1]) != 0) {
        if (name->units[2 * n] == '/' && name->units[2 * n + 1] == 0)
            return false;
        n++;
    }
    if (n == 0 || n > MAX_LONG_UNITS)
        return false;
    vst_files_put_utf16(&text, name->units, n, 1);
    return !text.full && !vst_files_is_dots(to, files_length(to, bytes));
}

/* ------------------------------------------------------------------ chains */

/**
 * What follows a cluster. VST_ERR_NOT_FOUND: nothing, it is the last one. VST_ERR_MALFORMED: there
 * is no such cluster, or it is marked free or bad.
 */
static enum vst_status next_cluster(struct vst_files *files, uint32_t cluster, uint32_t *next)
{
    const struct vst_files_fat *fat = &files->fat;
    static const uint8_t bits[] = {12, 16, 32};
    static const uint32_t masks[] = {0xfff, 0xffff, 0x0fffffff};
    const uint32_t mask = masks[files->kind];
    uint8_t raw[4] = {0};
    const uint64_t bit = (uint64_t)cluster * bits[files->kind];

    if (cluster < FIRST_CLUSTER || cluster - FIRST_CLUSTER >= fat->n_clusters)
        return VST_ERR_MALFORMED;
    enum vst_status status = vst_files_copy(files, WINDOW_MAP, fat->fat_offset + bit / 8, raw,
                                            files->kind == VST_FILES_FAT32 ? 4 : 2);
    if (status != VST_OK)
        return status;
    *next = files_le32(raw) >> bit % 8 & mask;
    if (*next >= mask - 7)
        return VST_ERR_NOT_FOUND;
    return *next < FIRST_CLUSTER || *next - FIRST_CLUSTER >= fat->n_clusters ? VST_ERR_MALFORMED
                                                                             : VST_OK;
}

static enum vst_status chain_step(struct vst_files *files, struct vst_file_private *chain)
{
    uint32_t next;
    enum vst_status status = next_cluster(files, chain->cluster, &next);

    if (status != VST_OK)
        return status;
    if (next == chain->marker)
        return VST_ERR_MALFORMED;
    chain->cluster = next;
    if (vst_is_power_of_two(++chain->index))
        chain->marker = next;
    return VST_OK;
}

static enum vst_status chain_seek(struct vst_files *files, struct vst_file_private *chain,
                                  uint32_t index)
{
    enum vst_status status = VST_OK;

    if (chain->cluster == 0 || index < chain->index) {
        chain->cluster = chain->marker = chain->first;
        chain->index = 0;
    }
    if (chain->first < FIRST_CLUSTER || chain->first - FIRST_CLUSTER >= files->fat.n_clusters)
        return VST_ERR_MALFORMED;
    while (status == VST_OK && chain->index < index)
        status = chain_step(files, chain);
    return status;
}

static enum vst_status fat_map(struct vst_files *files, struct vst_file *file, uint64_t offset,
                               uint64_t want, uint64_t *at, uint64_t *run_bytes)
{
    const struct vst_files_fat *fat = &files->fat;
    struct vst_file_private *chain = &file->priv;
    const uint64_t in_cluster = offset & (fat->cluster_bytes - 1);

    if (chain->fixed) {
        if (offset >= fat->root_bytes)
            return VST_ERR_NOT_FOUND;
        *at = fat->root_offset + offset;
        *run_bytes = want < fat->root_bytes - offset ? want : fat->root_bytes - offset;
        return VST_OK;
    }
    /* Neither files nor directories are longer than 4 GiB. */
    enum vst_status status = chain_seek(files, chain, (uint32_t)(offset / fat->cluster_bytes));
    if (status != VST_OK)
        return status;
    *at = fat->data_offset + (uint64_t)(chain->cluster - FIRST_CLUSTER) * fat->cluster_bytes +
          in_cluster;
    *run_bytes = fat->cluster_bytes - in_cluster;
    while (*run_bytes < want) {
        const uint32_t cluster = chain->cluster;
        uint32_t next;
        /* What is wrong further on is told when it is needed. */
        if (next_cluster(files, cluster, &next) != VST_OK || next != cluster + 1 ||
            chain_step(files, chain) != VST_OK)
            break;
        *run_bytes += fat->cluster_bytes;
    }
    if (*run_bytes > want)
        *run_bytes = want;
    return VST_OK;
}

/* ------------------------------------------------------------------ directories */

static void fat_root(const struct vst_files *files, struct vst_file *file)
{
    *file = (struct vst_file){
        .type = VST_FILE_DIRECTORY,
        .priv = {.fixed = files->kind != VST_FILES_FAT32, .first = files->fat.root_cluster}};
}

static enum vst_status fat_list(struct vst_files *files, struct vst_directory *directory)
{
    uint64_t at, run;
    enum vst_status status = fat_map(files, &directory->file, 0, ENTRY_BYTES, &at, &run);

    return status == VST_ERR_NOT_FOUND ? VST_ERR_MALFORMED : status;
}

static bool seconds_of(const uint8_t *entry, int64_t *seconds)
{
    const uint32_t time = files_le16(entry + 22), date = files_le16(entry + 24);
    const struct files_date parts = {1980 + (date >> 9), date >> 5 & 15,   date & 31,
                                     time >> 11,         time >> 5 & 0x3f, (time & 31) * 2};

    return vst_files_seconds(&parts, seconds);
}

static void fill_entry(const struct vst_files *files, const uint8_t *raw,
                       const struct long_name *name, struct vst_file_entry *entry)
{
    const bool is_directory = (raw[11] & ATTR_DIRECTORY) != 0;

    entry->file = (struct vst_file){
        .type = is_directory ? VST_FILE_DIRECTORY : VST_FILE_REGULAR,
        .bytes = is_directory ? 0 : files_le32(raw + 28),
        .priv.first = files_le16(raw + 26) |
                      (files->kind == VST_FILES_FAT32 ? files_le16(raw + 20) << 16 : 0),
    };
    entry->file.has_time = seconds_of(raw, &entry->file.time_s);
    short_name(raw, entry->short_name, sizeof(entry->short_name));
    if (!long_put(name, raw, entry->name, sizeof(entry->name)))
        __builtin_memcpy(entry->name, entry->short_name, sizeof(entry->short_name));
}

/** The next 32 bytes. VST_ERR_NOT_FOUND at the end of the directory, also if it goes on for ever. */
static enum vst_status next_raw(struct vst_files *files, struct vst_directory *directory,
                                uint8_t raw[ENTRY_BYTES])
{
    uint64_t at, run;

    if (directory->position_bytes >= MAX_DIRECTORY_BYTES)
        return VST_ERR_NOT_FOUND;
    if (!files_step(files))
        return VST_ERR_MALFORMED;
    enum vst_status status =
        fat_map(files, &directory->file, directory->position_bytes, ENTRY_BYTES, &at, &run);
    if (status == VST_OK)
        status = vst_files_copy(files, WINDOW_DATA, at, raw, ENTRY_BYTES);
    if (status == VST_OK && raw[0] != 0)
        directory->position_bytes += ENTRY_BYTES;
    return status == VST_OK && raw[0] == 0 ? VST_ERR_NOT_FOUND : status;
}

static enum vst_status fat_next(struct vst_files *files, struct vst_directory *directory,
                                struct vst_file_entry *entry)
{
    struct long_name name = {.n = 0};
    uint8_t raw[ENTRY_BYTES];

    for (;;) {
        enum vst_status status = next_raw(files, directory, raw);
        if (status != VST_OK)
            return status;
        if (raw[0] != MARK_DELETED && (raw[11] & ATTR_MASK) == ATTR_LONG) {
            long_take(&name, raw);
            continue;
        }
        /* "." and ".." are the only short names that begin with a dot. */
        if (raw[0] != MARK_DELETED && raw[0] != '.' && (raw[11] & ATTR_VOLUME) == 0) {
            fill_entry(files, raw, &name, entry);
            const size_t n = files_length(entry->name, sizeof(entry->name));
            if (n > 0 && !vst_files_is_dots(entry->name, n)) /* a blank, and dots behind its dot */
                return VST_OK;
        }
        name.n = 0;
    }
}

/* ------------------------------------------------------------------ opening */

/** Numbers of the boot sector, checked. */
struct boot_sector {
    uint32_t sector_bytes, cluster_sectors, n_reserved, n_fats, n_root_entries, fat_sectors;
    uint64_t n_sectors;
    uint32_t root_cluster, active_fat;
    bool is_fat32;
};

static bool is_between(uint32_t number, uint32_t least, uint32_t most)
{
    return number >= least && number <= most;
}

/** False if it can't be one: a partition table, another file system, nothing. (3.1 to 3.3) */
static bool parse_boot_sector(const uint8_t *raw, struct boot_sector *boot)
{
    const bool jumps = raw[0] == 0xeb || raw[0] == 0xe9;

    *boot = (struct boot_sector){
        .sector_bytes = files_le16(raw + 11),
        .cluster_sectors = raw[13],
        .n_reserved = files_le16(raw + 14),
        .n_fats = raw[16],
        .n_root_entries = files_le16(raw + 17),
        .fat_sectors = files_le16(raw + 22),
        .n_sectors = files_le16(raw + 19),
    };
    boot->is_fat32 = boot->fat_sectors == 0;
    if (boot->n_sectors == 0)
        boot->n_sectors = files_le32(raw + 32);
    if (boot->is_fat32) {
        boot->fat_sectors = files_le32(raw + 36);
        boot->root_cluster = files_le32(raw + 44);
        /* Mirroring is off: only one of them is kept up. */
        boot->active_fat = (raw[40] & 0x80) != 0 ? raw[40] & 0x0f : 0;
    }
    /* Disks without the jump have the mark, those of old without the mark have the jump. */
    return (jumps || (raw[510] == 0x55 && raw[511] == 0xaa)) &&
           (raw[21] == 0xf0 || raw[21] >= 0xf8) && is_between(boot->sector_bytes, 512, 4096) &&
           vst_is_power_of_two(boot->sector_bytes) && vst_is_power_of_two(boot->cluster_sectors) &&
           boot->n_reserved > 0 && is_between(boot->n_fats, 1, 8);
}

/** Where things are. (3.5; which FAT it is, as Linux and mtools tell: FAT32 by the form of the boot
 * sector, for mkfs makes small ones, too) */
static enum vst_status lay_out(struct vst_files *files, const struct boot_sector *boot)
{
    struct vst_files_fat *fat = &files->fat;
    const uint32_t root_sectors =
        (boot->n_root_entries * ENTRY_BYTES + boot->sector_bytes - 1) / boot->sector_bytes;
    const uint64_t n_before =
        boot->n_reserved + (uint64_t)boot->n_fats * boot->fat_sectors + root_sectors;
    const uint64_t fat_bytes = (uint64_t)boot->fat_sectors * boot->sector_bytes;

    if (boot->fat_sectors == 0 || n_before >= boot->n_sectors || boot->active_fat >= boot->n_fats)
        return VST_ERR_MALFORMED;
    uint64_t n_clusters = (boot->n_sectors - n_before) / boot->cluster_sectors;
    files->kind = boot->is_fat32      ? VST_FILES_FAT32
                  : n_clusters < 4085 ? VST_FILES_FAT12
                                      : VST_FILES_FAT16;
    const uint64_t n_entries = files->kind == VST_FILES_FAT32   ? fat_bytes / 4
                               : files->kind == VST_FILES_FAT16 ? fat_bytes / 2
                                                                : fat_bytes * 2 / 3;
    if (n_entries < FIRST_CLUSTER)
        return VST_ERR_MALFORMED;
    if (n_clusters > n_entries - FIRST_CLUSTER)
        n_clusters = n_entries - FIRST_CLUSTER;
    if (n_clusters > 0x0ffffff5u || (!boot->is_fat32 && n_clusters > 0xfff5u))
        return VST_ERR_MALFORMED;
    fat->n_clusters = (uint32_t)n_clusters;
    fat->cluster_bytes = boot->cluster_sectors * boot->sector_bytes;
    fat->fat_offset =
        boot->n_reserved * (uint64_t)boot->sector_bytes + boot->active_fat * fat_bytes;
    fat->root_offset = boot->n_reserved * (uint64_t)boot->sector_bytes + boot->n_fats * fat_bytes;
    fat->root_bytes = boot->n_root_entries * ENTRY_BYTES;
    fat->root_cluster = boot->root_cluster;
    fat->data_offset = n_before * boot->sector_bytes;
    return VST_OK;
}

static void put_label(struct vst_files *files, const uint8_t *raw)
{
    struct files_text text = files_text_begin(files->label, sizeof(files->label));

    put_short(&text, raw, 11, false);
}

/** From the root directory, as that is what Windows changes; else from the boot sector. */
static void find_label(struct vst_files *files, const uint8_t *boot_label)
{
    struct vst_directory root = {.position_bytes = 0};
    uint8_t raw[ENTRY_BYTES];

    if (boot_label != NULL && !files_same(boot_label, "NO NAME    ", 11))
        put_label(files, boot_label);
    fat_root(files, &root.file);
    while (next_raw(files, &root, raw) == VST_OK)
        if (raw[0] != MARK_DELETED && (raw[11] & (ATTR_VOLUME | ATTR_DIRECTORY)) == ATTR_VOLUME &&
            (raw[11] & ATTR_MASK) != ATTR_LONG) {
            put_label(files, raw);
            return;
        }
}

/** "12AB-34CD" */
static void put_serial(char *to, uint32_t serial)
{
    for (unsigned i = 0; i < 8; i++) {
        if (i == 4)
            *to++ = '-';
        *to++ = "0123456789ABCDEF"[serial >> (28 - 4 * i) & 15];
    }
    *to = '\0';
}

static enum vst_status fat_open(struct vst_files *files)
{
    uint8_t raw[VST_SECTOR_BYTES];
    struct boot_sector boot;
    enum vst_status status = vst_files_copy(files, WINDOW_DATA, 0, raw, sizeof(raw));

    if (status != VST_OK)
        return status == VST_ERR_RANGE ? VST_ERR_NOT_FOUND : status;
    if (!parse_boot_sector(raw, &boot))
        return VST_ERR_NOT_FOUND;
    status = lay_out(files, &boot);
    if (status != VST_OK)
        return status;
    const uint8_t *extended = raw + (boot.is_fat32 ? 66 : 38);
    const bool has_serial = *extended == 0x28 || *extended == 0x29;
    if (has_serial)
        put_serial(files->uuid, files_le32(extended + 1));
    find_label(files, *extended == 0x29 ? extended + 5 : NULL);
    return VST_OK;
}

const struct vst_files_kind_ops vst_files_fat = {
    .open = fat_open,
    .root = fat_root,
    .list = fat_list,
    .next = fat_next,
    .map = fat_map,
    .folds_case = true,
};
