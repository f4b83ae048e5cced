/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ISO 9660 (ECMA-119), with Rock Ridge if it is there, else with Joliet if that is.
 *
 * A file is found again by its record in its directory: long ones have several extents, each with
 * a record of its own, one after the other.
 */
#include "block/files.h"

#define SECTOR_BYTES        2048u
#define FIRST_DESCRIPTOR    16u
#define MAX_DESCRIPTORS     64u
#define MAX_DIRECTORY_BYTES (64u << 20)
#define RECORD_BYTES        33u /* before the name */
#define ROOT_RECORD         156u

#define FLAG_DIRECTORY  0x02u
#define FLAG_ASSOCIATED 0x04u
#define FLAG_MORE       0x80u

#define MODE_TYPE      0170000u
#define MODE_DIRECTORY 0040000u
#define MODE_REGULAR   0100000u
#define MODE_LINK      0120000u

/** A directory record, checked (9.1). */
struct record {
    uint8_t raw[256]; /* the name is in it */
    uint64_t at;      /* where on the volume */
    uint64_t next;
    uint64_t extent, extent_bytes; /* on the volume */
    uint8_t flags, name_bytes;
    bool interleaved;
};

/* ------------------------------------------------------------------ records */

static void parse_record(const struct vst_files *files, struct record *record)
{
    const uint8_t *raw = record->raw;

    record->next = record->at + raw[0];
    /* The extended attributes stand before the data. */
    record->extent = ((uint64_t)files_le32(raw + 2) + raw[1]) * files->iso.block_bytes;
    record->extent_bytes = files_le32(raw + 10);
    record->flags = raw[25];
    record->interleaved = raw[26] != 0 || raw[27] != 0;
    record->name_bytes = raw[32];
}

/**
 * Reads the record at or after `at`. VST_ERR_NOT_FOUND: there is none up to `end`. Records do not
 * cross blocks, so a length of 0 means that the block has no more. (6.8.1.1)
 */
static enum vst_status read_record(struct vst_files *files, uint64_t at, uint64_t end,
                                   struct record *record)
{
    const uint64_t block_bytes = files->iso.block_bytes;

    for (;;) {
        if (at >= end)
            return VST_ERR_NOT_FOUND;
        if (!files_step(files))
            return VST_ERR_MALFORMED;
        enum vst_status status = vst_files_copy(files, WINDOW_MAP, at, record->raw, 1);
        if (status != VST_OK)
            return status;
        if (record->raw[0] != 0)
            break;
        at = (at / block_bytes + 1) * block_bytes;
    }
    const uint8_t bytes = record->raw[0];
    if (bytes <= RECORD_BYTES || bytes > end - at)
        return VST_ERR_MALFORMED;
    enum vst_status status = vst_files_copy(files, WINDOW_MAP, at, record->raw, bytes);
    if (status != VST_OK)
        return status;
    if (RECORD_BYTES + record->raw[32] > bytes || record->raw[0] != bytes)
        return VST_ERR_MALFORMED;
    record->at = at;
    parse_record(files, record);
    return VST_OK;
}

/** "." and "..". */
static bool is_own_or_parent(const struct record *record)
{
    return record->name_bytes == 0 || (record->name_bytes == 1 && record->raw[RECORD_BYTES] <= 1);
}

static struct susp_area system_use(const struct vst_files *files, const struct record *record)
{
    /* The name is padded to an even end. */
    const size_t before = (RECORD_BYTES + record->name_bytes + 1u) / 2 * 2 + files->iso.skip;

    return (struct susp_area){record->at + before,
                              before < record->raw[0] ? record->raw[0] - before : 0};
}

/* ------------------------------------------------------------------ names */

/** As Linux shows it: in small letters, without version, and without a '.' before nothing. */
static void put_plain_name(struct files_text *text, const uint8_t *name, size_t bytes)
{
    if (bytes > 2 && name[bytes - 2] == ';' && name[bytes - 1] == '1')
        bytes -= 2;
    if (bytes > 1 && name[bytes - 1] == '.')
        bytes--;
    for (size_t i = 0; i < bytes; i++) {
        uint8_t letter = name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 0x20u : name[i];
        if (letter < 0x80)
            vst_files_put_rune(text, letter == ';' ? '.' : letter);
        else
            vst_files_put_bytes(text, &letter, 1);
    }
}

