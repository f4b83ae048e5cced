/* SPDX-License-Identifier: BSD-2-Clause */
/* What the readers of the kinds share; for boot/loader alone. */
#ifndef VSTOR_LOADER_IMAGE_KINDS_H
#define VSTOR_LOADER_IMAGE_KINDS_H

#include "boot/loader/image.h"

/** Where each kind's mark lies; LOADER_NO_MARK if there is none. */
#define LOADER_NO_MARK UINT64_MAX
uint64_t loader_multiboot1_mark(const struct loader_bytes *file);
uint64_t loader_multiboot2_mark(const struct loader_bytes *file);
bool loader_linux_is(const struct loader_bytes *file);
bool loader_elf_is(const struct loader_bytes *file);
/** The entry that the PVH note names. False if there is none. */
bool loader_pvh_entry(const struct loader_bytes *file, uint64_t *entry) VST_MUST_USE;

enum vst_status loader_linux_read(const struct loader_bytes *file, struct loader_image *image);
enum vst_status loader_multiboot1_read(const struct loader_bytes *file, struct loader_image *image);
enum vst_status loader_multiboot2_read(const struct loader_bytes *file, struct loader_image *image);
enum vst_status loader_pvh_read(const struct loader_bytes *file, struct loader_image *image);

/** The address fields of both multiboots. A kernel without them is an ELF file. */
struct loader_addresses {
    uint64_t mark; /**< where the header lies in the file */
    uint32_t header, load, load_end, bss_end;
};
enum vst_status loader_addresses_read(const struct loader_bytes *file,
                                      const struct loader_addresses *addresses,
                                      struct loader_image *image);

/** Parts and entry of an ELF file, by physical addresses. */
enum vst_status loader_elf_read(const struct loader_bytes *file, struct loader_image *image);

/** Adds a part, checked. One without memory is left out. */
enum vst_status loader_add_part(const struct loader_bytes *file, struct loader_image *image,
                                const struct loader_part *part);

/** VST_ERR_MALFORMED unless the entry is in a part, and that for boot services, if there is one. */
enum vst_status loader_check_entry(struct loader_image *image);

/** Says why and returns the status. */
static inline enum vst_status loader_refuse(struct loader_image *image, enum vst_status status,
                                            const char *why)
{
    image->why = why;
    return status;
}

#endif
