/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/fuzz/fuzz_files.h"

#include <string.h>

#include "block/files.h"

#define SECTOR_BYTES   512u
#define HEAD_BYTES     5u
#define PIECE_HEAD     4u
#define UNIT_BYTES     (16u << 10)
#define MAX_ENTRIES    300u
#define MAX_DEPTH      4u
#define MAX_FILE_BYTES (48u << 10)
#define CUT_BYTES      777u

struct image {
    const uint8_t *pieces;
    size_t bytes;
    uint64_t volume_bytes, bad_sector;
    uint32_t block_bytes;
    uint64_t read_bytes;
};

struct walk {
    struct vst_files files;
    unsigned n_entries;
    char path[VST_FILES_PATH_BYTES + VST_FILES_NAME_BYTES];
};

static void overlay(const uint8_t *piece, size_t n, uint64_t at, uint64_t offset, uint8_t *buffer,
                    size_t bytes)
{
    uint64_t first = at > offset ? at : offset;
    uint64_t end = at + n < offset + bytes ? at + n : offset + bytes;

    if (first < end)
        memcpy(buffer + (first - offset), piece + (first - at), (size_t)(end - first));
}

static enum vst_status read_image(void *ctx, uint64_t offset, void *buffer, size_t bytes)
{
    struct image *image = ctx;

    FUZZ_CHECK(bytes > 0 && ((offset | bytes) & (image->block_bytes - 1)) == 0);
    FUZZ_CHECK(offset <= image->volume_bytes && bytes <= image->volume_bytes - offset);
    if (image->bad_sector != 0 && image->bad_sector * SECTOR_BYTES - offset < bytes)
        return VST_ERR_IO;
    image->read_bytes += bytes;
    memset(buffer, 0, bytes);
    for (size_t i = 0; i + PIECE_HEAD <= image->bytes;) {
        const uint8_t *piece = image->pieces + i;
        size_t n = piece[2] | (size_t)piece[3] << 8;
        n = n < image->bytes - i - PIECE_HEAD ? n : image->bytes - i - PIECE_HEAD;
        overlay(piece + PIECE_HEAD, n, (piece[0] | (uint64_t)piece[1] << 8) * SECTOR_BYTES, offset,
                buffer, bytes);
        i += PIECE_HEAD + n;
    }
    return VST_OK;
}

/* ------------------------------------------------------------------ files */

/** The whole beginning at once, and the same in pieces from the last to the first. */
static void check_bytes(struct walk *walk, const struct vst_file *file)
{
    const size_t wanted = file->bytes < MAX_FILE_BYTES ? (size_t)file->bytes : MAX_FILE_BYTES;
    uint8_t *whole = malloc(wanted + 1), cut[CUT_BYTES];
    struct vst_file copy = *file;
    size_t n, n_cut;

    enum vst_status status = vst_files_read(&walk->files, &copy, 0, whole, wanted, &n);
    FUZZ_CHECK(n <= wanted && (status != VST_OK || n == wanted));
    for (size_t at = wanted / CUT_BYTES * CUT_BYTES + CUT_BYTES; at >= CUT_BYTES;) {
        at -= CUT_BYTES;
        enum vst_status again = vst_files_read(&walk->files, &copy, at, cut, CUT_BYTES, &n_cut);
        FUZZ_CHECK(status != VST_OK || again == VST_OK);
        if (at < n)
            FUZZ_CHECK(memcmp(cut, whole + at, n_cut < n - at ? n_cut : n - at) == 0);
    }
    free(whole);
}

/** Its runs, one after the other: on the volume, and with the bytes that are read. */
static void check_runs(struct walk *walk, const struct vst_file *file)
{
    struct vst_file copy = *file, other = *file;
    uint8_t byte[2];
    uint64_t at, run;
    size_t n;

    for (uint64_t offset = 0; offset < file->bytes && offset < MAX_FILE_BYTES; offset += run) {
        if (vst_files_where(&walk->files, &copy, offset, &at, &run) != VST_OK)
            return;
        FUZZ_CHECK(run > 0 && run <= file->bytes - offset);
        FUZZ_CHECK(at <= walk->files.source.bytes && run <= walk->files.source.bytes - at);
        if (vst_files_read(&walk->files, &other, offset, byte, 1, &n) == VST_OK &&
            vst_files_copy(&walk->files, WINDOW_DATA, at, byte + 1, 1) == VST_OK)
            FUZZ_CHECK(byte[0] == byte[1]);
    }
}