static void put_joliet_name(struct files_text *text, const uint8_t *name, size_t bytes)
{
    static const uint8_t version[] = {0, ';', 0, '1'};
    size_t n = bytes / 2;

    if (n > 2 && __builtin_memcmp(name + 2 * n - sizeof(version), version, sizeof(version)) == 0)
        n -= 2;
    vst_files_put_utf16(text, name, n, 0);
}

static void put_rock_ridge_name(struct files_text *text, const char *name)
{
    for (; *name != '\0'; name++) {
        if ((uint8_t)*name < 0x80)
            vst_files_put_rune(text, (uint8_t)*name);
        else
            vst_files_put_bytes(text, name, 1);
    }
}

static void put_name(const struct vst_files *files, const struct record *record,
                     const struct rock_ridge *rock, struct vst_file_entry *entry)
{
    struct files_text text = files_text_begin(entry->name, sizeof(entry->name));
    const uint8_t *name = record->raw + RECORD_BYTES;

    if (rock->name[0] != '\0' &&
        !vst_files_is_dots(rock->name, files_length(rock->name, sizeof(rock->name))))
        put_rock_ridge_name(&text, rock->name);
    else if (files->kind == VST_FILES_JOLIET)
        put_joliet_name(&text, name, record->name_bytes);
    else
        put_plain_name(&text, name, record->name_bytes);
}

/* ------------------------------------------------------------------ directories */

bool vst_iso9660_seconds(const uint8_t *date, int64_t *seconds)
{
    const struct files_date parts = {1900u + date[0], date[1], date[2], date[3], date[4], date[5]};

    if (!vst_files_seconds(&parts, seconds))
        return false;
    *seconds -= (int8_t)date[6] * 15 * 60;
    return true;
}

static enum vst_file_type type_of(const struct record *record, const struct rock_ridge *rock)
{
    const uint32_t type = rock->mode & MODE_TYPE;

    if ((record->flags & FLAG_DIRECTORY) != 0 || rock->child_block != 0)
        return VST_FILE_DIRECTORY;
    if (type == MODE_LINK)
        return VST_FILE_LINK;
    return type == 0 || type == MODE_REGULAR ? VST_FILE_REGULAR : VST_FILE_OTHER;
}

static void iso_root(const struct vst_files *files, struct vst_file *file)
{
    *file = (struct vst_file){
        .type = VST_FILE_DIRECTORY,
        .priv = {.extent = files->iso.root_extent, .extent_bytes = files->iso.root_bytes}};
}

/** A directory that was moved: its size stands in its own first record. (RRIP 4.1.5) */
static enum vst_status find_size(struct vst_files *files, struct vst_file_private *priv)
{
    struct record own;
    enum vst_status status =
        read_record(files, priv->extent, priv->extent + files->iso.block_bytes, &own);

    if (status == VST_OK && (own.name_bytes != 1 || own.raw[RECORD_BYTES] != 0))
        status = VST_ERR_MALFORMED;
    if (status == VST_OK)
        priv->extent_bytes = own.extent_bytes;
    return status == VST_ERR_NOT_FOUND ? VST_ERR_MALFORMED : status;
}

static enum vst_status iso_list(struct vst_files *files, struct vst_directory *directory)
{
    struct vst_file_private *priv = &directory->file.priv;
    enum vst_status status = VST_OK;

    if (priv->size_there) {
        status = find_size(files, priv);
        priv->size_there = false;
    }
    if (status == VST_OK && (priv->unreadable || priv->extent_bytes > MAX_DIRECTORY_BYTES))
        status = VST_ERR_MALFORMED;
    return status;
}

/** Counts the bytes of all extents; the directory goes on behind the last one's record. */
static enum vst_status add_extents(struct vst_files *files, struct vst_directory *directory,
                                   struct vst_file *file)
{
    struct record record;
    bool more = file->priv.more;
    enum vst_status status = VST_OK;

    while (more && status == VST_OK) {
        status = read_record(files, directory->position_bytes, file->priv.directory_end, &record);
        if (status != VST_OK)
            break;
        directory->position_bytes = record.next;
        file->bytes += record.extent_bytes;
        more = (record.flags & FLAG_MORE) != 0;
    }
    return status == VST_ERR_NOT_FOUND ? VST_ERR_MALFORMED : status;
}

static enum vst_status fill_entry(struct vst_files *files, struct vst_directory *directory,
                                  const struct record *record, const struct rock_ridge *rock,
                                  struct vst_file_entry *entry)
{
    struct vst_file *file = &entry->file;

