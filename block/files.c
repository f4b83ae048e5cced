/* SPDX-License-Identifier: BSD-2-Clause */
/* Volumes: their bytes, paths in them, and reading. What differs by file system is in its own file. */
#include "block/files.h"

#define LEAST_WINDOW_BYTES 4096u
#define MAX_BLOCK_BYTES    65536u
#define MAX_WINDOW_BYTES   (1u << 30)
/* Records looked at for one path: some hundred directories with all the entries that FAT can have. */
#define MAX_STEPS (1u << 23)

static const struct vst_files_kind_ops *const kinds[] = {&vst_files_fat, &vst_files_iso9660};

const char *vst_files_kind_name(enum vst_files_kind kind)
{
    static const char *const names[] = {"fat12",   "fat16",  "fat32",
                                        "iso9660", "joliet", "rockridge"};

    return (unsigned)kind < VST_ARRAY_LENGTH(names) ? names[kind] : "unknown";
}

/* ------------------------------------------------------------------ bytes */

static size_t least_window_bytes(const struct vst_files *files)
{
    uint32_t block_bytes = files->source.block_bytes;

    return block_bytes > LEAST_WINDOW_BYTES ? block_bytes : LEAST_WINDOW_BYTES;
}

static enum vst_status fill(struct vst_files *files, struct vst_files_window *window,
                            uint64_t offset, size_t bytes)
{
    window->bytes = 0;
    enum vst_status status = files->source.read(files->source.ctx, offset, window->memory, bytes);
    if (status == VST_OK) {
        window->offset_bytes = offset;
        window->bytes = bytes;
    }
    return status;
}

/*
 * Reads what stands around an offset. Little at first; twice as much each time the window only moves
 * on, so that long tables take few reads and single entries short ones.
 */
static enum vst_status load(struct vst_files *files, struct vst_files_window *window,
                            uint64_t offset)
{
    const uint64_t block_mask = files->source.block_bytes - 1;
    const uint64_t end = files->source.bytes & ~block_mask;
    uint64_t start = offset & ~(uint64_t)(least_window_bytes(files) - 1);
    uint64_t bytes = least_window_bytes(files);

    if (offset >= end)
        return VST_ERR_RANGE;
    if (window->bytes > 0 && start == window->offset_bytes + window->bytes)
        bytes = window->bytes * 2 < files->window_bytes ? window->bytes * 2 : files->window_bytes;
    if (bytes > end - start)
        bytes = end - start;
    enum vst_status status = fill(files, window, start, (size_t)bytes);
    /* Something else that can't be read may stand beside what is wanted. */
    if ((status == VST_ERR_IO || status == VST_ERR_MEDIUM) && bytes > files->source.block_bytes)
        status = fill(files, window, offset & ~block_mask, files->source.block_bytes);
    return status;
}

enum vst_status vst_files_copy(struct vst_files *files, enum files_window which, uint64_t offset,
                               void *to, size_t bytes)
{
    struct vst_files_window *window = &files->windows[which];
    uint8_t *at = to;

    while (bytes > 0) {
        if (offset < window->offset_bytes || offset - window->offset_bytes >= window->bytes) {
            enum vst_status status = load(files, window, offset);
            if (status != VST_OK)
                return status;
        }
        size_t in_window = (size_t)(offset - window->offset_bytes);
        size_t n = window->bytes - in_window < bytes ? window->bytes - in_window : bytes;
        __builtin_memcpy(at, window->memory + in_window, n);
        at += n;
        offset += n;
        bytes -= n;
    }
    return VST_OK;
}

/** How much of a range comes next: a cut block, a short rest, or all the whole blocks at once. */
static size_t piece_bytes(const struct vst_files *files, uint64_t offset, size_t bytes, bool *whole)
{
    const size_t block_bytes = files->source.block_bytes;
    const size_t in_block = (size_t)offset & (block_bytes - 1);

    *whole = in_block == 0 && bytes >= block_bytes && bytes >= LEAST_WINDOW_BYTES;
    if (*whole)
        return bytes & ~(block_bytes - 1);
    if (bytes < LEAST_WINDOW_BYTES || block_bytes - in_block > bytes)
        return bytes;
    return block_bytes - in_block;
}

/** Reads a run of a file, which lies on the volume. */
static enum vst_status read_run(struct vst_files *files, uint64_t offset, uint8_t *to, size_t bytes,
                                size_t *done)
{
    while (bytes > 0) {
        bool whole;
        size_t n = piece_bytes(files, offset, bytes, &whole);
        enum vst_status status = whole ? files->source.read(files->source.ctx, offset, to, n)
                                       : vst_files_copy(files, WINDOW_DATA, offset, to, n);
        if (status != VST_OK)
            return status;
        *done += n;
        to += n;
        offset += n;
        bytes -= n;
    }
    return VST_OK;
}

/* ------------------------------------------------------------------ volume and files */

