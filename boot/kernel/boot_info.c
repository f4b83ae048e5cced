/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/entry.h>
#include <string.h>

#include "boot/kernel/boot_info.h"
#include "boot/loader/range_set.h"
#include "boot/loader/start.h"
#include "boot/loader/start_info.h"

#define BIOS_EBDA_SEGMENT     0x40eu
#define BIOS_VIDEO_MODE       0x449u /* then the columns, 16 bits */
#define BIOS_DISK_VECTOR      0x4cu  /* offset, segment */
#define BIOS_ROM_SEGMENT      0xc000u
#define VIDEO_MODE_TEXT       3u
#define TEXT_COLUMNS          80u
#define KIBIBYTE              1024u
#define MULTIBOOT2_MAX_BYTES  0x1000000u
#define MULTIBOOT1_MAX_MAP    0x100000u
#define PVH_MAX_TABLE_ENTRIES 4096u

/* ---------------------------------------------------------------- reading what others wrote */

/* Loader structures lie below 4 GiB, in any alignment, and are read byte-wise into our own
 * variables. */
static bool copy_in(void *to, uint64_t physical, size_t bytes)
{
    if (physical == 0 || physical >= ARCH_EARLY_MAP_BYTES ||
        bytes > ARCH_EARLY_MAP_BYTES - physical)
        return false;
    memcpy(to, (const void *)(uintptr_t)physical, bytes);
    return true;
}

static void set_loader_name(struct boot_info *info, uint64_t physical, size_t max_bytes)
{
    size_t room = sizeof(info->loader_name) - 1;

    if (physical == 0 || physical >= ARCH_EARLY_MAP_BYTES)
        return;
    if (room > ARCH_EARLY_MAP_BYTES - physical)
        room = (size_t)(ARCH_EARLY_MAP_BYTES - physical);
    strncpy(info->loader_name, (const char *)(uintptr_t)physical,
            max_bytes < room ? max_bytes : room);
}

static void set_command_line(struct boot_info *info, uint64_t physical, size_t max_bytes,
                             bool may_name_image)
{
    if (physical == 0 || physical >= ARCH_EARLY_MAP_BYTES)
        return;
    if (max_bytes > ARCH_EARLY_MAP_BYTES - physical)
        max_bytes = ARCH_EARLY_MAP_BYTES - physical;
    boot_command_line_set(info, (const char *)(uintptr_t)physical, max_bytes, may_name_image);
}

static void add_memory(struct boot_info *info, uint64_t first, uint64_t bytes, uint32_t type)
{
    if (bytes == 0)
        return;
    if (info->n_memory_ranges == BOOT_MAX_MEMORY_RANGES) {
        info->memory_map_cut = true;
        return;
    }
    info->memory_ranges[info->n_memory_ranges++] =
        (struct boot_range){first, bytes, type == LOADER_MEMORY_USABLE, type};
}

/* A module that can't be remembered is kept from us as a piece of reserved memory. */
static void add_module(struct boot_info *info, uint64_t first, uint64_t end)
{
    if (end <= first)
        return;
    if (info->n_modules < BOOT_MAX_MODULES)
        info->modules[info->n_modules++] =
            (struct boot_range){first, end - first, false, LOADER_MEMORY_RESERVED};
    else
        add_memory(info, first, end - first, LOADER_MEMORY_RESERVED);
}

/* ---------------------------------------------------------------- multiboot 1 */

static void read_multiboot1_map(struct boot_info *info, const struct multiboot1_info *loader)
{
    uint64_t at = loader->map;
    uint64_t end =
        at + (loader->map_bytes < MULTIBOOT1_MAX_MAP ? loader->map_bytes : MULTIBOOT1_MAX_MAP);
    struct multiboot1_map_entry entry;

    while (at + sizeof(entry) <= end && copy_in(&entry, at, sizeof(entry))) {
        add_memory(info, entry.first, entry.bytes, entry.type);
        at += sizeof(entry.entry_bytes) + (uint64_t)entry.entry_bytes;
    }
}

