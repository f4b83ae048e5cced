/* SPDX-License-Identifier: BSD-2-Clause */
#include "complete_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volume.h"

#define MOST_ENTRIES 10000u

static bool find_extent(const struct shell_host *host, const char *name, struct vst_extent *extent)
{
    struct vst_block_device *device = vst_block_find(host->registry, name);

    if (device != NULL) {
        *extent = vst_extent_of(device);
        return true;
    }
    void *memory = malloc(VST_PARTITIONS_MEMORY_BYTES);
    bool found =
        memory != NULL && vst_partition_find(host->registry, name, memory, extent) == VST_OK;
    free(memory);
    return found;
}

/* The editor knows no quotes, and no characters but ASCII's. */
static bool can_be_typed(const char *name)
{
    for (; *name != '\0'; name++)
        if (*name <= ' ' || *name >= 0x7f || strchr("'\"\\\\;", *name) != NULL)
            return false;
    return true;
}

/* Those that begin as the word does; its first `kept` bytes stay as they are. */
static void offer_entries(struct vst_files *files, struct vst_directory *directory,
                          const char *word, size_t kept, line_edit_candidate *candidate,
                          void *taker)
{
    struct vst_file_entry entry;
    char text[LINE_EDIT_WORD_BYTES];

    for (unsigned i = 0; i < MOST_ENTRIES; i++) {
        if (vst_files_next(files, directory, &entry) != VST_OK)
            return;
        if (strncmp(entry.name, word + kept, strlen(word + kept)) != 0 || !can_be_typed(entry.name))
            continue;
        snprintf(text, sizeof(text), "%.*s%s%s", (int)kept, word, entry.name,
                 entry.file.type == VST_FILE_DIRECTORY ? "/" : "");
        candidate(taker, text);
    }
}

void complete_path(const struct shell_host *host, const char *device, const char *word,
                   size_t prefix, line_edit_candidate *candidate, void *taker)
{
    const char *slash = strrchr(word + prefix, '/');
    size_t kept = slash != NULL ? (size_t)(slash + 1 - word) : prefix;
    struct vst_directory directory;
    struct vst_extent extent;
    struct volume *volume;
    struct vst_file file;
    char path[LINE_EDIT_WORD_BYTES];

    if (!find_extent(host, device, &extent) || extent.device->n_queues == 0 ||
        extent.device->medium != VST_OK ||
        volume_try(extent.device->queues[0], &extent, &volume) != VST_OK)
        return;
    snprintf(path, sizeof(path), "/%.*s", (int)(kept - prefix), word + prefix);
    if (vst_files_find(&volume->files, path, true, &file) == VST_OK &&
        vst_files_list(&volume->files, &file, &directory) == VST_OK)
        offer_entries(&volume->files, &directory, word, kept, candidate, taker);
    volume_close(volume);
}
