/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/device_path.h"

#include <string.h>

#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/utf16.h"

#define CD_BLOCK_BYTES 2048u

static const EFI_DEVICE_PATH_PROTOCOL path_end = {
    END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, {sizeof(path_end), 0}};

static UINTN node_bytes(const EFI_DEVICE_PATH_PROTOCOL *node)
{
    return (UINTN)node->Length[0] | (UINTN)node->Length[1] << 8;
}

static const EFI_DEVICE_PATH_PROTOCOL *at(const EFI_DEVICE_PATH_PROTOCOL *path, UINTN bytes)
{
    return (const EFI_DEVICE_PATH_PROTOCOL *)(const void *)((const char *)path + bytes);
}

bool device_path_is_end(const EFI_DEVICE_PATH_PROTOCOL *node)
{
    return node->Type == END_DEVICE_PATH_TYPE || node_bytes(node) < sizeof(*node);
}

UINTN device_path_bytes(const EFI_DEVICE_PATH_PROTOCOL *path)
{
    const EFI_DEVICE_PATH_PROTOCOL *node = path;

    while (!device_path_is_end(node))
        node = at(node, node_bytes(node));
    return (UINTN)((const char *)node - (const char *)path);
}

const EFI_DEVICE_PATH_PROTOCOL *device_path_after(const EFI_DEVICE_PATH_PROTOCOL *path,
                                                  const EFI_DEVICE_PATH_PROTOCOL *beginning)
{
    UINTN bytes = device_path_bytes(beginning);

    return device_path_bytes(path) >= bytes && memcmp(path, beginning, bytes) == 0 ? at(path, bytes)
                                                                                   : NULL;
}

/* ---------------------------------------------------------------- making */

static EFI_DEVICE_PATH_PROTOCOL *join(const EFI_DEVICE_PATH_PROTOCOL *first, const void *more,
                                      UINTN more_bytes)
{
    UINTN bytes = first != NULL ? device_path_bytes(first) : 0;
    char *path = pool_take(bytes + more_bytes + sizeof(path_end));

    if (path == NULL)
        return NULL;
    if (bytes > 0)
        memcpy(path, first, bytes);
    if (more_bytes > 0)
        memcpy(path + bytes, more, more_bytes);
    memcpy(path + bytes + more_bytes, &path_end, sizeof(path_end));
    return (EFI_DEVICE_PATH_PROTOCOL *)(void *)path;
}

EFI_DEVICE_PATH_PROTOCOL *device_path_copy(const EFI_DEVICE_PATH_PROTOCOL *path)
{
    return join(path, NULL, 0);
}

EFI_DEVICE_PATH_PROTOCOL *device_path_of_file(const EFI_DEVICE_PATH_PROTOCOL *device,
                                              const char *path)
{
    UINTN header = sizeof(EFI_DEVICE_PATH_PROTOCOL);
    UINTN units = utf16_units(path);

    if (units > (UINT16_MAX - header) / sizeof(CHAR16))
        return NULL;
    UINTN bytes = header + units * sizeof(CHAR16);
    char *node = pool_take(bytes);
    if (node == NULL)
        return NULL;
    memcpy(node,
           &(EFI_DEVICE_PATH_PROTOCOL){
               MEDIA_DEVICE_PATH, MEDIA_FILEPATH_DP, {(UINT8)bytes, (UINT8)(bytes >> 8)}},
           header);
    CHAR16 *name = (CHAR16 *)(void *)(node + header);
    utf16_of(path, name, units);
    for (UINTN i = 0; name[i] != 0; i++)
        if (name[i] == '/')
            name[i] = '\\';
    EFI_DEVICE_PATH_PROTOCOL *made = join(device, node, bytes);
    pool_give(node);
    return made;
}

/* ---------------------------------------------------------------- handles */

EFI_DEVICE_PATH_PROTOCOL *device_path_of(EFI_HANDLE handle)
{
    EFI_DEVICE_PATH_PROTOCOL *path;

    if (EFI_ERROR(firmware->HandleProtocol(handle, &guid_device_path, (VOID **)&path)))
        return NULL;
    return path;
}

/* Where the partition of a node begins; UINT64_MAX: it is the node of none. */
static UINT64 start_of(const EFI_DEVICE_PATH_PROTOCOL *node, UINT32 block_bytes)
{
    HARDDRIVE_DEVICE_PATH drive;
    CDROM_DEVICE_PATH image;

    if (node->Type != MEDIA_DEVICE_PATH)
        return UINT64_MAX;
    if (node->SubType == MEDIA_HARDDRIVE_DP && node_bytes(node) >= 42) {
        memcpy(&drive, node, 42);
        return drive.PartitionStart * block_bytes;
    }
    if (node->SubType == MEDIA_CDROM_DP && node_bytes(node) >= 24) {
        memcpy(&image, node, 24);
        return image.PartitionStart * CD_BLOCK_BYTES;
    }
    return UINT64_MAX;
}

bool device_path_is_partition(const EFI_DEVICE_PATH_PROTOCOL *rest, UINT64 offset_bytes,
                              UINT32 block_bytes)
{
    return !device_path_is_end(rest) && device_path_is_end(at(rest, node_bytes(rest))) &&
           offset_bytes != UINT64_MAX && start_of(rest, block_bytes) == offset_bytes;
}

EFI_HANDLE device_path_partition(const EFI_DEVICE_PATH_PROTOCOL *disk, UINT64 offset_bytes,
                                 UINT32 block_bytes)
{
    EFI_HANDLE *handles = NULL, found = NULL;
    UINTN n = 0;

    if (EFI_ERROR(firmware->LocateHandleBuffer(ByProtocol, &guid_block_io, NULL, &n, &handles)))
        return NULL;
    for (UINTN i = 0; i < n && found == NULL; i++) {
        const EFI_DEVICE_PATH_PROTOCOL *path = device_path_of(handles[i]);
        const EFI_DEVICE_PATH_PROTOCOL *rest = path != NULL ? device_path_after(path, disk) : NULL;
        if (rest != NULL && device_path_is_partition(rest, offset_bytes, block_bytes))
            found = handles[i];
    }
    (void)firmware->FreePool(handles);
    return found;
}
