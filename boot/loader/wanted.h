/* SPDX-License-Identifier: BSD-2-Clause */
/* What somebody wants to have booted, and what came of it. */
#ifndef VSTOR_LOADER_WANTED_H
#define VSTOR_LOADER_WANTED_H

#include <vstor/types.h>

/** A kernel, or what goes with it. */
struct loader_wanted_file {
    const char *name; /**< its path */
    uint64_t bytes;
    const char *text; /**< what a kernel that takes modules reads beside it; NULL: its path */
};

/** What is to be loaded. All the caller's. */
struct loader_wanted {
    const char *kind; /**< "linux", ...; NULL: the first that fits */
    const char *command_line;
    const char *device; /**< name of that which the kernel is on, "vda1"; NULL: not known */
    const struct loader_wanted_file *files; /**< the kernel first */
    size_t n_files;
    void *ctx;
    /** Reads a whole file. False: it has said why. */
    bool (*read)(void *ctx, size_t file, void *buffer);
};

#define LOADER_TEXT_BYTES 160

/** What has been loaded, or why not. */
struct loader_answer {
    const char *kind;             /**< fixed text */
    char text[LOADER_TEXT_BYTES]; /**< Linux: its version, else ""; why it failed, "" if read has
                                       said that */
    uint64_t first, end, entry;   /**< physical; 0 where the firmware decides */
};

#endif