enum vst_status vst_files_open(struct vst_files *files, const struct vst_files_source *source,
                               void *memory, size_t memory_bytes)
{
    enum vst_status status = VST_ERR_NOT_FOUND;

    if (!vst_is_power_of_two(source->block_bytes) || source->block_bytes < VST_SECTOR_BYTES ||
        source->block_bytes > MAX_BLOCK_BYTES ||
        memory_bytes < VST_FILES_MEMORY_BYTES(source->block_bytes))
        return VST_ERR_INVALID;
    *files = (struct vst_files){.source = *source};
    const size_t least = least_window_bytes(files);
    size_t half = memory_bytes / 2 < MAX_WINDOW_BYTES ? memory_bytes / 2 : MAX_WINDOW_BYTES;
    files->window_bytes = half & ~(least - 1);
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(files->windows); i++)
        files->windows[i].memory = (uint8_t *)memory + i * files->window_bytes;
    for (unsigned i = 0; i < VST_ARRAY_LENGTH(kinds) && status == VST_ERR_NOT_FOUND; i++) {
        files->steps_left = MAX_STEPS;
        files->ops = kinds[i];
        status = kinds[i]->open(files);
    }
    return status;
}

static enum vst_status list(struct vst_files *files, const struct vst_file *file,
                            struct vst_directory *directory)
{
    if (file->type != VST_FILE_DIRECTORY)
        return VST_ERR_INVALID;
    *directory = (struct vst_directory){.file = *file};
    return files->ops->list(files, directory);
}

enum vst_status vst_files_list(struct vst_files *files, const struct vst_file *file,
                               struct vst_directory *directory)
{
    files->steps_left = MAX_STEPS;
    return list(files, file, directory);
}

enum vst_status vst_files_next(struct vst_files *files, struct vst_directory *directory,
                               struct vst_file_entry *entry)
{
    files->steps_left = MAX_STEPS;
    return files->ops->next(files, directory, entry);
}

enum vst_status vst_files_link(struct vst_files *files, const struct vst_file *file, char *text,
                               size_t text_bytes)
{
    if (file->type != VST_FILE_LINK || files->ops->link == NULL)
        return VST_ERR_INVALID;
    if (text_bytes == 0)
        return VST_ERR_TOO_LARGE;
    files->steps_left = MAX_STEPS;
    return files->ops->link(files, file, text, text_bytes);
}

static enum vst_status begin_reading(struct vst_files *files, const struct vst_file *file)
{
    files->steps_left = MAX_STEPS;
    if (file->type != VST_FILE_REGULAR)
        return VST_ERR_INVALID;
    return file->priv.unreadable ? VST_ERR_UNSUPPORTED : VST_OK;
}

/** Where the next run is, on the volume as a whole. */
static enum vst_status map(struct vst_files *files, struct vst_file *file, uint64_t offset,
                           uint64_t want, uint64_t *at, uint64_t *run_bytes)
{
    enum vst_status status = files->ops->map(files, file, offset, want, at, run_bytes);

    if (status == VST_ERR_NOT_FOUND) /* its chain ends before it does */
        return VST_ERR_MALFORMED;
    if (status == VST_OK && (*at > files->source.bytes || *run_bytes > files->source.bytes - *at))
        return VST_ERR_RANGE;
    return status;
}

enum vst_status vst_files_where(struct vst_files *files, struct vst_file *file,
                                uint64_t offset_bytes, uint64_t *at_bytes, uint64_t *run_bytes)
{
    enum vst_status status = begin_reading(files, file);

    if (status == VST_OK && offset_bytes >= file->bytes)
        status = VST_ERR_RANGE;
    if (status != VST_OK)
        return status;
    return map(files, file, offset_bytes, file->bytes - offset_bytes, at_bytes, run_bytes);
}

enum vst_status vst_files_directory_where(struct vst_files *files, struct vst_file *file,
                                          uint64_t offset_bytes, uint64_t *at_bytes,
                                          uint64_t *run_bytes)
{
    const struct vst_files_source *source = &files->source;

    files->steps_left = MAX_STEPS;
    if (file->type != VST_FILE_DIRECTORY)
        return VST_ERR_INVALID;
    if (files->kind > VST_FILES_FAT32)
        return VST_ERR_UNSUPPORTED;
    enum vst_status status =
        files->ops->map(files, file, offset_bytes, UINT32_MAX, at_bytes, run_bytes);
    if (status == VST_OK && (*at_bytes > source->bytes || *run_bytes > source->bytes - *at_bytes))
        return VST_ERR_RANGE;
    return status;
}

enum vst_status vst_files_read(struct vst_files *files, struct vst_file *file,
                               uint64_t offset_bytes, void *buffer, size_t bytes, size_t *n)
{
    uint64_t left = offset_bytes < file->bytes ? file->bytes - offset_bytes : 0;
    size_t wanted = bytes < left ? bytes : (size_t)left;

    *n = 0;
    enum vst_status readable = begin_reading(files, file);
    if (readable != VST_OK)
        return readable;
    while (*n < wanted) {
        uint64_t at, run;
        enum vst_status status = map(files, file, offset_bytes + *n, wanted - *n, &at, &run);
        if (status == VST_OK)
            status = read_run(files, at, (uint8_t *)buffer + *n, (size_t)run, n);
        if (status != VST_OK)
            return status;
    }
    return VST_OK;
}

