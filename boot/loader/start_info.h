/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a kernel is handed: the information structures of multiboot 1 (0.6.96, 3.3), multiboot 2 (2.0, 3.6) and PVH
 * (Xen's start_info). Our kernel reads them, our loaders write them. All fields are little-endian, all addresses
 * physical.
 */
#ifndef VSTOR_LOADER_START_INFO_H
#define VSTOR_LOADER_START_INFO_H

#include <stdint.h>

/* ---------------------------------------------------------------- multiboot 1 */

enum {
    MULTIBOOT1_HAS_MEMORY = 1 << 0,
    MULTIBOOT1_HAS_COMMAND_LINE = 1 << 2,
    MULTIBOOT1_HAS_MODULES = 1 << 3,
    MULTIBOOT1_HAS_MAP = 1 << 6,
    MULTIBOOT1_HAS_LOADER_NAME = 1 << 9,
    MULTIBOOT1_HAS_SCREEN = 1 << 12,
};

struct multiboot1_info {
    uint32_t flags, lower_kib, upper_kib, boot_device, command_line, n_modules, modules, symbols[4];
    uint32_t map_bytes, map, drives_bytes, drives, config_table, loader_name, apm_table;
    uint32_t vbe[4];
    uint64_t screen;
    uint32_t line_bytes, width, height;
    uint8_t bits, kind, red_shift, red_bits, green_shift, green_bits, blue_shift, blue_bits;
} __attribute__((packed));
_Static_assert(sizeof(struct multiboot1_info) == 116, "3.3");

struct multiboot1_module {
    uint32_t first, end, text, reserved;
};

struct multiboot1_map_entry {
    uint32_t entry_bytes; /* of what follows this field */
    uint64_t first, bytes;
    uint32_t type;
} __attribute__((packed));

/* ---------------------------------------------------------------- multiboot 2 */

enum {
    MULTIBOOT2_END = 0,
    MULTIBOOT2_COMMAND_LINE = 1,
    MULTIBOOT2_LOADER_NAME = 2,
    MULTIBOOT2_MODULE = 3,
    MULTIBOOT2_MEMORY = 4,
    MULTIBOOT2_MAP = 6,
    MULTIBOOT2_SCREEN = 8,
    MULTIBOOT2_EFI_TABLE = 12,
    MULTIBOOT2_SMBIOS = 13,
    MULTIBOOT2_RSDP_1 = 14,
    MULTIBOOT2_RSDP_2 = 15,
    MULTIBOOT2_EFI_MAP = 17,
    MULTIBOOT2_EFI_SERVICES = 18,
    MULTIBOOT2_EFI_IMAGE = 20,
    MULTIBOOT2_BASE = 21,
};

struct multiboot2_tag {
    uint32_t type, bytes;
};

struct multiboot2_map_entry {
    uint64_t first, bytes;
    uint32_t type, reserved;
};

struct multiboot2_screen {
    uint64_t first;
    uint32_t line_bytes, width, height;
    uint8_t bits, kind;
    uint16_t reserved;
    uint8_t red_shift, red_bits, green_shift, green_bits, blue_shift, blue_bits;
} __attribute__((packed));

/* ---------------------------------------------------------------- PVH */

#define PVH_MAGIC 0x336ec578u

struct pvh_start_info {
    uint32_t magic, version, flags, n_modules;
    uint64_t modules, command_line, rsdp;
    uint64_t map; /* version 1 on */
    uint32_t n_map_entries, reserved;
};

struct pvh_module {
    uint64_t first, bytes, command_line, reserved;
};

struct pvh_map_entry {
    uint64_t first, bytes;
    uint32_t type, reserved;
};

#endif
