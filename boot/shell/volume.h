/* SPDX-License-Identifier: BSD-2-Clause */
/* The file system on the device that a command names. All say why they fail. */
#ifndef VSTOR_SHELL_VOLUME_H
#define VSTOR_SHELL_VOLUME_H

#include "stream.h"

struct volume {
    struct vst_files files;
    struct vst_files_cached cached;
    uint8_t memory[VST_FILES_MEMORY_BYTES(VST_SECTOR_BYTES)];
    void *cache_memory;
};

/** NULL, having said so, if there is none that can be read. volume_close also takes NULL. */
struct volume *volume_open(const struct shell_context *context);
/**
 * The same without a word. VST_ERR_NOT_FOUND: there is no file system that is known; VST_ERR_NO_MEMORY,
 * and those of reading it.
 */
enum vst_status volume_try(struct vst_block_queue *queue, const struct vst_extent *extent,
                           struct volume **volume);
void volume_close(struct volume *volume);

bool volume_find_file(const struct shell_context *context, struct volume *volume, const char *path,
                      bool follow, struct vst_file *file);
/** "ls vda /x: no such file or directory": for any call of vstor/files.h that failed. */
bool volume_fail(const struct shell_context *context, const char *path, enum vst_status status);

/** Hands a regular file's bytes to the function, in ascending order; path is for what is said. */
enum stream_outcome volume_stream(const struct shell_context *context, struct volume *volume,
                                  struct vst_file *file, const char *path, stream_function *consume,
                                  void *user);

#endif
