/* SPDX-License-Identifier: BSD-2-Clause */
/* opendir and its like: a folder's names are listed when it is opened. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot/app/paths.h"

struct app_directory {
    struct dirent *entries;
    size_t n, at, room;
    bool no_memory;
};

static bool is_known(const struct app_directory *directory, const char *name)
{
    for (size_t i = 0; i < directory->n; i++)
        if (strcmp(directory->entries[i].d_name, name) == 0)
            return true;
    return false;
}

static bool grow(struct app_directory *directory)
{
    size_t room = directory->room * 2 + 8;
    struct dirent *entries = realloc(directory->entries, room * sizeof(*entries));

    directory->no_memory = entries == NULL;
    if (entries == NULL)
        return false;
    directory->entries = entries;
    directory->room = room;
    return true;
}

static bool take(void *ctx, const char *name, mode_t mode)
{
    struct app_directory *directory = ctx;

    if (is_known(directory, name) || strlen(name) >= sizeof(directory->entries->d_name))
        return true;
    if (directory->n == directory->room && !grow(directory))
        return false;
    struct dirent *entry = &directory->entries[directory->n++];
    entry->d_ino = (ino_t)directory->n;
    entry->d_type = S_ISDIR(mode)   ? DT_DIR
                    : S_ISBLK(mode) ? DT_BLK
                    : S_ISCHR(mode) ? DT_CHR
                                    : DT_REG;
    strcpy(entry->d_name, name);
    return true;
}

DIR *opendir(const char *path)
{
    struct app_directory *directory = calloc(1, sizeof(*directory));

    if (directory == NULL)
        return NULL;
    (void)(take(directory, ".", S_IFDIR) && take(directory, "..", S_IFDIR));
    int error = path_walk(path, take, directory);
    if (error == 0 && !directory->no_memory)
        return directory;
    (void)closedir(directory);
    errno = error != 0 ? -error : ENOMEM;
    return NULL;
}

struct dirent *readdir(DIR *directory)
{
    return directory->at < directory->n ? &directory->entries[directory->at++] : NULL;
}

void rewinddir(DIR *directory)
{
    directory->at = 0;
}

int closedir(DIR *directory)
{
    free(directory->entries);
    free(directory);
    return 0;
}
