/* SPDX-License-Identifier: BSD-2-Clause */
/* What the file systems share: the volume's bytes, names, and dates. */
#ifndef VSTOR_BLOCK_FILES_H
#define VSTOR_BLOCK_FILES_H

#include <vstor/files.h>

/** What a file system does. All but open: on a volume that it has opened. */
struct vst_files_kind_ops {
    /** VST_ERR_NOT_FOUND: it is another one. */
    enum vst_status (*open)(struct vst_files *files);
    void (*root)(const struct vst_files *files, struct vst_file *file);
    /** `file` is a directory. */
    enum vst_status (*list)(struct vst_files *files, struct vst_directory *directory);
    enum vst_status (*next)(struct vst_files *files, struct vst_directory *directory,
                            struct vst_file_entry *entry);
    /** Finds where the byte at `offset`, which is inside the file, stands on the volume, and how
     * many follow it there, at most `want`. */
    enum vst_status (*map)(struct vst_files *files, struct vst_file *file, uint64_t offset,
                           uint64_t want, uint64_t *at, uint64_t *run_bytes);
    /** NULL where there are no links. */
    enum vst_status (*link)(struct vst_files *files, const struct vst_file *file, char *text,
                            size_t text_bytes);
    bool folds_case; /* the first name that is the same but for case is the one meant */
};

extern const struct vst_files_kind_ops vst_files_fat, vst_files_iso9660;

/* ------------------------------------------------------------------ bytes (files.c) */

/** What is kept of the volume: what tells where things are, and the things themselves. */
enum files_window { WINDOW_MAP, WINDOW_DATA };

/** Copies bytes of the volume through a window. VST_ERR_RANGE: they are not on it. */
enum vst_status vst_files_copy(struct vst_files *files, enum files_window which, uint64_t offset,
                               void *to, size_t bytes) VST_MUST_USE;

/** One step of a search that a hostile disk could make endless. False: enough. */
static inline bool files_step(struct vst_files *files)
{
    return files->steps_left > 0 && files->steps_left-- > 0;
}

static inline uint32_t files_le16(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8;
}

static inline uint32_t files_le32(const uint8_t *at)
{
    return files_le16(at) | files_le16(at + 2) << 16;
}

/** Bytes before the NUL, at most `most`. */
static inline size_t files_length(const void *text, size_t most)
{
    const char *at = text;
    size_t n = 0;

    while (n < most && at[n] != '\0')
        n++;
    return n;
}

static inline bool files_same(const void *at, const char *text, size_t bytes)
{
    return __builtin_memcmp(at, text, bytes) == 0;
}

/* ------------------------------------------------------------------ names (files_names.c) */

/** A text that is being written; what does not fit is left out, and `full` says so. */
struct files_text {
    char *to;
    size_t room; /* the NUL not counted */
    bool full;
};

/** For a text of `bytes` bytes with the NUL, empty at first. */
static inline struct files_text files_text_begin(char *to, size_t bytes)
{
    *to = '\0';
    return (struct files_text){to, bytes - 1, false};
}

void vst_files_put_bytes(struct files_text *text, const void *from, size_t bytes);
/** A character as UTF-8; '/' and control characters, which no name has, become '?'. */
void vst_files_put_rune(struct files_text *text, uint32_t rune);
/** UTF-16 units, `high` tells which of a unit's bytes is the high one, up to `n` or a 0. */
void vst_files_put_utf16(struct files_text *text, const uint8_t *units, size_t n, unsigned high);

/** True if the name is the text of `bytes` bytes, or also if it is that but for case. */
bool vst_files_names_match(const char *name, const char *text, size_t bytes, bool fold);

/** "." and "..". */
bool vst_files_is_dots(const char *name, size_t bytes);

/* ------------------------------------------------------------------ dates (files_names.c) */

/** Numbers of a calendar, in UTC; month and day from 1. */
struct files_date {
    unsigned year, month, day, hour, minute, second;
};

/** Seconds since 1970; false if there is no such day or time. */
bool vst_files_seconds(const struct files_date *date, int64_t *seconds);

/* ------------------------------------------------------------------ Rock Ridge (files_rock_ridge.c) */

/** What the system use area of a record says. */
struct rock_ridge {
    char name[256]; /* "" if there is none */
    uint32_t mode;  /* POSIX; 0: not told */
    bool has_time;
    int64_t time_s;
    uint32_t child_block; /* the directory is there; 0: no such entry */
    bool relocated;       /* stands here for its real place only */
    bool compressed;
};

/** The bytes of a record's system use area on the volume. */
struct susp_area {
    uint64_t offset;
    size_t bytes;
};

/** True if the area, of the root's own record, says that the volume has Rock Ridge; then *skip. */
bool vst_rock_ridge_found(struct vst_files *files, struct susp_area area, uint8_t *skip);
enum vst_status vst_rock_ridge_read(struct vst_files *files, struct susp_area area,
                                    struct rock_ridge *rock);
enum vst_status vst_rock_ridge_link(struct vst_files *files, struct susp_area area, char *text,
                                    size_t text_bytes);
/** The 7 bytes of ECMA-119, 9.1.5. */
bool vst_iso9660_seconds(const uint8_t *date, int64_t *seconds);

#endif
