/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a whole file system of an image by vstor/files.h and tells of it in JSON Lines: the volume,
 * each file with its SHA-256, and at the end what was read from the image for that.
 *
 *     tree IMAGE [block=512] [memory=131072] [offset=0] [bytes=N] [find=PATH ...] [range=AT+N ...]
 *
 * Files are read in large pieces, and those of at most a MiB again in odd ones from the last to the
 * first. With find=, only these are looked up; with range=, of these only ranges are summed. Ends with
 * 1 on any error that the library tells.
 */
#include <bearssl.h>
#include <inttypes.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vstor/files.h>

#define PIECE_BYTES     (1u << 20)
#define ODD_PIECE_BYTES 1237u
#define MAX_DEPTH       64u

struct image {
    int fd;
    uint64_t offset_bytes;
    uint64_t n_reads, n_bytes, longest;
};

static struct image image;
static struct vst_files files;
static uint8_t *piece;
static char **ranges; /* "range=AT+N" */
static int n_ranges;

static enum vst_status read_image(void *ctx, uint64_t offset_bytes, void *buffer, size_t bytes)
{
    struct image *from = ctx;

    from->n_reads++;
    from->n_bytes += bytes;
    from->longest = bytes > from->longest ? bytes : from->longest;
    if (bytes == 0 || ((offset_bytes | bytes) & (files.source.block_bytes - 1)) != 0 ||
        offset_bytes + bytes > files.source.bytes) {
        fprintf(stderr, "a read that a source need not take: %" PRIu64 " %zu\n", offset_bytes,
                bytes);
        abort();
    }
    ssize_t n = pread(from->fd, buffer, bytes, (off_t)(from->offset_bytes + offset_bytes));
    return n == (ssize_t)bytes ? VST_OK : VST_ERR_IO;
}

static void fail(const char *what, enum vst_status status)
{
    printf("\n{\"failed\":\"%s\",\"error\":\"%s\"}\n", what, vst_status_name(status));
    exit(1);
}

/* Names are UTF-8 as a rule; what is not shows up in the comparison. */
static void put_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('"');
}

/* ------------------------------------------------------------------ one file */

static void put_sum(br_sha256_context *sha256)
{
    uint8_t digest[br_sha256_SIZE];

    br_sha256_out(sha256, digest);
    putchar('"');
    for (size_t i = 0; i < sizeof(digest); i++)
        printf("%02x", digest[i]);
    putchar('"');
}

/* The pieces from the last to the first, against what a second copy of the file reads forwards. */
static void check_backwards(const struct vst_file *file, const char *path)
{
    struct vst_file copy = *file;
    static uint8_t whole[PIECE_BYTES];
    size_t n;
    uint64_t last = (file->bytes - 1) / ODD_PIECE_BYTES;
    enum vst_status status = vst_files_read(&files, &copy, 0, whole, file->bytes, &n);

    for (uint64_t i = last + 1; status == VST_OK && i-- > 0;) {
        status = vst_files_read(&files, &copy, i * ODD_PIECE_BYTES, piece, ODD_PIECE_BYTES, &n);
        if (status == VST_OK && (n == 0 || memcmp(piece, whole + i * ODD_PIECE_BYTES, n) != 0)) {
            printf("\n{\"failed\":\"backwards\",\"error\":\"backwards\"}\n");
            exit(1);
        }
    }
    if (status != VST_OK)
        fail(path, status);
}

static void put_contents(struct vst_file *file, const char *path)
{
    br_sha256_context sha256;
    uint64_t at = 0;
    size_t n;

    br_sha256_init(&sha256);
    do {
        enum vst_status status = vst_files_read(&files, file, at, piece, PIECE_BYTES, &n);
        if (status != VST_OK)
            fail(path, status);
        br_sha256_update(&sha256, piece, n);
        at += n;
    } while (n > 0);
    if (at != file->bytes)
        fail(path, VST_ERR_RANGE);
    fputs(",\"sha256\":", stdout);
    put_sum(&sha256);
    if (at > 0 && at <= PIECE_BYTES)
        check_backwards(file, path);
}

/* Ranges of at most a piece. */
static void put_ranges(struct vst_file *file, const char *path)
{
    for (int i = 0; i < n_ranges; i++) {
        br_sha256_context sha256;
        char *end;
        uint64_t at = strtoull(ranges[i], &end, 0);
        size_t n;
        enum vst_status status =
            vst_files_read(&files, file, at, piece, strtoull(end + 1, NULL, 0), &n);
        if (status != VST_OK)
            fail(path, status);
        br_sha256_init(&sha256);
        br_sha256_update(&sha256, piece, n);
        fputs(i == 0 ? ",\"ranges\":[" : ",", stdout);
        put_sum(&sha256);
    }
    putchar(']');
}

