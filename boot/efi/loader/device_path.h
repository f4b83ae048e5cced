/* SPDX-License-Identifier: BSD-2-Clause */
/* Device paths: the names that firmware has for devices and files. (UEFI 2.9, 10) */
#ifndef VSTOR_EFI_LOADER_DEVICE_PATH_H
#define VSTOR_EFI_LOADER_DEVICE_PATH_H

#include "boot/efi/firmware.h"

/** Without its end. Nodes of no length end it. */
UINTN device_path_bytes(const EFI_DEVICE_PATH_PROTOCOL *path);

/** What follows in `path` after all nodes of `beginning`; NULL: it begins with something else. */
const EFI_DEVICE_PATH_PROTOCOL *device_path_after(const EFI_DEVICE_PATH_PROTOCOL *path,
                                                  const EFI_DEVICE_PATH_PROTOCOL *beginning);

bool device_path_is_end(const EFI_DEVICE_PATH_PROTOCOL *node);

/** A copy, for pool_give. NULL: no memory. */
EFI_DEVICE_PATH_PROTOCOL *device_path_copy(const EFI_DEVICE_PATH_PROTOCOL *path);

/**
 * The device's path with one more node, of a file ("/EFI/x.efi", UTF-8), for pool_give. `device` may
 * be NULL. NULL: no memory, or too long a name.
 */
EFI_DEVICE_PATH_PROTOCOL *device_path_of_file(const EFI_DEVICE_PATH_PROTOCOL *device,
                                              const char *path);

/** The path of a handle; NULL: it has none. */
EFI_DEVICE_PATH_PROTOCOL *device_path_of(EFI_HANDLE handle);

/** Whether a path's rest, behind its disk's, is that of the partition that begins there. */
bool device_path_is_partition(const EFI_DEVICE_PATH_PROTOCOL *rest, UINT64 offset_bytes,
                              UINT32 block_bytes);

/**
 * The handle of a partition, by where it begins on the disk of that path, which has blocks of
 * block_bytes. NULL: firmware knows none.
 */
EFI_HANDLE device_path_partition(const EFI_DEVICE_PATH_PROTOCOL *disk, UINT64 offset_bytes,
                                 UINT32 block_bytes);

#endif