    *file = (struct vst_file){
        .type = type_of(record, rock),
        .has_time = rock->has_time,
        .time_s = rock->time_s,
        .priv = {.more = (record->flags & FLAG_MORE) != 0,
                 .unreadable = record->interleaved || rock->compressed,
                 .record = record->at,
                 .directory_end = directory->file.priv.extent + directory->file.priv.extent_bytes,
                 .next_record = record->next,
                 .extent = record->extent,
                 .extent_bytes = record->extent_bytes},
    };
    if (!rock->has_time)
        file->has_time = vst_iso9660_seconds(record->raw + 18, &file->time_s);
    entry->short_name[0] = '\0';
    put_name(files, record, rock, entry);
    if (rock->child_block != 0) {
        file->priv.extent = (uint64_t)rock->child_block * files->iso.block_bytes;
        file->priv.size_there = true;
    }
    if (file->type == VST_FILE_REGULAR)
        file->bytes = record->extent_bytes;
    enum vst_status status = add_extents(files, directory, file);
    if (file->type != VST_FILE_REGULAR)
        file->bytes = 0;
    /* Nothing makes directories of several extents. */
    if (file->type == VST_FILE_DIRECTORY && file->priv.more)
        file->priv.unreadable = true;
    return status;
}

static enum vst_status iso_next(struct vst_files *files, struct vst_directory *directory,
                                struct vst_file_entry *entry)
{
    const struct vst_file_private *priv = &directory->file.priv;
    struct record record;

    if (directory->position_bytes < priv->extent)
        directory->position_bytes = priv->extent;
    for (;;) {
        struct rock_ridge rock = {.mode = 0};
        enum vst_status status = read_record(files, directory->position_bytes,
                                             priv->extent + priv->extent_bytes, &record);
        if (status != VST_OK)
            return status;
        directory->position_bytes = record.next;
        if (is_own_or_parent(&record) || (record.flags & FLAG_ASSOCIATED) != 0)
            continue;
        if (files->kind == VST_FILES_ROCK_RIDGE)
            status = vst_rock_ridge_read(files, system_use(files, &record), &rock);
        if (status == VST_OK)
            status = fill_entry(files, directory, &record, &rock, entry);
        if (status != VST_OK)
            return status;
        if (!rock.relocated && entry->name[0] != '\0' &&
            !vst_files_is_dots(entry->name, files_length(entry->name, sizeof(entry->name))))
            return VST_OK;
    }
}

/* ------------------------------------------------------------------ files */

/** Moves on to the extent whose record comes next. */
static enum vst_status next_extent(struct vst_files *files, struct vst_file_private *priv)
{
    struct record record;

    if (!priv->more)
        return VST_ERR_NOT_FOUND;
    enum vst_status status = read_record(files, priv->next_record, priv->directory_end, &record);
    if (status != VST_OK)
        return status;
    priv->extent_start += priv->extent_bytes;
    priv->next_record = record.next;
    priv->extent = record.extent;
    priv->extent_bytes = record.extent_bytes;
    priv->more = (record.flags & FLAG_MORE) != 0;
    return record.interleaved ? VST_ERR_UNSUPPORTED : VST_OK;
}

static enum vst_status iso_map(struct vst_files *files, struct vst_file *file, uint64_t offset,
                               uint64_t want, uint64_t *at, uint64_t *run_bytes)
{
    struct vst_file_private *priv = &file->priv;
    enum vst_status status = VST_OK;

    if (offset < priv->extent_start) { /* from the first one again */
        *priv = (struct vst_file_private){.more = true,
                                          .record = priv->record,
                                          .directory_end = priv->directory_end,
                                          .next_record = priv->record};
        status = next_extent(files, priv);
    }
    while (status == VST_OK && offset - priv->extent_start >= priv->extent_bytes)
        status = next_extent(files, priv);
    if (status != VST_OK)
        return status;
    const uint64_t in_extent = offset - priv->extent_start;
    *at = priv->extent + in_extent;
    *run_bytes = want < priv->extent_bytes - in_extent ? want : priv->extent_bytes - in_extent;
    return VST_OK;
}

static enum vst_status iso_link(struct vst_files *files, const struct vst_file *file, char *text,
                                size_t text_bytes)
{
    struct record record;
    enum vst_status status =
        read_record(files, file->priv.record, file->priv.directory_end, &record);

    if (status != VST_OK)
        return status == VST_ERR_NOT_FOUND ? VST_ERR_MALFORMED : status;
    return vst_rock_ridge_link(files, system_use(files, &record), text, text_bytes);
}

