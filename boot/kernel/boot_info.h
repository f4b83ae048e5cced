/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the boot loader told, whichever loader it was: copied out of its structures, which may be
 * overwritten afterwards.
 *
 * Multiboot 0.6.96 (3.3), Multiboot 2.0 (3.6) and the PVH start info of Xen. All of it is taken as
 * untrusted: lengths are bounded, tables that leave the first 4 GiB are cut, strings end where the
 * buffer does.
 *
 * Command line: GRUB quotes words that hold blanks and escapes quotes and backslashes; that is
 * undone. QEMU's multiboot loader puts the image's file name first and other multiboot 1 loaders
 * may; see boot_command_line.c.
 */
#ifndef VSTOR_KERNEL_BOOT_INFO_H
#define VSTOR_KERNEL_BOOT_INFO_H

#include <vstor/types.h>

#define BOOT_COMMAND_LINE_BYTES 4096u
#define BOOT_MAX_MEMORY_RANGES  192u
#define BOOT_MAX_MODULES        32u
#define BOOT_RSDP_BYTES         36u

struct boot_range {
    uint64_t first, bytes;
    bool usable;   /**< RAM that nobody uses; everything else is to be left alone */
    uint32_t type; /**< as the loader told it: 1 usable, 2 reserved, 3 ACPI, ... */
};

struct boot_info {
    const char *protocol; /**< "multiboot 1", ...; fixed text */
    char loader_name[32];
    char command_line[BOOT_COMMAND_LINE_BYTES];
    bool command_line_cut; /**< it was longer: do not run it */
    bool memory_map_cut;   /**< more ranges than fit; what is missing counts as not usable */
    size_t n_memory_ranges;
    struct boot_range memory_ranges[BOOT_MAX_MEMORY_RANGES];
    size_t n_modules;
    struct boot_range modules[BOOT_MAX_MODULES];
    uint64_t rsdp_physical; /**< where the ACPI root pointer lies, 0 if the loader did not say */
    uint8_t rsdp[BOOT_RSDP_BYTES]; /**< its copy, where the loader handed over a copy */
    size_t rsdp_bytes;             /**< 0 if there is none */
    bool text_screen;              /**< a BIOS has left the screen in text mode, 80 x 25 */
    bool bios_disks;               /**< a BIOS reads disks for who calls interrupt 13h */
    uint64_t extended_bios_data;   /**< from the BIOS data area; page 0 can't be read later. 0 if
                                      there is none */
};

/** Reads the structure of `loader` (ARCH_LOADER_...). False if the loader is none that we know or
 * its magic is wrong. */
bool boot_info_read(struct boot_info *info, uint32_t loader, uint32_t physical) VST_MUST_USE;

/** Copies a loader's command line, cuts the image's name off and undoes GRUB's quoting. Needs
 * loader_name. */
void boot_command_line_set(struct boot_info *info, const char *text, size_t max_bytes,
                           bool may_name_image);

#endif
