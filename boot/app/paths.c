/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "boot/app/disk_file.h"
#include "boot/app/paths.h"
#include "boot/app/small_files.h"
#include "boot/app/volumes.h"
#include "boot/kernel/disks.h"

#define DEV "dev/"
#define MNT "mnt/"

/* Without "/" at both ends, "." and "..": "dev/vda". 0, or -ENAMETOOLONG, or -ENOENT for "". */
static int normalise(const char *path, char plain[PATH_BYTES])
{
    size_t n = 0;

    if (*path == '\0')
        return -ENOENT;
    while (*path != '\0') {
        size_t length = strcspn(path, "/");
        if (length == 2 && memcmp(path, "..", 2) == 0) {
            while (n > 0 && plain[--n] != '/')
                ;
        } else if (length > 0 && !(length == 1 && *path == '.')) {
            if (n + length + 2 > PATH_BYTES)
                return -ENAMETOOLONG;
            if (n > 0)
                plain[n++] = '/';
            memcpy(plain + n, path, length);
            n += length;
        }
        path += length + (path[length] == '/');
    }
    plain[n] = '\0';
    return 0;
}

/* The name below /dev, NULL if it is elsewhere. */
static const char *device_name(const char *plain)
{
    return strncmp(plain, DEV, strlen(DEV)) == 0 ? plain + strlen(DEV) : NULL;
}

static const struct small_file *find_small(const char *plain)
{
    const char *name = device_name(plain);

    return name != NULL ? small_file_find(name) : NULL;
}

static bool find_place(const char *plain, struct device_place *place)
{
    const char *name = device_name(plain);

    disks_look_after();
    return name != NULL && devices_find(disks_registry(), name, place);
}

/* True if it is on a volume: "mnt/vda1/path"; where, and the path there, "" for its root. */
static bool find_volume(const char *plain, struct device_place *place, const char **path)
{
    char name[DEVICE_NAME_BYTES];

    if (strncmp(plain, MNT, strlen(MNT)) != 0)
        return false;
    plain += strlen(MNT);
    size_t length = strcspn(plain, "/");
    if (length >= sizeof(name))
        return false;
    memcpy(name, plain, length);
    name[length] = '\0';
    *path = plain + length;
    disks_look_after();
    return devices_find(disks_registry(), name, place);
}

/* ---------------------------------------------------------------- folders */

/* A walk over the names below a folder, "" or such that ends in "/". */
struct folder_walk {
    const char *folder;
    entry_taker *take;
    void *ctx;
    bool found; /* it is a folder: something is in it */
};

/* `full`: a path in normal form. The part of it that stands in the folder is taken. */
static bool take_entry(struct folder_walk *walk, const char *full, mode_t mode)
{
    char name[PATH_BYTES];
    size_t folder_length = strlen(walk->folder);

    if (strncmp(full, walk->folder, folder_length) != 0)
        return true;
    walk->found = true;
    const char *rest = full + folder_length;
    size_t length = strcspn(rest, "/");
    if (length >= sizeof(name))
        return true;
    memcpy(name, rest, length);
    name[length] = '\0';
    return walk->take == NULL || walk->take(walk->ctx, name, rest[length] == '/' ? S_IFDIR : mode);
}

static bool take_device(void *ctx, const char *name, const struct device_place *place)
{
    char full[sizeof(DEV) + DEVICE_NAME_BYTES] = DEV;

    (void)place;
    return take_entry(ctx, strcat(full, name), S_IFBLK);
}

/* What volume there is shows when it is looked at. */
static bool take_volume(void *ctx, const char *name, const struct device_place *place)
{
    char full[sizeof(MNT) + DEVICE_NAME_BYTES] = MNT;

    (void)place;
    return strchr(name, '/') != NULL || take_entry(ctx, strcat(full, name), S_IFDIR);
}

static bool walk_folder(const char *plain, entry_taker *take, void *ctx)
{
    char folder[PATH_BYTES + 1] = "";
    struct folder_walk walk = {.folder = folder, .take = take, .ctx = ctx};
    const char *name;

    if (*plain != '\0')
        strcat(strcpy(folder, plain), "/");
    disks_look_after();
    devices_walk(disks_registry(), take_device, &walk);
    devices_walk(disks_registry(), take_volume, &walk);
    for (unsigned i = 0; (name = small_file_name(i)) != NULL; i++) {
        char full[sizeof(DEV) + DEVICE_NAME_BYTES] = DEV;
        if (!take_entry(&walk, strcat(full, name), S_IFCHR))
            break;
    }
    return walk.found;
}

int path_walk(const char *path, entry_taker *take, void *ctx)
{
    struct device_place place;
    char plain[PATH_BYTES];
    int error = normalise(path, plain);

    if (error != 0)
        return error;
    if (find_volume(plain, &place, &path))
        return volume_walk(&place, path, take, ctx);
    if (walk_folder(plain, take, ctx))
        return 0;
    return find_place(plain, &place) || find_small(plain) != NULL ? -ENOTDIR : -ENOENT;
}

/* ---------------------------------------------------------------- files */

/* Folders are read by opendir only; nothing can be created. */
static int why_not_opened(const char *plain, int flags)
{
    if (walk_folder(plain, NULL, NULL))
        return -EISDIR;
    return flags & O_CREAT ? -EROFS : -ENOENT;
}

int path_open(struct file *file, const char *path)
{
    struct device_place place;
    char plain[PATH_BYTES];
    int error = normalise(path, plain);

    if (error != 0)
        return error;
    if (find_volume(plain, &place, &path))
        return volume_open(file, &place, path);
    const struct small_file *small = find_small(plain);
    bool is_disk = small == NULL && find_place(plain, &place);
    if (small == NULL && !is_disk)
        return why_not_opened(plain, file->flags);
    if ((file->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return -EEXIST;
    if (file->flags & O_DIRECTORY)
        return -ENOTDIR;
    if (is_disk)
        return disk_file_open(file, &place);
    small_file_open(file, small);
    return 0;
}

int path_status(const char *path, struct stat *status)
{
    struct device_place place;
    char plain[PATH_BYTES];
    int error = normalise(path, plain);

    *status = (struct stat){.st_nlink = 1};
    if (error != 0)
        return error;
    if (find_volume(plain, &place, &path))
        return volume_status(&place, path, status);
    const struct small_file *small = find_small(plain);
    if (small != NULL)
        small_file_status(small, status);
    else if (find_place(plain, &place))
        disk_file_status(&place, status);
    else if (walk_folder(plain, NULL, NULL))
        status->st_mode = S_IFDIR | S_IRUSR | S_IXUSR;
    else
        return -ENOENT;
    return 0;
}
