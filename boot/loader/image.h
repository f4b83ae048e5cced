/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels as files: what they are, where their parts go and where they are entered.
 *
 *     Linux         bzImage by the boot protocol, 2.10 on (Documentation/arch/x86/boot.rst)
 *     multiboot 1   0.6.96, by address fields or as ELF
 *     multiboot 2   2.0, the same
 *     PVH           ELF with a note that says where, as Xen defined it
 *     EFI           PE32+ programs: told apart here, and run by the firmware (pe.h)
 *
 * A file is wholly in memory and believed in nothing: where every part of an image lies inside it,
 * and the sums do not wrap, has been checked when loader_image_read says VST_OK. Whether there is
 * memory at its places is for the caller to find out. No firmware, no allocation, nothing blocks.
 */
#ifndef VSTOR_LOADER_IMAGE_H
#define VSTOR_LOADER_IMAGE_H

#include "boot/loader/bytes.h"

#define LOADER_MAX_PARTS 16u
#define LOADER_4G        0x100000000ull

enum loader_kind {
    LOADER_LINUX,
    LOADER_MULTIBOOT2,
    LOADER_MULTIBOOT1,
    LOADER_PVH,
    LOADER_EFI,
    LOADER_N_KINDS
};

/** What is copied, and zeroes behind it up to memory_bytes. */
struct loader_part {
    uint64_t to;    /**< physical, below 4 GiB with all of memory_bytes */
    uint64_t from;  /**< in the file */
    uint64_t bytes; /**< 0 where there are only zeroes */
    uint64_t memory_bytes;
};

/** Where else an image may lie; its parts keep their distances. */
struct loader_place {
    bool movable;
    uint64_t align_bytes; /**< power of two */
    uint64_t first, end;  /**< all of it lies between */
};

/** What Linux says of itself in its setup header. */
struct loader_linux {
    uint16_t protocol;         /**< 0x020f is 2.15 */
    uint64_t setup_bytes;      /**< of the file, before what is copied */
    uint64_t initrd_end;       /**< what is handed over as initrd ends at most here */
    uint32_t max_command_line; /**< without the NUL */
    char version[80];          /**< printable; "" if it tells none */
};

struct loader_image {
    enum loader_kind kind;
    uint32_t n_parts;
    struct loader_part parts[LOADER_MAX_PARTS];
    uint64_t entry; /**< physical, inside a part */
    bool
        entry_is_64_bit; /**< long mode, memory mapped one to one; else protected mode, no paging */
    bool page_modules;   /**< modules begin on page boundaries */
    uint64_t
        efi_entry; /**< physical, inside a part: where it is entered, in long mode as firmware has
                            it, if EFI's boot services are left to it; 0: it has no such entry */
    bool needs_services; /**< it can't be entered without them */
    bool needs_smbios;   /**< it demands to be told of SMBIOS's tables */
    struct loader_place place;
    struct loader_linux setup; /**< LOADER_LINUX */
    const char *why;           /**< fixed text: what is wrong, after anything but VST_OK */
};

/** "linux", "multiboot2", "multiboot1", "pvh", "efi". */
const char *loader_kind_name(enum loader_kind kind);

/** The kind of that name; "multiboot" is multiboot 1. False if there is none. */
bool loader_kind_of_name(const char *name, enum loader_kind *kind) VST_MUST_USE;

/** The kinds whose marks the file bears, a bit (1 << kind) for each: many a file can be several. */
unsigned loader_kinds(const struct loader_bytes *file);

/** The longest command line that a bzImage takes, without its NUL; 0: the file is none. */
uint32_t loader_linux_max_command_line(const struct loader_bytes *file);

/**
 * Reads the file as an image of a kind.
 *
 * VST_ERR_NOT_FOUND     it bears no mark of that kind
 * VST_ERR_MALFORMED     it does, and makes no sense
 * VST_ERR_UNSUPPORTED   it asks for what is not done here
 */
enum vst_status loader_image_read(const struct loader_bytes *file, enum loader_kind kind,
                                  struct loader_image *image) VST_MUST_USE;

/** First address and end of all parts, at least one. */
void loader_image_span(const struct loader_image *image, uint64_t *first, uint64_t *end);

/** Moves a movable image so that it begins at `first`, which is aligned and within its place. */
void loader_image_move(struct loader_image *image, uint64_t first);

#endif