/** A directory's, which end where its chain does. */
static void check_directory_runs(struct walk *walk, const struct vst_file *directory)
{
    struct vst_file copy = *directory;
    uint64_t at, run;

    for (uint64_t offset = 0; offset < MAX_FILE_BYTES; offset += run) {
        if (vst_files_directory_where(&walk->files, &copy, offset, &at, &run) != VST_OK)
            return;
        FUZZ_CHECK(run > 0 && at <= walk->files.source.bytes &&
                   run <= walk->files.source.bytes - at);
    }
}

static void check_link(struct walk *walk, const struct vst_file *file)
{
    char *text = malloc(VST_FILES_PATH_BYTES);
    struct vst_file found;

    if (vst_files_link(&walk->files, file, text, VST_FILES_PATH_BYTES) == VST_OK)
        FUZZ_CHECK(strnlen(text, VST_FILES_PATH_BYTES) - 1 < VST_FILES_PATH_BYTES - 1);
    if (vst_files_find(&walk->files, walk->path, true, &found) == VST_OK)
        FUZZ_CHECK(found.type != VST_FILE_LINK);
    free(text);
}

static void check_entry(struct walk *walk, const struct vst_file_entry *entry, unsigned depth)
{
    const size_t bytes = strnlen(entry->name, sizeof(entry->name));
    struct vst_file found;

    FUZZ_CHECK(bytes > 0 && bytes < sizeof(entry->name) && strchr(entry->name, '/') == NULL);
    FUZZ_CHECK(strcmp(entry->name, ".") != 0 && strcmp(entry->name, "..") != 0);
    FUZZ_CHECK(strnlen(entry->short_name, sizeof(entry->short_name)) < sizeof(entry->short_name));
    FUZZ_CHECK(entry->file.type == VST_FILE_REGULAR || entry->file.bytes == 0);
    enum vst_status status = vst_files_find(&walk->files, walk->path, false, &found);
    /* Deeper down another entry of the same name may come first, and be no directory. */
    FUZZ_CHECK(depth > 0 || status == VST_OK || status == VST_ERR_IO);
}

static void walk_directory(struct walk *walk, const struct vst_file *file, unsigned depth)
{
    struct vst_file_entry *entry = malloc(sizeof(*entry));
    const size_t bytes = strlen(walk->path);
    struct vst_directory directory;
    enum vst_status status = vst_files_list(&walk->files, file, &directory);

    check_directory_runs(walk, file);
    while (status == VST_OK && walk->n_entries < MAX_ENTRIES) {
        status = vst_files_next(&walk->files, &directory, entry);
        if (status != VST_OK)
            break;
        walk->n_entries++;
        snprintf(walk->path + bytes, sizeof(walk->path) - bytes, "/%s", entry->name);
        check_entry(walk, entry, depth);
        if (entry->file.type == VST_FILE_REGULAR)
            check_bytes(walk, &entry->file);
        check_runs(walk, &entry->file);
        if (entry->file.type == VST_FILE_LINK)
            check_link(walk, &entry->file);
        if (entry->file.type == VST_FILE_DIRECTORY && depth < MAX_DEPTH)
            walk_directory(walk, &entry->file, depth + 1);
        walk->path[bytes] = '\0';
    }
    if (status == VST_ERR_NOT_FOUND)
        FUZZ_CHECK(vst_files_next(&walk->files, &directory, entry) != VST_OK);
    free(entry);
}

void fuzz_files(const uint8_t *data, size_t bytes)
{
    if (bytes < HEAD_BYTES)
        return;
    struct image image = {.pieces = data + HEAD_BYTES,
                          .bytes = bytes - HEAD_BYTES,
                          .block_bytes = SECTOR_BYTES << (data[0] & 7),
                          .volume_bytes = (data[2] + 1u) * (uint64_t)UNIT_BYTES,
                          .bad_sector = data[3] | (uint64_t)data[4] << 8};
    struct vst_files_source source = {&image, image.volume_bytes, image.block_bytes, read_image};
    const size_t memory_bytes =
        VST_FILES_MEMORY_BYTES(image.block_bytes) + (data[1] & 15) * (size_t)8192;
    struct walk *walk = calloc(1, sizeof(*walk));
    void *memory = malloc(memory_bytes);
    struct vst_file root;

    if (vst_files_open(&walk->files, &source, memory, memory_bytes) == VST_OK) {
        FUZZ_CHECK((unsigned)walk->files.kind < VST_FILES_N_KINDS);
        FUZZ_CHECK(strnlen(walk->files.label, sizeof(walk->files.label)) <
                   sizeof(walk->files.label));
        FUZZ_CHECK(strnlen(walk->files.uuid, sizeof(walk->files.uuid)) < sizeof(walk->files.uuid));
        FUZZ_CHECK(vst_files_find(&walk->files, "", true, &root) == VST_OK);
        walk_directory(walk, &root, 0);
    }
    free(memory);
    free(walk);
}
