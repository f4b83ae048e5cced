/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that are to be started, or handed on, from volumes into memory: all loads come through here.
 * What is loaded, and from where, is said before it is waited for; what takes longer is counted; the
 * Escape key stops it. What fails has been said.
 */
#ifndef VSTOR_EFI_LOADER_LOAD_H
#define VSTOR_EFI_LOADER_LOAD_H

#include "boot/efi/loader/volumes.h"

/** A file that has been found. */
struct load_file {
    struct volume *volume;
    struct vst_file file;
    char path[VST_FILES_PATH_BYTES];
};

/** Finds a regular file by its path from the root of a volume; either slash parts it. */
bool load_find(struct volume *volume, const char *path, struct load_file *file);

/** Pages with a whole file, for load_give. NULL at: there are none. */
struct load_pages {
    void *at;
    uint64_t bytes; /**< of the file */
    uint64_t room;
};

bool load_pages(const struct load_file *file, struct load_pages *pages);
void load_give(struct load_pages *pages);

/** The same into the caller's memory, of at least the file's length. */
bool load_into(const struct load_file *file, void *to, uint64_t room);

#endif
