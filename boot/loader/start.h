/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a started kernel is told, and the structures by which each kind is told it.
 *
 * A builder writes into memory of the caller's that the kernel will find at a physical address, and
 * says what to enter it with. It returns VST_ERR_NO_MEMORY where the structures do not fit, and
 * VST_ERR_TOO_LARGE where something is longer than the kernel takes, VST_ERR_UNSUPPORTED where it
 * demands what is not told. No firmware, no allocation.
 */
#ifndef VSTOR_LOADER_START_H
#define VSTOR_LOADER_START_H

#include "boot/loader/image.h"
#include "boot/loader/screen.h"
#include "boot/loader/smbios.h"

/** Types of memory, alike in E820, multiboot and PVH. */
enum loader_memory_type {
    LOADER_MEMORY_USABLE = 1,
    LOADER_MEMORY_RESERVED = 2,
    LOADER_MEMORY_ACPI = 3, /**< tables; usable once they have been read */
    LOADER_MEMORY_NVS = 4,
    LOADER_MEMORY_BAD = 5,
};

struct loader_memory {
    uint64_t first, bytes;
    uint32_t type; /**< enum loader_memory_type, or another number, handed on as it is */
};

struct loader_module {
    uint64_t first, bytes;
    const char *text; /**< what the kernel reads beside it */
};

/** Of the EFI firmware. */
struct loader_efi {
    uint64_t system_table, image; /**< where its system table lies; our image's handle */
    bool services_left;           /**< its boot services have not ended: no memory map is told */
    const void *map;              /**< its memory map, as it is when they end */
    uint32_t map_bytes, descriptor_bytes, descriptor_version;
};

/** All of it the caller's. Numbers of bytes, physical addresses. */
struct loader_start {
    const char *loader_name;
    const char *command_line;
    const struct loader_memory *memory; /**< in order of address */
    size_t n_memory;
    const struct loader_module *modules; /**< Linux: at most one, its initrd */
    size_t n_modules;
    uint64_t root_pointer; /**< ACPI's RSDP, where it lies; 0 if that is not known */
    const void *root_copy; /**< its bytes; NULL if they are not known */
    size_t root_copy_bytes;
    struct loader_smbios smbios; /**< its tables can be read where they lie; all zero: not known */
    const struct loader_screen *screen; /**< NULL: none */
    const struct loader_efi *efi;       /**< NULL: there is no such firmware */
};

/** Memory for the structures, and what is used of it. */
struct loader_room {
    uint8_t *memory;
    uint64_t physical; /**< where the kernel finds it: a page boundary below 4 GiB */
    size_t bytes, used;
    bool full;
};

/** How the kernel is entered: EAX, EBX and (R)SI; all other registers are free to be 0. */
struct loader_registers {
    uint32_t eax, ebx, esi;
};

/** Room that is enough for any start: the texts and tables of `start`, and their structures. */
size_t loader_room_bytes(const struct loader_start *start);

/** Zeroed, aligned to 8; NULL, and `full`, if there is no room. */
void *loader_room_take(struct loader_room *room, size_t bytes);
/** The text, with its NUL; its physical address, 0 if there is no room. */
uint64_t loader_room_text(struct loader_room *room, const char *text);
/** The physical address of something taken. */
uint64_t loader_room_physical(const struct loader_room *room, const void *taken);

/** `file` is the kernel's, of which Linux gets its own header back. */
enum vst_status loader_start_write(const struct loader_image *image,
                                   const struct loader_bytes *file,
                                   const struct loader_start *start, struct loader_room *room,
                                   struct loader_registers *registers) VST_MUST_USE;

/* By kind; loader_start_write calls them. */
enum vst_status loader_linux_write(const struct loader_image *image,
                                   const struct loader_bytes *file,
                                   const struct loader_start *start, struct loader_room *room,
                                   struct loader_registers *registers);
enum vst_status loader_multiboot1_write(const struct loader_start *start, struct loader_room *room,
                                        struct loader_registers *registers);
enum vst_status loader_multiboot2_write(const struct loader_image *image,
                                        const struct loader_start *start, struct loader_room *room,
                                        struct loader_registers *registers);
enum vst_status loader_pvh_write(const struct loader_start *start, struct loader_room *room,
                                 struct loader_registers *registers);

/** KiB of RAM below 640 KiB and from 1 MiB on in one piece, as the multiboots want them. */
void loader_old_memory(const struct loader_start *start, uint32_t *lower_kib, uint32_t *upper_kib);

#endif
