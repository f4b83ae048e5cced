/* SPDX-License-Identifier: BSD-2-Clause */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "console.h"
#include "utf8.h"
#include "volume.h"

#define NS_PER_S      1000000000ll
#define TIME_BYTES    64
#define JSON_CHUNK    4096u
#define CONSOLE_CHUNK 4096u
#define MAX_JSON_TIME (INT64_MAX / NS_PER_S)
#define FIRST_ENTRIES 32u

/* ---------------------------------------------------------------- ls */

struct listed {
    struct vst_file file;
    char *name;
};

struct listing {
    const struct shell_context *context;
    struct volume *volume;
    const char *path; /* of the directory; of a file all but its name */
    struct listed *entries;
    size_t n, max;
};

static const char *const type_names[] = {"file", "directory", "link", "other"};
static const char type_letters[] = {'-', 'd', 'l', '?'};

static bool add_entry(struct listing *listing, const struct vst_file *file, const char *name)
{
    if (listing->n == listing->max) {
        size_t max = listing->max > 0 ? 2 * listing->max : FIRST_ENTRIES;
        struct listed *entries = realloc(listing->entries, max * sizeof(*entries));
        if (entries == NULL)
            return shell_fail(listing->context, VST_ERR_NO_MEMORY, "no memory for the list");
        listing->entries = entries;
        listing->max = max;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return shell_fail(listing->context, VST_ERR_NO_MEMORY, "no memory for the list");
    listing->entries[listing->n++] = (struct listed){*file, copy};
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

static bool read_directory(struct listing *listing, const struct vst_file *file)
{
    struct vst_directory directory;
    struct vst_file_entry entry;
    enum vst_status status = vst_files_list(&listing->volume->files, file, &directory);

    while (status == VST_OK) {
        if (console_interrupted(listing->context->host))
            return shell_fail_interrupted(listing->context);
        status = vst_files_next(&listing->volume->files, &directory, &entry);
        if (status == VST_OK && !add_entry(listing, &entry.file, entry.name))
            return false;
    }
    if (listing->n > 0)
        qsort(listing->entries, listing->n, sizeof(*listing->entries), by_name);
    return status == VST_ERR_NOT_FOUND || volume_fail(listing->context, listing->path, status);
}

/* Where a link leads to, "?" if that can't be told. */
static const char *link_text(const struct listing *listing, const struct listed *entry,
                             char text[VST_FILES_PATH_BYTES])
{
    if (vst_files_link(&listing->volume->files, &entry->file, text, VST_FILES_PATH_BYTES) != VST_OK)
        return "?";
    return text;
}

static void print_json(const struct listing *listing, const struct listed *entry)
{
    const struct vst_file *file = &entry->file;
    char text[VST_FILES_PATH_BYTES];
    struct json json;

    shell_json_open(listing->context, &json);
    json_text(&json, "path", listing->path);
    json_text(&json, "name", entry->name);
    json_text(&json, "type", type_names[file->type]);
    json_u64(&json, "bytes", file->bytes);
    if (file->has_time && file->time_s < MAX_JSON_TIME && file->time_s > -MAX_JSON_TIME) {
        snprintf(text, sizeof(text), "%" PRId64, file->time_s * (int64_t)NS_PER_S);
        json_number(&json, "time", text);
    }
    if (file->type == VST_FILE_LINK)
        json_text(&json, "link", link_text(listing, entry, text));
    json_close(&json);
}

/* "2026-11-21 14:54" */
static const char *time_text(const struct vst_file *file, char text[TIME_BYTES])
{
    const time_t seconds = (time_t)file->time_s;
    struct tm parts;

    strcpy(text, "-");
    /* strftime would be a twentieth of the kernel. */
    if (file->has_time && gmtime_r(&seconds, &parts) != NULL)
        snprintf(text, TIME_BYTES, "%04d-%02d-%02d %02d:%02d", parts.tm_year + 1900,
                 parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min);
    return text;
}

static void print_long(const struct listing *listing, const struct listed *entry, int width)
{
    char text[VST_FILES_PATH_BYTES], time[TIME_BYTES];

    printf("%c %*" PRIu64 " %-16s ", type_letters[entry->file.type], width, entry->file.bytes,
           time_text(&entry->file, time));
    utf8_print(entry->name);
    if (entry->file.type == VST_FILE_LINK) {
        fputs(" -> ", stdout);
        utf8_print(link_text(listing, entry, text));
    }
    putchar('\n');
}

static void print_entries(const struct listing *listing, bool is_long)
{
    int width = 1;

    for (size_t i = 0; i < listing->n; i++) {
        int digits = snprintf(NULL, 0, "%" PRIu64, listing->entries[i].file.bytes);
        width = digits > width ? digits : width;
    }
    for (size_t i = 0; i < listing->n; i++) {
        if (listing->context->json) {
            print_json(listing, &listing->entries[i]);
        } else if (is_long) {
            print_long(listing, &listing->entries[i], width);
        } else {
            utf8_print(listing->entries[i].name);
            putchar('\n');
        }
    }
}

static void print_volume(const struct listing *listing)
{
    const struct vst_files *files = &listing->volume->files;
    struct json json;

    if (listing->context->json) {
        shell_json_open(listing->context, &json);
        json_text(&json, "filesystem", vst_files_kind_name(files->kind));
        json_text(&json, "label", files->label);
        json_text(&json, "uuid", files->uuid);
        json_close(&json);
        return;
    }
    printf("%s", vst_files_kind_name(files->kind));
    if (files->label[0] != '\0') {
        fputs(", label ", stdout);
        utf8_print(files->label);
    }
    printf("%s%s\n", files->uuid[0] != '\0' ? ", uuid " : "", files->uuid);
}

static bool list(struct listing *listing)
{
    const struct shell_context *context = listing->context;
    const bool is_long = shell_option(context, "-l") != NULL;
    struct vst_file file;

    if (!volume_find_file(context, listing->volume, listing->path, !is_long, &file))
        return false;
    bool ok = file.type == VST_FILE_DIRECTORY ? read_directory(listing, &file)
                                              : add_entry(listing, &file, listing->path);
    if (ok && is_long && file.type == VST_FILE_DIRECTORY)
        print_volume(listing);
    if (ok)
        print_entries(listing, is_long);
    return ok;
}

static bool run_ls(struct shell_context *context)
{
    struct listing listing = {
        .context = context,
        .volume = volume_open(context),
        .path = context->n_words > 1 ? context->words[1] : "/",
    };
    bool ok = listing.volume != NULL && list(&listing);

    for (size_t i = 0; i < listing.n; i++)
        free(listing.entries[i].name);
    free(listing.entries);
    volume_close(listing.volume);
    return ok;
}

static const char *const options_ls[] = {"-l", "queue=", NULL};

const struct shell_command command_ls = {
    .name = "ls",
    .usage = "DEV [PATH] [-l]",
    .summary = "Lists the files of a FAT or ISO 9660 file system",
    .help = "One name a line, by name; those with a dot before are not left out. With -l also\n"
            "what it is (- file, d directory, l link), its bytes and its time in UTC, after a\n"
            "line about the volume. Without PATH the root. On FAT case does not matter.\n"
            "    ls vda /boot -l\n",
    .min_words = 1,
    .max_words = 2,
    .n_paths = 1,
    .device = DEVICE_REQUIRED,
    .options = options_ls,
    .run = run_ls,
};

/* ---------------------------------------------------------------- cat */

struct cat {
    struct shell_context *context;
    const char *path;
    bool interrupted;
};

static void cat_json(const struct cat *cat, uint64_t offset, const uint8_t *data, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    static char text[2 * JSON_CHUNK + 1];
    struct json json;

    for (size_t i = 0; i < bytes; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    text[2 * bytes] = '\0';
    shell_json_open(cat->context, &json);
    json_text(&json, "path", cat->path);
    json_u64(&json, "offset", offset);
    json_u64(&json, "bytes", bytes);
    json_text(&json, "hex", text);
    json_close(&json);
}

/* The console is slow: Ctrl-C is looked for more often than a megabyte comes. */
static bool cat_chunk(void *user, uint64_t offset_bytes, uint8_t *data, size_t bytes)
{
    struct cat *cat = user;

    while (bytes > 0) {
        size_t n = bytes < CONSOLE_CHUNK ? bytes : CONSOLE_CHUNK;
        if (console_interrupted(cat->context->host)) {
            cat->interrupted = true;
            return false;
        }
        if (cat->context->json)
            cat_json(cat, offset_bytes, data, n);
        else
            fwrite(data, 1, n, stdout);
        offset_bytes += n;
        data += n;
        bytes -= n;
    }
    return true;
}

static bool cat_file(struct cat *cat, struct volume *volume)
{
    struct vst_file file;

    if (!volume_find_file(cat->context, volume, cat->path, true, &file))
        return false;
    if (volume_stream(cat->context, volume, &file, cat->path, cat_chunk, cat) == STREAM_DONE)
        return true;
    return cat->interrupted && shell_fail_interrupted(cat->context);
}

static bool run_cat(struct shell_context *context)
{
    struct volume *volume = volume_open(context);
    bool ok = volume != NULL;

    for (size_t i = 1; ok && i < context->n_words; i++) {
        struct cat cat = {.context = context, .path = context->words[i]};
        ok = cat_file(&cat, volume);
    }
    volume_close(volume);
    return ok;
}

static const char *const options_cat[] = {"queue=", NULL};

const struct shell_command command_cat = {
    .name = "cat",
    .usage = "DEV PATH...",
    .summary = "Prints files of a FAT or ISO 9660 file system",
    .help = "Byte for byte, whatever they are and whatever a terminal makes of it. With\n"
            "json=1 as hex, 4 KiB an object.\n"
            "    cat sr0 /boot/grub/grub.cfg\n",
    .min_words = 2,
    .max_words = SIZE_MAX,
    .n_paths = SIZE_MAX,
    .device = DEVICE_REQUIRED,
    .options = options_cat,
    .run = run_cat,
};
