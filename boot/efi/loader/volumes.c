/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/volumes.h"

#include <string.h>

#include <vstor/log.h>

#include "boot/efi/loader/device_path.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/say.h"
#include "boot/efi/loader/watch.h"

#define MAX_PARTITIONS 128u
#define WINDOW_BYTES   32768u
#define LARGE_BYTES    65536u /* that much at once is not worth a place in the cache */
#define MBR_TYPE_ESP   0xefu
#define MBR_TYPE_XBOOT 0xeau

static struct volume *first, **end = &first;

struct volume *volumes_first(void)
{
    return first;
}

/* ---------------------------------------------------------------- use */

bool volume_enter(const struct volume *volume, EFI_TPL *before)
{
    watch_begin(volume->name);
    *before = TPL_APPLICATION;
    if (volume->block_io != NULL) /* firmware's own is not to be called at a higher level */
        return true;
    *before = disks_enter();
    if (volume->disk->queue != NULL)
        return true;
    disks_leave(*before);
    watch_end();
    return false;
}

void volume_leave(const struct volume *volume, EFI_TPL before)
{
    if (volume->block_io == NULL && volume->disk->cache != NULL)
        vst_cache_rest(volume->disk->cache);
    watch_end();
    if (volume->block_io == NULL)
        disks_leave(before);
}

enum vst_status volume_find(struct volume *volume, const char *path, struct vst_file *file)
{
    EFI_TPL before;

    if (!volume_enter(volume, &before))
        return VST_ERR_GONE;
    enum vst_status status = vst_files_find(&volume->files, path, true, file);
    volume_leave(volume, before);
    return status;
}

enum vst_status volume_list(struct volume *volume, const char *path,
                            struct vst_directory *directory)
{
    struct vst_file file;
    EFI_TPL before;

    if (!volume_enter(volume, &before))
        return VST_ERR_GONE;
    enum vst_status status = vst_files_find(&volume->files, path, true, &file);
    if (status == VST_OK)
        status = vst_files_list(&volume->files, &file, directory);
    if (status == VST_OK)
        volume_ahead(volume, &file);
    volume_leave(volume, before);
    return status;
}

enum vst_status volume_next(struct volume *volume, struct vst_directory *directory,
                            struct vst_file_entry *entry)
{
    EFI_TPL before;

    if (!volume_enter(volume, &before))
        return VST_ERR_GONE;
    enum vst_status status = vst_files_next(&volume->files, directory, entry);
    volume_leave(volume, before);
    return status;
}

enum vst_status volume_look_again(struct volume *volume)
{
    const struct vst_files_source source = volume->files.source;
    EFI_TPL before;

    if (!volume_enter(volume, &before))
        return VST_ERR_GONE;
    if (volume->block_io == NULL)
        vst_cache_invalidate(volume->disk->cache);
    enum vst_status status =
        vst_files_open(&volume->files, &source, volume->files.windows[0].memory, WINDOW_BYTES);
    volume_leave(volume, before);
    return status;
}

size_t volume_read_part(struct volume *volume, struct vst_file *file, uint64_t offset_bytes,
                        void *to, size_t bytes)
{
    EFI_TPL before;
    size_t n = 0;

    if (!volume_enter(volume, &before))
        return 0;
    enum vst_status status = vst_files_read(&volume->files, file, offset_bytes, to, bytes, &n);
    volume_leave(volume, before);
    return status == VST_OK ? n : 0;
}

/* ---------------------------------------------------------------- one volume */

static void give_volume(struct volume *volume)
{
    if (volume != NULL)
        pages_give(volume->files.windows[0].memory, WINDOW_BYTES);
    pool_give(volume);
}

static struct volume *new_volume(uint64_t offset_bytes, uint64_t bytes)
{
    struct volume *volume = pool_take(sizeof(*volume));

    if (volume != NULL) {
        volume->offset_bytes = offset_bytes;
        volume->bytes = bytes;
        volume->role = VOLUME_OTHER;
    }
    return volume;
}

/* False: no memory. A volume that holds no file system is dropped, and said if it should hold one. */
static bool open_files(struct volume *volume, const struct vst_files_source *source)
{
    void *memory = pages_take(WINDOW_BYTES);

    if (memory == NULL) {
        give_volume(volume);
        return false;
    }
    enum vst_status status = VST_ERR_GONE;
    EFI_TPL before;
    if (volume_enter(volume, &before)) {
        status = vst_files_open(&volume->files, source, memory, WINDOW_BYTES);
        volume_leave(volume, before);
    }
    if (status != VST_OK) {
        if (status != VST_ERR_NOT_FOUND)
            say("%s: its file system can't be read: %s\n", volume->name, vst_status_text(status));
        pages_give(memory, WINDOW_BYTES);
        pool_give(volume);
        return true;
    }
    *end = volume;
    end = &volume->next;
    return true;
}

