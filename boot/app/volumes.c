/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <vstor/files.h>

#include "boot/app/disk_io.h"
#include "boot/app/volumes.h"

#define MEMORY_BYTES 131072u

/* One that somebody has asked for; it keeps its disk in use to the end of the program. */
struct volume {
    struct volume *next;
    struct device_place place;
    uint32_t media_id;
    struct disk_io *io;
    struct vst_files files;
    void *memory;
};

struct volume_file {
    struct volume *volume;
    struct vst_file file;
};

static struct volume *volumes;

static enum vst_status read_volume(void *ctx, uint64_t offset_bytes, void *buffer, size_t bytes)
{
    struct volume *volume = ctx;
    size_t n_done;

    return disk_io_read(volume->io, volume->place.offset_bytes + offset_bytes, buffer, bytes, 0,
                        &n_done);
}

static enum vst_status open_volume(struct volume *volume)
{
    const struct vst_block_device *device = volume->place.device;
    uint64_t bytes =
        volume->place.number != 0 ? volume->place.bytes : disk_io_bytes(volume->io, true);
    struct vst_files_source source = {.ctx = volume,
                                      .bytes = bytes,
                                      .block_bytes = device->limits.logical_block_bytes,
                                      .read = read_volume};

    volume->media_id = device->media_id;
    return vst_files_open(&volume->files, &source, volume->memory, MEMORY_BYTES);
}

static void drop(struct volume *volume)
{
    if (volume->io != NULL)
        (void)!disk_io_close(volume->io);
    free(volume->memory);
    free(volume);
}

static enum vst_status add(const struct device_place *place, struct volume **added)
{
    struct volume *volume = calloc(1, sizeof(*volume));
    enum vst_status status = VST_ERR_NO_MEMORY;

    if (volume == NULL)
        return status;
    volume->place = *place;
    volume->memory = malloc(MEMORY_BYTES);
    volume->io = volume->memory != NULL ? disk_io_open(place->device) : NULL;
    if (volume->io != NULL)
        status = open_volume(volume);
    if (status != VST_OK) {
        drop(volume);
        return status;
    }
    volume->next = volumes;
    volumes = *added = volume;
    return VST_OK;
}

static enum vst_status find_volume(const struct device_place *place, struct volume **found)
{
    struct volume *volume = volumes;

    if (place->device->medium != VST_OK)
        return place->device->medium;
    while (volume != NULL &&
           (volume->place.device != place->device ||
            volume->place.offset_bytes != place->offset_bytes ||
            volume->place.bytes != place->bytes || volume->media_id != place->device->media_id))
        volume = volume->next;
    *found = volume;
    return volume != NULL ? VST_OK : add(place, found);
}

static int error_of(enum vst_status status)
{
    return status == VST_ERR_NOT_FOUND   ? -ENOENT
           : status == VST_ERR_TOO_LARGE ? -ENAMETOOLONG
                                         : -errno_of(status);
}

static int find(const struct device_place *place, const char *path, struct volume **volume,
                struct vst_file *file)
{
    enum vst_status status = find_volume(place, volume);

    if (status == VST_OK)
        status = vst_files_find(&(*volume)->files, path, true, file);
    return error_of(status);
}

/* ---------------------------------------------------------------- files */

static ssize_t read_file(struct file *file, uint64_t at, void *buffer, size_t bytes)
{
    struct volume_file *object = file->object;
    size_t n = 0;

    if (at >= object->file.bytes)
        return 0;
    enum vst_status status =
        vst_files_read(&object->volume->files, &object->file, at, buffer, bytes, &n);
    return n > 0 ? (ssize_t)n : error_of(status);
}

static int64_t file_size(struct file *file)
{
    const struct volume_file *object = file->object;

    return (int64_t)object->file.bytes;
}

static void fill_status(const struct vst_file *file, struct stat *status)
{
    status->st_mode = file->type == VST_FILE_DIRECTORY ? S_IFDIR | S_IXUSR : S_IFREG;
    status->st_mode |= S_IRUSR;
    status->st_size = (off_t)file->bytes;
    status->st_blksize = 4096;
    status->st_blocks = (blkcnt_t)((file->bytes + VST_SECTOR_BYTES - 1) >> VST_SECTOR_SHIFT);
    if (file->has_time)
        status->st_mtime = status->st_ctime = status->st_atime = (time_t)file->time_s;
}

static void status_of_file(const struct file *file, struct stat *status)
{
    const struct volume_file *object = file->object;

    fill_status(&object->file, status);
}

static int sync_nothing(struct file *file)
{
    (void)file;
    return 0;
}

static int close_file(struct file *file)
{
    free(file->object);
    return 0;
}

static const struct file_ops volume_ops = {
    .read = read_file,
    .size = file_size,
    .sync = sync_nothing,
    .status = status_of_file,
    .close = close_file,
};

int volume_open(struct file *file, const struct device_place *place, const char *path)
{
    struct volume *volume;
    struct vst_file found;
    int error = find(place, path, &volume, &found);

    if (error != 0)
        return error == -ENOENT && file->flags & O_CREAT ? -EROFS : error;
    if (found.type != VST_FILE_REGULAR)
        return found.type == VST_FILE_DIRECTORY ? -EISDIR : -ENXIO;
    if ((file->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return -EEXIST;
    if (file->flags & O_DIRECTORY)
        return -ENOTDIR;
    if ((file->flags & O_ACCMODE) != O_RDONLY || file->flags & O_TRUNC)
        return -EROFS;
    struct volume_file *object = malloc(sizeof(*object));
    if (object == NULL)
        return -ENOMEM;
    *object = (struct volume_file){volume, found};
    file->object = object;
    file->ops = &volume_ops;
    return 0;
}

int volume_status(const struct device_place *place, const char *path, struct stat *status)
{
    struct volume *volume;
    struct vst_file found;
    int error = find(place, path, &volume, &found);

    if (error == 0)
        fill_status(&found, status);
    return error;
}

int volume_walk(const struct device_place *place, const char *path, entry_taker *take, void *ctx)
{
    struct vst_directory directory;
    struct vst_file_entry entry;
    struct volume *volume;
    struct vst_file found;
    int error = find(place, path, &volume, &found);

    if (error != 0)
        return error;
    if (found.type != VST_FILE_DIRECTORY)
        return -ENOTDIR;
    enum vst_status status = vst_files_list(&volume->files, &found, &directory);
    while (status == VST_OK) {
        status = vst_files_next(&volume->files, &directory, &entry);
        if (status == VST_OK &&
            !take(ctx, entry.name, entry.file.type == VST_FILE_DIRECTORY ? S_IFDIR : S_IFREG))
            return 0;
    }
    return status == VST_ERR_NOT_FOUND ? 0 : error_of(status);
}