static void read_multiboot1_modules(struct boot_info *info, const struct multiboot1_info *loader)
{
    struct multiboot1_module module;

    for (uint32_t i = 0; i < loader->n_modules && i < BOOT_MAX_MEMORY_RANGES; i++)
        if (copy_in(&module, (uint64_t)loader->modules + i * sizeof(module), sizeof(module)))
            add_module(info, module.first, module.end);
}

static bool read_multiboot1(struct boot_info *info, uint32_t physical)
{
    struct multiboot1_info loader;

    info->protocol = "multiboot 1";
    if (!copy_in(&loader, physical, sizeof(loader)))
        return false;
    if (loader.flags & MULTIBOOT1_HAS_LOADER_NAME)
        set_loader_name(info, loader.loader_name, SIZE_MAX);
    if (loader.flags & MULTIBOOT1_HAS_COMMAND_LINE)
        set_command_line(info, loader.command_line, SIZE_MAX, true);
    if (loader.flags & MULTIBOOT1_HAS_MODULES)
        read_multiboot1_modules(info, &loader);
    if (loader.flags & MULTIBOOT1_HAS_MAP) {
        read_multiboot1_map(info, &loader);
    } else if (loader.flags & MULTIBOOT1_HAS_MEMORY) {
        add_memory(info, 0, (uint64_t)loader.lower_kib * KIBIBYTE, LOADER_MEMORY_USABLE);
        add_memory(info, KIBIBYTE * KIBIBYTE, (uint64_t)loader.upper_kib * KIBIBYTE,
                   LOADER_MEMORY_USABLE);
    }
    return true;
}

/* ---------------------------------------------------------------- multiboot 2 */

static void read_multiboot2_map(struct boot_info *info, uint64_t body, uint32_t body_bytes)
{
    uint32_t header[2]; /* bytes of an entry, version */
    struct multiboot2_map_entry entry;

    if (body_bytes < sizeof(header) || !copy_in(header, body, sizeof(header)) ||
        header[0] < sizeof(entry))
        return;
    for (uint64_t at = sizeof(header); at + sizeof(entry) <= body_bytes; at += header[0])
        if (copy_in(&entry, body + at, sizeof(entry)))
            add_memory(info, entry.first, entry.bytes, entry.type);
}

static void read_multiboot2_module(struct boot_info *info, uint64_t body, uint32_t body_bytes)
{
    uint32_t bounds[2];

    if (body_bytes >= sizeof(bounds) && copy_in(bounds, body, sizeof(bounds)))
        add_module(info, bounds[0], bounds[1]);
}

/* The tag holds a copy; the newer form wins whichever comes first. */
static void read_multiboot2_rsdp(struct boot_info *info, uint64_t body, uint32_t body_bytes)
{
    size_t bytes = body_bytes < sizeof(info->rsdp) ? body_bytes : sizeof(info->rsdp);

    if (bytes > info->rsdp_bytes && copy_in(info->rsdp, body, bytes))
        info->rsdp_bytes = bytes;
}

/* Texts are read last: what the command line means depends on the loader's name. */
struct multiboot2_texts {
    uint64_t loader_name, command_line;
    uint32_t loader_name_bytes, command_line_bytes;
};

static void read_multiboot2_tag(struct boot_info *info, struct multiboot2_texts *texts,
                                uint32_t type, uint64_t body, uint32_t body_bytes)
{
    switch (type) {
    case MULTIBOOT2_COMMAND_LINE:
        texts->command_line = body;
        texts->command_line_bytes = body_bytes;
        break;
    case MULTIBOOT2_LOADER_NAME:
        texts->loader_name = body;
        texts->loader_name_bytes = body_bytes;
        break;
    case MULTIBOOT2_MODULE:
        read_multiboot2_module(info, body, body_bytes);
        break;
    case MULTIBOOT2_MAP:
        read_multiboot2_map(info, body, body_bytes);
        break;
    case MULTIBOOT2_RSDP_1:
    case MULTIBOOT2_RSDP_2:
        read_multiboot2_rsdp(info, body, body_bytes);
        break;
    }
}