/* ---------------------------------------------------------------- partitions */

static const uint8_t type_esp[VST_GUID_BYTES] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                                 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
static const uint8_t type_xbootldr[VST_GUID_BYTES] = {
    0xff, 0xc2, 0x13, 0xbc, 0xe6, 0x59, 0x62, 0x42, 0xa3, 0x52, 0xb2, 0x75, 0xfd, 0x6f, 0x71, 0x72};

static enum volume_role role_of(const struct vst_partition_table *table,
                                const struct vst_partition *partition)
{
    if (table->scheme == VST_PARTITIONS_EL_TORITO)
        return partition->boot_platform == VST_EL_TORITO_EFI ? VOLUME_ESP : VOLUME_OTHER;
    if (partition->mbr_type == MBR_TYPE_ESP ||
        memcmp(partition->type, type_esp, VST_GUID_BYTES) == 0)
        return VOLUME_ESP;
    if (partition->mbr_type == MBR_TYPE_XBOOT ||
        memcmp(partition->type, type_xbootldr, VST_GUID_BYTES) == 0)
        return VOLUME_XBOOTLDR;
    return VOLUME_OTHER;
}

/* `partition` NULL: the whole disk. */
static bool add(struct loader_disk *disk, const struct vst_partition_table *table,
                const struct vst_partition *partition)
{
    uint64_t disk_bytes = disk->device->limits.n_sectors << VST_SECTOR_SHIFT;
    struct volume *volume = partition != NULL
                                ? new_volume(partition->offset_bytes, partition->bytes)
                                : new_volume(0, disk_bytes);
    struct vst_files_source source;

    if (volume == NULL)
        return false;
    volume->disk = disk;
    if (partition != NULL)
        vst_partition_device_name(disk->device, partition->number, volume->name);
    else
        vst_format(volume->name, sizeof(volume->name), "%s", disk->device->name);
    if (partition != NULL) {
        volume->is_partition = true;
        volume->role = role_of(table, partition);
        memcpy(volume->partition_id, partition->id, VST_GUID_BYTES);
    }
    volume->cached = (struct vst_files_cached){.cache = disk->cache,
                                               .offset_bytes = volume->offset_bytes,
                                               .bytes = volume->bytes,
                                               .past = disk->queue,
                                               .past_bytes = LARGE_BYTES};
    vst_files_source_of_cache(&source, &volume->cached);
    return open_files(volume, &source);
}

EFI_HANDLE volume_handle(struct volume *volume)
{
    struct loader_disk *disk = volume->disk;

    if (volume->handle != NULL || disk == NULL || disk->queue == NULL || disk->path == NULL)
        return volume->handle;
    disks_connect(disk);
    if (volume->is_partition && disk->queue != NULL)
        volume->handle = device_path_partition(disk->path, volume->offset_bytes,
                                               disk->device->limits.logical_block_bytes);
    if (volume->handle == NULL)
        volume->handle = disk->handle;
    return volume->handle;
}

/* ---------------------------------------------------------------- disks */

struct scan {
    struct vst_partition_table table;
    struct vst_partition list[MAX_PARTITIONS];
    uint8_t memory[VST_PARTITIONS_MEMORY_BYTES];
};

/* The table in *scan; false: it can't be read from, or there is no memory to do so. */
static bool look_at(struct loader_disk *disk, struct scan *scan)
{
    EFI_TPL before = disks_enter();
    watch_begin(disk->device->name);
    enum vst_status status = vst_block_refresh(disk->device);

    if (disk->device->medium != VST_OK)
        status = disk->device->medium;
    if (status == VST_OK)
        status = disks_open_cache(disk);
    if (status == VST_OK)
        status = vst_partitions_read(disk->queue, scan->memory, scan->list, MAX_PARTITIONS,
                                     &scan->table);
    watch_end();
    disks_leave(before);
    if (status != VST_OK && status != VST_ERR_NO_MEDIUM)
        say("%s: its partition table can't be read: %s\n", disk->device->name,
            vst_status_text(status));
    if (status != VST_OK && status != VST_ERR_MALFORMED)
        return false;
    if (status != VST_OK) /* a file system may be there all the same */
        scan->table.n = 0;
    return true;
}

