/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EFI programs as files: PE32 and PE32+ (Microsoft PE and COFF specification), and what unified
 * kernel images (UAPI.5) carry in their sections. The firmware loads them; here they are looked at.
 */
#ifndef VSTOR_LOADER_PE_H
#define VSTOR_LOADER_PE_H

#include "boot/loader/bytes.h"

#define LOADER_PE_X86_64  0x8664u
#define LOADER_PE_AARCH64 0xaa64u
#define LOADER_PE_I386    0x014cu

#define LOADER_PE_APPLICATION 10u /**< a subsystem: no driver */

struct loader_pe {
    uint16_t machine;
    uint16_t subsystem; /**< 10 to 13: of EFI */
    uint16_t n_sections;
    uint64_t sections; /**< where their table lies; wholly inside the file */
};

/** VST_ERR_NOT_FOUND: not PE for EFI. VST_ERR_MALFORMED: its tables leave the file. */
enum vst_status loader_pe_read(const struct loader_bytes *file, struct loader_pe *pe) VST_MUST_USE;

/**
 * Where the first section of a name lies, for who has read no more than the head of the file: all of
 * it up to its table of sections. False if there is none. Whether the file is so long is to be seen.
 *
 * Of an image with several profiles it is that of the profile of this number, or else what all have in
 * common; number 0 is what starts when nobody asks for another. (UAPI.5, Multi-Profile UKIs)
 */
bool loader_pe_place(const struct loader_bytes *head, const struct loader_pe *pe, unsigned profile,
                     const char *name, uint64_t *offset, uint64_t *bytes);

/** How many profiles there are: those that begin with a section .profile, but one at least. */
unsigned loader_pe_profiles(const struct loader_bytes *head, const struct loader_pe *pe);

/** Whether the program begins in a section that is wholly in the file; firmware does not look. */
bool loader_pe_can_begin(const struct loader_bytes *file, const struct loader_pe *pe);

/**
 * The section of a name (".linux", ".initrd", ".cmdline", ".osrel", ".uname"), at most eight
 * characters, that loader_pe_place finds, without its padding. False if there is none, or if it leaves
 * the file.
 */
bool loader_pe_section(const struct loader_bytes *file, const struct loader_pe *pe,
                       unsigned profile, const char *name,
                       struct loader_bytes *section) VST_MUST_USE;

/** True if it is a unified kernel image: it has .linux and .osrel. (UAPI.5) */
bool loader_pe_is_unified(const struct loader_bytes *file, const struct loader_pe *pe);

#endif
