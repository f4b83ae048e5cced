/* SPDX-License-Identifier: BSD-2-Clause */
/* A volume in memory that a test writes byte by byte, and what the library finds in it. */
#ifndef VSTOR_TESTS_FILES_FIXTURE_H
#define VSTOR_TESTS_FILES_FIXTURE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vstor/files.h>

#define VOLUME_BYTES (4u << 20)

struct files_fixture {
    uint8_t volume[VOLUME_BYTES];
    uint64_t bytes;
    uint32_t block_bytes;
    uint64_t bad_offset, bad_bytes; /* who reads one of these gets an error */
    unsigned n_reads;
    uint64_t longest_bytes;
    struct vst_files files;
    uint8_t *memory;
    struct vst_directory directory;
    struct vst_file_entry entry;
    struct vst_file file;
};

static struct files_fixture storage;

static inline struct files_fixture *begin(void)
{
    free(storage.memory);
    memset(&storage, 0, sizeof(storage));
    storage.bytes = VOLUME_BYTES;
    storage.block_bytes = 512;
    return &storage;
}

static inline enum vst_status read_volume(void *ctx, uint64_t offset_bytes, void *buffer,
                                          size_t bytes)
{
    struct files_fixture *f = ctx;

    assert_true(bytes > 0 && ((offset_bytes | bytes) & (f->block_bytes - 1)) == 0);
    assert_true(offset_bytes <= f->bytes && bytes <= f->bytes - offset_bytes);
    f->n_reads++;
    if (bytes > f->longest_bytes)
        f->longest_bytes = bytes;
    if (f->bad_bytes > 0 && offset_bytes < f->bad_offset + f->bad_bytes &&
        f->bad_offset < offset_bytes + bytes)
        return VST_ERR_MEDIUM;
    memcpy(buffer, f->volume + offset_bytes, bytes);
    return VST_OK;
}

static inline enum vst_status open_with(struct files_fixture *f, size_t memory_bytes)
{
    struct vst_files_source source = {f, f->bytes, f->block_bytes, read_volume};

    free(f->memory);
    f->memory = malloc(memory_bytes);
    f->n_reads = 0;
    return vst_files_open(&f->files, &source, f->memory, memory_bytes);
}

/** With as little memory as is enough. */
static inline enum vst_status open_volume(struct files_fixture *f)
{
    return open_with(f, VST_FILES_MEMORY_BYTES(f->block_bytes));
}

static inline void put(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static inline enum vst_status find(struct files_fixture *f, const char *path)
{
    return vst_files_find(&f->files, path, true, &f->file);
}

static inline enum vst_status list(struct files_fixture *f, const char *path)
{
    enum vst_status status = find(f, path);

    return status == VST_OK ? vst_files_list(&f->files, &f->file, &f->directory) : status;
}

static inline enum vst_status next(struct files_fixture *f)
{
    return vst_files_next(&f->files, &f->directory, &f->entry);
}

/** The names of a directory, each after a blank; then, if it did not end well, the error's name. */
static inline const char *names(struct files_fixture *f, const char *path)
{
    static char text[16384];
    enum vst_status status = list(f, path);

    text[0] = '\0';
    while (status == VST_OK && (status = next(f)) == VST_OK) {
        strncat(text, " ", sizeof(text) - strlen(text) - 1);
        strncat(text, f->entry.name, sizeof(text) - strlen(text) - 1);
    }
    if (status != VST_ERR_NOT_FOUND) {
        strcat(text, " !");
        strcat(text, vst_status_name(status));
    }
    return text;
}

/** Reads the file that find has found. */
static inline enum vst_status read_at(struct files_fixture *f, uint64_t offset, void *to,
                                      size_t bytes, size_t *n)
{
    return vst_files_read(&f->files, &f->file, offset, to, bytes, n);
}

/** Its bytes are those of that number, counted from there: see fill. */
static inline void fill(uint8_t *at, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)((i * 7 + (i >> 8) + seed) & 0xff);
}

#endif