static bool read_multiboot2(struct boot_info *info, uint32_t physical)
{
    uint32_t header[2]; /* bytes in all, reserved */
    struct multiboot2_tag tag;
    struct multiboot2_texts texts = {0, 0, 0, 0};

    info->protocol = "multiboot 2";
    if (!copy_in(header, physical, sizeof(header)) || header[0] > MULTIBOOT2_MAX_BYTES)
        return false;
    for (uint64_t at = sizeof(header); at + sizeof(tag) <= header[0];) {
        if (!copy_in(&tag, physical + at, sizeof(tag)) || tag.type == MULTIBOOT2_END)
            break;
        if (tag.bytes < sizeof(tag) || tag.bytes > header[0] - at)
            break;
        read_multiboot2_tag(info, &texts, tag.type, physical + at + sizeof(tag),
                            tag.bytes - (uint32_t)sizeof(tag));
        at = round_up(at + tag.bytes, sizeof(uint64_t));
    }
    set_loader_name(info, texts.loader_name, texts.loader_name_bytes);
    set_command_line(info, texts.command_line, texts.command_line_bytes, false);
    return true;
}

/* ---------------------------------------------------------------- PVH */

static void read_pvh_map(struct boot_info *info, const struct pvh_start_info *start)
{
    struct pvh_map_entry entry;

    for (uint32_t i = 0; i < start->n_map_entries && i < PVH_MAX_TABLE_ENTRIES; i++)
        if (copy_in(&entry, vst_add_saturated_u64(start->map, i * sizeof(entry)), sizeof(entry)))
            add_memory(info, entry.first, entry.bytes, entry.type);
}

static void read_pvh_modules(struct boot_info *info, const struct pvh_start_info *start)
{
    struct pvh_module module;

    for (uint32_t i = 0; i < start->n_modules && i < BOOT_MAX_MEMORY_RANGES; i++)
        if (copy_in(&module, vst_add_saturated_u64(start->modules, i * sizeof(module)),
                    sizeof(module)))
            add_module(info, module.first, vst_add_saturated_u64(module.first, module.bytes));
}

static bool read_pvh(struct boot_info *info, uint32_t physical)
{
    struct pvh_start_info start;

    info->protocol = "PVH";
    if (!copy_in(&start, physical, sizeof(start)) || start.magic != ARCH_LOADER_PVH)
        return false;
    set_command_line(info, start.command_line, SIZE_MAX, false);
    info->rsdp_physical = start.rsdp;
    if (start.version >= 1)
        read_pvh_map(info, &start);
    read_pvh_modules(info, &start);
    return true;
}

/* ---------------------------------------------------------------- all */

static uint64_t extended_bios_data(void)
{
    uint16_t segment;

    return copy_in(&segment, BIOS_EBDA_SEGMENT, sizeof(segment)) ? (uint64_t)segment << 4 : 0;
}

/* Zero without a BIOS. */
static bool has_text_screen(void)
{
    uint8_t video[3];

    return copy_in(video, BIOS_VIDEO_MODE, sizeof(video)) && video[0] == VIDEO_MODE_TEXT &&
           video[1] == TEXT_COLUMNS && video[2] == 0;
}

/* Interrupt 13h leads into a ROM. */
static bool has_bios_disks(void)
{
    uint16_t vector[2];

    return copy_in(vector, BIOS_DISK_VECTOR, sizeof(vector)) && vector[1] >= BIOS_ROM_SEGMENT;
}

bool boot_info_read(struct boot_info *info, uint32_t loader, uint32_t physical)
{
    memset(info, 0, sizeof(*info));
    info->protocol = "an unknown protocol";
    info->extended_bios_data = extended_bios_data();
    info->text_screen = has_text_screen();
    info->bios_disks = has_bios_disks();
    switch (loader) {
    case ARCH_LOADER_MULTIBOOT1:
        return read_multiboot1(info, physical);
    case ARCH_LOADER_MULTIBOOT2:
        return read_multiboot2(info, physical);
    case ARCH_LOADER_PVH:
        return read_pvh(info, physical);
    }
    return false;
}