/* What has a table may have a file system as a whole besides: images of CDs written to sticks. */
static bool add_disk(struct loader_disk *disk, struct scan *scan)
{
    bool all = true;

    if (!look_at(disk, scan))
        return true;
    for (uint32_t i = 0; i < scan->table.n; i++)
        all &= add(disk, &scan->table, &scan->list[i]);
    return add(disk, NULL, NULL) && all;
}

/* ---------------------------------------------------------------- the one that we came from */

static enum vst_status read_by_firmware(void *ctx, uint64_t offset_bytes, void *buffer,
                                        size_t bytes)
{
    EFI_BLOCK_IO_PROTOCOL *block_io = ctx;

    return EFI_ERROR(block_io->ReadBlocks(block_io, block_io->Media->MediaId,
                                          offset_bytes / block_io->Media->BlockSize, bytes, buffer))
               ? VST_ERR_IO
               : VST_OK;
}

static bool add_by_firmware(EFI_HANDLE handle)
{
    EFI_BLOCK_IO_PROTOCOL *block_io;

    if (EFI_ERROR(firmware->HandleProtocol(handle, &guid_block_io, (VOID **)&block_io)) ||
        !block_io->Media->MediaPresent)
        return true;
    struct volume *volume =
        new_volume(0, (block_io->Media->LastBlock + 1) * block_io->Media->BlockSize);
    if (volume == NULL)
        return false;
    volume->block_io = block_io;
    volume->handle = handle;
    volume->role = VOLUME_ESP;
    volume->is_own = true;
    vst_format(volume->name, sizeof(volume->name), "boot");
    const struct vst_files_source source = {.ctx = block_io,
                                            .bytes = volume->bytes,
                                            .block_bytes = block_io->Media->BlockSize,
                                            .read = read_by_firmware};
    return open_files(volume, &source);
}

static void move_to_front(struct volume *volume)
{
    struct volume **link = &first;

    while (*link != volume)
        link = &(*link)->next;
    if (end == &volume->next)
        end = link;
    *link = volume->next;
    volume->next = first;
    first = volume;
    if (end == &first)
        end = &volume->next;
}

static EFI_HANDLE handle_of_path(const EFI_DEVICE_PATH_PROTOCOL *path)
{
    EFI_DEVICE_PATH_PROTOCOL *rest = device_path_copy(path), *copy = rest;
    EFI_HANDLE handle = NULL;

    if (copy != NULL && (EFI_ERROR(firmware->LocateDevicePath(&guid_block_io, &rest, &handle)) ||
                         !device_path_is_end(rest)))
        handle = NULL;
    pool_give(copy);
    return handle;
}

/* The last volume found, or NULL. */
static struct volume *last(void)
{
    return first == NULL ? NULL : VST_CONTAINER_OF(end, struct volume, next);
}

static bool is_at(const struct volume *volume, const EFI_DEVICE_PATH_PROTOCOL *path)
{
    const struct loader_disk *disk = volume->disk;
    const EFI_DEVICE_PATH_PROTOCOL *rest =
        disk->path != NULL ? device_path_after(path, disk->path) : NULL;

    if (rest == NULL || !volume->is_partition)
        return rest != NULL && device_path_is_end(rest);
    return device_path_is_partition(rest, volume->offset_bytes,
                                    disk->device->limits.logical_block_bytes);
}

static bool find_own(const EFI_DEVICE_PATH_PROTOCOL *path)
{
    for (struct volume *volume = first; path != NULL && volume != NULL; volume = volume->next)
        if (is_at(volume, path)) {
            volume->is_own = true;
            move_to_front(volume);
            return true;
        }
    EFI_HANDLE handle = path != NULL ? handle_of_path(path) : NULL;
    if (handle == NULL)
        return true;
    struct volume *before = last();
    if (!add_by_firmware(handle))
        return false;
    if (last() != before)
        move_to_front(last());
    return true;
}

/* ---------------------------------------------------------------- all of them */

bool volumes_find(const EFI_DEVICE_PATH_PROTOCOL *own)
{
    struct scan *scan = pool_take(sizeof(*scan));
    bool all = scan != NULL && disks_find();

    volumes_forget();
    for (struct loader_disk *disk = disks_first(); scan != NULL && disk != NULL; disk = disk->next)
        all &= add_disk(disk, scan);
    pool_give(scan);
    return find_own(own) && all;
}

void volumes_forget(void)
{
    while (first != NULL) {
        struct volume *volume = first;
        first = volume->next;
        give_volume(volume);
    }
    end = &first;
}