/* ------------------------------------------------------------------ opening */

/** Takes over the root that a volume descriptor names. (8.4) */
static enum vst_status take_root(struct vst_files *files, const uint8_t *descriptor)
{
    const uint8_t *root = descriptor + ROOT_RECORD;
    const uint32_t block_bytes = files_le16(descriptor + 128);

    if (!vst_is_power_of_two(block_bytes) || block_bytes < VST_SECTOR_BYTES ||
        block_bytes > SECTOR_BYTES || root[0] <= RECORD_BYTES || (root[25] & FLAG_DIRECTORY) == 0)
        return VST_ERR_MALFORMED;
    files->iso.block_bytes = block_bytes;
    files->iso.root_extent = ((uint64_t)files_le32(root + 2) + root[1]) * block_bytes;
    files->iso.root_bytes = files_le32(root + 10);
    return VST_OK;
}

static void put_label(struct vst_files *files, const uint8_t *label)
{
    struct files_text text = files_text_begin(files->label, sizeof(files->label));
    unsigned n = 32;

    while (n > 0 && label[n - 1] == ' ')
        n--;
    for (unsigned i = 0; i < n; i++)
        vst_files_put_rune(&text, label[i] < 0x80 ? label[i] : '?');
}

/** "2026-11-21-14-54-57-00": when it was made or changed, down to hundredths. (8.4.26.1) */
static void put_uuid(struct vst_files *files, const uint8_t *descriptor)
{
    const uint8_t *digits = descriptor + 830;
    char *to = files->uuid;

    if (files_same(digits, "0000000000000000", 16) || digits[0] == 0)
        digits = descriptor + 813;
    for (unsigned i = 0; i < 16; i++)
        if (digits[i] < '0' || digits[i] > '9')
            return;
    for (unsigned i = 0; i < 16; i++) {
        if (i >= 4 && i % 2 == 0)
            *to++ = '-';
        *to++ = (char)digits[i];
    }
    *to = '\0';
}

/** Whether the primary volume's root says that there is Rock Ridge. */
static bool has_rock_ridge(struct vst_files *files)
{
    struct record own;
    uint64_t at = files->iso.root_extent;

    if (read_record(files, at, at + files->iso.root_bytes, &own) != VST_OK)
        return false;
    return vst_rock_ridge_found(files, system_use(files, &own), &files->iso.skip);
}

/** UCS-2 of level 1, 2 or 3. */
static bool is_joliet(const uint8_t *descriptor)
{
    const uint8_t level = descriptor[90];

    return descriptor[0] == 2 && files_same(descriptor + 88, "%/", 2) &&
           (level == '@' || level == 'C' || level == 'E');
}

static enum vst_status take_primary(struct vst_files *files, const uint8_t *descriptor)
{
    enum vst_status status = take_root(files, descriptor);

    if (status != VST_OK)
        return status;
    files->kind = has_rock_ridge(files) ? VST_FILES_ROCK_RIDGE : VST_FILES_ISO9660;
    put_label(files, descriptor + 40);
    put_uuid(files, descriptor);
    return VST_OK;
}

static enum vst_status iso_open(struct vst_files *files)
{
    uint8_t descriptor[860]; /* what is of interest of its 2048 bytes */
    bool found = false;

    for (unsigned i = FIRST_DESCRIPTOR; i < FIRST_DESCRIPTOR + MAX_DESCRIPTORS; i++) {
        enum vst_status status = vst_files_copy(files, WINDOW_DATA, (uint64_t)i * SECTOR_BYTES,
                                                descriptor, sizeof(descriptor));
        if (status != VST_OK && !found)
            return status == VST_ERR_RANGE ? VST_ERR_NOT_FOUND : status;
        if (status != VST_OK || !files_same(descriptor + 1, "CD001", 5) || descriptor[0] == 255)
            break;
        if (descriptor[0] == 1 && !found) {
            status = take_primary(files, descriptor);
            if (status != VST_OK)
                return status;
            found = true;
        } else if (found && files->kind == VST_FILES_ISO9660 && is_joliet(descriptor) &&
                   take_root(files, descriptor) == VST_OK) {
            files->kind = VST_FILES_JOLIET;
        }
    }
    return found ? VST_OK : VST_ERR_NOT_FOUND;
}

const struct vst_files_kind_ops vst_files_iso9660 = {
    .open = iso_open,
    .root = iso_root,
    .list = iso_list,
    .next = iso_next,
    .map = iso_map,
    .link = iso_link,
};