/* ------------------------------------------------------------------ paths */

/** Looks a name up; the first entry of exactly that name, else the first that is it but for case. */
static enum vst_status look_up(struct vst_files *files, struct vst_file *file, const char *name,
                               size_t bytes)
{
    struct vst_directory directory;
    struct vst_file_entry entry;
    enum vst_status found = VST_ERR_NOT_FOUND;

    if (file->type != VST_FILE_DIRECTORY)
        return VST_ERR_NOT_FOUND;
    enum vst_status status = list(files, file, &directory);
    while (status == VST_OK) {
        status = files->ops->next(files, &directory, &entry);
        if (status != VST_OK)
            break;
        bool exact = vst_files_names_match(entry.name, name, bytes, false);
        if (!exact &&
            (found == VST_OK || (!vst_files_names_match(entry.name, name, bytes, true) &&
                                 !vst_files_names_match(entry.short_name, name, bytes, true))))
            continue;
        *file = entry.file;
        found = VST_OK;
        if (exact || files->ops->folds_case)
            return VST_OK;
    }
    return status == VST_ERR_NOT_FOUND ? found : status;
}

/**
 * A path on its way: files->path holds what has been walked, without links, "." and "..", each name
 * after a '/', and further on what is still to be walked.
 */
struct walk {
    struct vst_files *files;
    struct vst_file file; /* where we are */
    size_t real_bytes;    /* walked */
    size_t rest;          /* where the rest begins */
    unsigned n_links;
};

/** One directory up: its path has no links, so the names alone lead there again. */
static enum vst_status walk_up(struct walk *walk)
{
    struct vst_files *files = walk->files;
    enum vst_status status = VST_OK;
    size_t at = 0;

    while (walk->real_bytes > 0 && files->path[--walk->real_bytes] != '/')
        ;
    files->ops->root(files, &walk->file);
    while (status == VST_OK && at < walk->real_bytes) {
        size_t end = ++at;
        while (end < walk->real_bytes && files->path[end] != '/')
            end++;
        status = look_up(files, &walk->file, files->path + at, end - at);
        at = end;
    }
    return status;
}

/** Puts where a link leads to in place of its name. */
static enum vst_status walk_link(struct walk *walk, const struct vst_file *link, size_t end)
{
    struct vst_files *files = walk->files;

    if (++walk->n_links > VST_FILES_MAX_LINKS)
        return VST_ERR_MALFORMED;
    enum vst_status status = files->ops->link(files, link, files->link, sizeof(files->link));
    if (status != VST_OK)
        return status;
    size_t target_bytes = files_length(files->link, sizeof(files->link));
    size_t rest_bytes = files_length(files->path + end, sizeof(files->path) - end) + 1;
    if (files->link[0] == '/') {
        walk->real_bytes = 0;
        files->ops->root(files, &walk->file);
    }
    if (walk->real_bytes + 1 + target_bytes + rest_bytes > sizeof(files->path))
        return VST_ERR_TOO_LARGE;
    walk->rest = walk->real_bytes;
    __builtin_memmove(files->path + walk->rest + 1 + target_bytes, files->path + end, rest_bytes);
    __builtin_memcpy(files->path + walk->rest + 1, files->link, target_bytes);
    files->path[walk->rest] = '/';
    return VST_OK;
}

/** One name of the rest, from `start` to `end`. */
static enum vst_status walk_name(struct walk *walk, size_t start, size_t end, bool follow)
{
    struct vst_files *files = walk->files;
    const char *name = files->path + start;
    struct vst_file found = walk->file;

    walk->rest = end;
    if (end - start == 1 && *name == '.')
        return VST_OK;
    if (vst_files_is_dots(name, end - start))
        return walk_up(walk);
    enum vst_status status = look_up(files, &found, name, end - start);
    if (status != VST_OK)
        return status;
    if (found.type == VST_FILE_LINK && (follow || files->path[end] != '\0'))
        return walk_link(walk, &found, end);
    walk->file = found;
    /* At least one '/' stood before the name, so there is room for one. */
    __builtin_memmove(files->path + walk->real_bytes + 1, name, end - start);
    files->path[walk->real_bytes] = '/';
    walk->real_bytes += 1 + end - start;
    return VST_OK;
}

enum vst_status vst_files_find(struct vst_files *files, const char *path, bool follow,
                               struct vst_file *file)
{
    struct walk walk = {.files = files};
    size_t bytes = files_length(path, sizeof(files->path));

    if (bytes + 2 > sizeof(files->path))
        return VST_ERR_TOO_LARGE;
    files->path[0] = '/';
    __builtin_memcpy(files->path + 1, path, bytes + 1);
    files->steps_left = MAX_STEPS;
    files->ops->root(files, &walk.file);
    for (;;) {
        size_t start = walk.rest;
        while (files->path[start] == '/')
            start++;
        if (files->path[start] == '\0')
            break;
        size_t end = start;
        while (files->path[end] != '\0' && files->path[end] != '/')
            end++;
        enum vst_status status = walk_name(&walk, start, end, follow);
        if (status != VST_OK)
            return status;
    }
    *file = walk.file;
    return VST_OK;
}