static void put_file(struct vst_file *file, const char *path)
{
    static const char *const types[] = {"file", "directory", "link", "other"};
    char target[VST_FILES_PATH_BYTES];

    fputs("{\"path\":", stdout);
    put_text(path);
    printf(",\"type\":\"%s\",\"bytes\":%" PRIu64, types[file->type], file->bytes);
    if (file->has_time)
        printf(",\"time\":%" PRId64, file->time_s);
    if (file->type == VST_FILE_REGULAR && n_ranges > 0)
        put_ranges(file, path);
    else if (file->type == VST_FILE_REGULAR)
        put_contents(file, path);
    if (file->type == VST_FILE_LINK) {
        enum vst_status status = vst_files_link(&files, file, target, sizeof(target));
        if (status != VST_OK)
            fail(path, status);
        fputs(",\"link\":", stdout);
        put_text(target);
    }
    puts("}");
}

/* ------------------------------------------------------------------ all files */

static void walk(const struct vst_file *file, char *path, unsigned depth)
{
    struct vst_directory directory;
    struct vst_file_entry *entry = malloc(sizeof(*entry));
    const size_t bytes = strlen(path);
    enum vst_status status = vst_files_list(&files, file, &directory);

    if (depth > MAX_DEPTH)
        fail(path, VST_ERR_TOO_LARGE);
    while (status == VST_OK && (status = vst_files_next(&files, &directory, entry)) == VST_OK) {
        struct vst_file found;
        snprintf(path + bytes, VST_FILES_PATH_BYTES - bytes, "/%s", entry->name);
        status = vst_files_find(&files, path, false, &found);
        if (status == VST_OK &&
            (found.type != entry->file.type || found.bytes != entry->file.bytes))
            status = VST_ERR_MISCOMPARE;
        if (status != VST_OK)
            fail(path, status);
        put_file(&found, path);
        if (found.type == VST_FILE_DIRECTORY)
            walk(&found, path, depth + 1);
        path[bytes] = '\0';
    }
    if (status != VST_ERR_NOT_FOUND)
        fail(path, status);
    free(entry);
}

static void open_image(const char *path, uint32_t block_bytes, size_t memory_bytes, uint64_t bytes)
{
    struct vst_files_source source = {
        .ctx = &image, .block_bytes = block_bytes, .read = read_image};

    image.fd = open(path, O_RDONLY);
    if (image.fd < 0) {
        perror(path);
        exit(2);
    }
    source.bytes = bytes > 0 ? bytes : (uint64_t)lseek(image.fd, 0, SEEK_END) - image.offset_bytes;
    enum vst_status status = vst_files_open(&files, &source, malloc(memory_bytes), memory_bytes);
    if (status != VST_OK)
        fail("open", status);
    printf("{\"kind\":\"%s\",\"uuid\":\"%s\",\"label\":", vst_files_kind_name(files.kind),
           files.uuid);
    put_text(files.label);
    puts("}");
}

static uint64_t number(int argc, char **argv, const char *name, uint64_t otherwise)
{
    for (int i = 2; i < argc; i++)
        if (strncmp(argv[i], name, strlen(name)) == 0)
            return strtoull(argv[i] + strlen(name), NULL, 0);
    return otherwise;
}

int main(int argc, char **argv)
{
    char path[VST_FILES_PATH_BYTES] = "";
    struct vst_file file;
    bool finds = false;

    if (argc < 2)
        return 2;
    piece = malloc(PIECE_BYTES);
    ranges = malloc((size_t)argc * sizeof(*ranges));
    for (int i = 2; i < argc; i++)
        if (strncmp(argv[i], "range=", 6) == 0)
            ranges[n_ranges++] = argv[i] + 6;
    image.offset_bytes = number(argc, argv, "offset=", 0);
    open_image(argv[1], (uint32_t)number(argc, argv, "block=", 512),
               number(argc, argv, "memory=", 131072), number(argc, argv, "bytes=", 0));
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], "find=", 5) != 0)
            continue;
        finds = true;
        enum vst_status status = vst_files_find(&files, argv[i] + 5, true, &file);
        if (status != VST_OK)
            fail(argv[i], status);
        put_file(&file, argv[i] + 5);
    }
    if (!finds) {
        if (vst_files_find(&files, "/", true, &file) != VST_OK)
            return 1;
        walk(&file, path, 0);
    }
    printf("{\"reads\":%" PRIu64 ",\"read_bytes\":%" PRIu64 ",\"longest\":%" PRIu64 "}\n",
           image.n_reads, image.n_bytes, image.longest);
    return 0;
}
