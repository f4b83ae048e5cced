/* SPDX-License-Identifier: BSD-2-Clause */
/* EFI's memory map (UEFI 2.9, 7.2) as kernels know memory that were not made for EFI. */
#ifndef VSTOR_LOADER_EFI_MAP_H
#define VSTOR_LOADER_EFI_MAP_H

#include "boot/loader/bytes.h"
#include "boot/loader/range_set.h"
#include "boot/loader/start.h"

/** As the firmware has written it. */
struct loader_efi_map {
    struct loader_bytes bytes;
    uint32_t descriptor_bytes;
};

/**
 * The map as it is once boot services have ended: what they and their applications had is usable.
 * Pieces of a type that touch are joined. False if `room` pieces are not enough, or if descriptors are
 * too short for what they hold.
 */
bool loader_efi_memory(const struct loader_efi_map *map, struct loader_memory *memory, size_t room,
                       size_t *n) VST_MUST_USE;

/**
 * Adds memory to a set: what nobody uses now, or (`after_exit`) what is usable once boot services have
 * ended. False like loader_efi_memory.
 */
bool loader_efi_ranges(const struct loader_efi_map *map, bool after_exit,
                       struct range_set *set) VST_MUST_USE;

#endif
