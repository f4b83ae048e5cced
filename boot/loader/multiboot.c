/* SPDX-License-Identifier: BSD-2-Clause */
/* The headers of multiboot kernels: 0.6.96, 3.1, and 2.0, 3.1. */
#include "boot/loader/image_kinds.h"

/* ---------------------------------------------------------------- both */

#define LOAD_FROM_START UINT32_MAX

enum vst_status loader_addresses_read(const struct loader_bytes *file,
                                      const struct loader_addresses *addresses,
                                      struct loader_image *image)
{
    uint64_t distance = (uint64_t)addresses->header - addresses->load;
    struct loader_part part = {.to = addresses->load};

    if (addresses->load == LOAD_FROM_START) {
        if (addresses->header < addresses->mark)
            return loader_refuse(image, VST_ERR_MALFORMED, "its address fields make no sense");
        part.to = addresses->header - addresses->mark;
    } else {
        if (addresses->load > addresses->header || distance > addresses->mark)
            return loader_refuse(image, VST_ERR_MALFORMED, "its address fields make no sense");
        part.from = addresses->mark - distance;
    }
    part.bytes = file->bytes - part.from;
    if (addresses->load_end != 0) {
        if (addresses->load_end < part.to)
            return loader_refuse(image, VST_ERR_MALFORMED, "its address fields make no sense");
        part.bytes = addresses->load_end - part.to;
    }
    part.memory_bytes = part.bytes;
    if (addresses->bss_end != 0 && addresses->bss_end >= part.to &&
        addresses->bss_end - part.to > part.bytes)
        part.memory_bytes = addresses->bss_end - part.to;
    return loader_add_part(file, image, &part);
}

/* ---------------------------------------------------------------- multiboot 1 */

#define MAGIC_1         0x1badb002u
#define SEARCHED_1      8192u
#define HEADER_1_BYTES  12u
#define ADDRESSES_BYTES 20u /* behind it */

enum {
    HEADER_1_PAGE_MODULES = 1 << 0,
    HEADER_1_MEMORY = 1 << 1,
    HEADER_1_VIDEO = 1 << 2,
    HEADER_1_DEMANDS = 0xffff, /* who does not know one of these must not load the kernel */
    HEADER_1_ADDRESSES = 1 << 16,
};

uint64_t loader_multiboot1_mark(const struct loader_bytes *file)
{
    for (uint64_t at = 0; at < SEARCHED_1 && loader_holds(file, at, HEADER_1_BYTES); at += 4)
        if (loader_u32(file, at) == MAGIC_1 &&
            loader_u32(file, at) + loader_u32(file, at + 4) + loader_u32(file, at + 8) == 0)
            return at;
    return LOADER_NO_MARK;
}

enum vst_status loader_multiboot1_read(const struct loader_bytes *file, struct loader_image *image)
{
    uint64_t mark = loader_multiboot1_mark(file), at = mark + HEADER_1_BYTES;
    uint32_t flags = loader_u32(file, mark + 4);
    uint32_t known = HEADER_1_PAGE_MODULES | HEADER_1_MEMORY | HEADER_1_VIDEO;
    enum vst_status status;

    if (flags & HEADER_1_DEMANDS & ~known)
        return loader_refuse(image, VST_ERR_UNSUPPORTED,
                             "its multiboot header demands what is not known here");
    image->page_modules = flags & HEADER_1_PAGE_MODULES;
    if (!(flags & HEADER_1_ADDRESSES)) {
        status = loader_elf_read(file, image);
    } else if (!loader_holds(file, at, ADDRESSES_BYTES)) {
        return loader_refuse(image, VST_ERR_MALFORMED, "its multiboot header is cut");
    } else {
        struct loader_addresses addresses = {mark, loader_u32(file, at), loader_u32(file, at + 4),
                                             loader_u32(file, at + 8), loader_u32(file, at + 12)};
        image->entry = loader_u32(file, at + 16);
        status = loader_addresses_read(file, &addresses, image);
    }
    return status == VST_OK ? loader_check_entry(image) : status;
}

/* ---------------------------------------------------------------- multiboot 2 */

#define MAGIC_2           0xe85250d6u
#define SEARCHED_2        32768u
#define HEADER_2_BYTES    16u
#define TAG_BYTES         8u
#define TAG_OPTIONAL      1u
#define ARCHITECTURE_I386 0u

enum {
    TAG_END = 0,
    TAG_REQUESTS = 1,
    TAG_ADDRESSES = 2,
    TAG_ENTRY = 3,
    TAG_CONSOLE = 4,
    TAG_FRAMEBUFFER = 5,
    TAG_PAGE_MODULES = 6,
    TAG_BOOT_SERVICES = 7,
    TAG_ENTRY_EFI32 = 8,
    TAG_ENTRY_EFI64 = 9,
    TAG_RELOCATABLE = 10,
};

/* What the information structure can hold: a bit for each type of its tags. Nobody can tell here of
 * APM, VBE or the network; what exists on EFI only is no reason not to start elsewhere. */
#define REQUESTS_KNOWN                                                                             \
    (1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 6 | 1u << 8 | 1u << 12 | 1u << 13 | 1u << 14 |  \
     1u << 15 | 1u << 17 | 1u << 18 | 1u << 20 | 1u << 21)
#define REQUEST_SMBIOS 13u

struct header_2 {
    bool has_addresses, has_entry, has_services, needs_services;
    struct loader_addresses addresses;
    uint32_t entry, efi_entry;
    struct loader_place place;
};

uint64_t loader_multiboot2_mark(const struct loader_bytes *file)
{
    for (uint64_t at = 0; at < SEARCHED_2 && loader_holds(file, at, HEADER_2_BYTES); at += 8)
        if (loader_u32(file, at) == MAGIC_2 && loader_u32(file, at) + loader_u32(file, at + 4) +
                                                       loader_u32(file, at + 8) +
                                                       loader_u32(file, at + 12) ==
                                                   0)
            return at;
    return LOADER_NO_MARK;
}

static enum vst_status take_requests(const struct loader_bytes *body, struct loader_image *image)
{
    for (uint64_t at = 0; loader_holds(body, at, 4); at += 4) {
        uint32_t type = loader_u32(body, at);
        if (type >= 32 || !(REQUESTS_KNOWN & 1u << type))
            return loader_refuse(image, VST_ERR_UNSUPPORTED,
                                 "it demands information that is not to be had here");
        if (type == REQUEST_SMBIOS)
            image->needs_smbios = true;
    }
    return VST_OK;
}

static enum vst_status take_place(const struct loader_bytes *body, struct loader_image *image,
                                  struct header_2 *header)
{
    header->place = (struct loader_place){
        .movable = true,
        .first = loader_u32(body, 0),
        .end = (uint64_t)loader_u32(body, 4) + 1,
        .align_bytes = loader_u32(body, 8),
    };
    if (body->bytes < 16 || !vst_is_power_of_two(header->place.align_bytes) ||
        header->place.first >= header->place.end)
        return loader_refuse(image, VST_ERR_MALFORMED, "its relocation tag makes no sense");
    return VST_OK;
}

static enum vst_status take_tag(uint16_t type, bool optional, const struct loader_bytes *body,
                                struct loader_image *image, struct header_2 *header)
{
    switch (type) {
    case TAG_REQUESTS:
        return optional ? VST_OK : take_requests(body, image);
    case TAG_ADDRESSES:
        if (body->bytes < 16)
            return loader_refuse(image, VST_ERR_MALFORMED, "its multiboot 2 header is cut");
        header->has_addresses = true;
        header->addresses.header = loader_u32(body, 0);
        header->addresses.load = loader_u32(body, 4);
        header->addresses.load_end = loader_u32(body, 8);
        header->addresses.bss_end = loader_u32(body, 12);
        return VST_OK;
    case TAG_ENTRY:
        header->has_entry = true;
        header->entry = loader_u32(body, 0);
        return VST_OK;
    case TAG_PAGE_MODULES:
        image->page_modules = true;
        return VST_OK;
    case TAG_RELOCATABLE:
        return take_place(body, image, header);
    case TAG_BOOT_SERVICES:
        header->has_services = true;
        header->needs_services |= !optional;
        return VST_OK;
    case TAG_ENTRY_EFI64:
        header->efi_entry = loader_u32(body, 0);
        return VST_OK;
    case TAG_CONSOLE:
    case TAG_FRAMEBUFFER: /* wishes */
    case TAG_ENTRY_EFI32: /* for other firmware */
        return VST_OK;
    }
    return optional ? VST_OK
                    : loader_refuse(image, VST_ERR_UNSUPPORTED,
                                    "its multiboot 2 header demands what is not known here");
}

/* A header without an end tag ends where it says. */
static enum vst_status take_tags(const struct loader_bytes *tags, struct loader_image *image,
                                 struct header_2 *header)
{
    for (uint64_t at = 0; loader_holds(tags, at, TAG_BYTES);) {
        uint16_t type = loader_u16(tags, at), flags = loader_u16(tags, at + 2);
        uint32_t bytes = loader_u32(tags, at + 4);
        if (type == TAG_END)
            break;
        if (bytes < TAG_BYTES || !loader_holds(tags, at, bytes))
            return loader_refuse(image, VST_ERR_MALFORMED, "a tag of its header has no end");
        struct loader_bytes body = loader_part_of(tags, at + TAG_BYTES, bytes - TAG_BYTES);
        enum vst_status status = take_tag(type, flags & TAG_OPTIONAL, &body, image, header);
        if (status != VST_OK)
            return status;
        at += ((uint64_t)bytes + 7) & ~7ull;
    }
    return VST_OK;
}

static enum vst_status read_parts(const struct loader_bytes *file, struct loader_image *image,
                                  struct header_2 *header)
{
    enum vst_status status = header->has_addresses
                                 ? loader_addresses_read(file, &header->addresses, image)
                                 : loader_elf_read(file, image);

    if (status != VST_OK)
        return status;
    image->efi_entry = header->has_services ? header->efi_entry : 0;
    image->needs_services = header->needs_services;
    if (image->needs_services && image->efi_entry == 0)
        return loader_refuse(image, VST_ERR_UNSUPPORTED,
                             "it demands EFI boot services, and names no entry for them");
    if (header->has_entry) {
        image->entry = header->entry;
    } else if (header->has_addresses) {
        if (image->efi_entry == 0)
            return loader_refuse(image, VST_ERR_MALFORMED, "its header names no entry");
        image->entry = image->efi_entry;
        image->needs_services = true;
    }
    image->place = header->place;
    return loader_check_entry(image);
}

enum vst_status loader_multiboot2_read(const struct loader_bytes *file, struct loader_image *image)
{
    uint64_t mark = loader_multiboot2_mark(file);
    uint32_t bytes = loader_u32(file, mark + 8);
    struct header_2 header = {.addresses.mark = mark};

    if (loader_u32(file, mark + 4) != ARCHITECTURE_I386)
        return loader_refuse(image, VST_ERR_UNSUPPORTED, "it is for another architecture");
    if (bytes < HEADER_2_BYTES || !loader_holds(file, mark, bytes) || mark + bytes > SEARCHED_2)
        return loader_refuse(image, VST_ERR_MALFORMED, "its multiboot 2 header is cut");
    struct loader_bytes tags = loader_part_of(file, mark + HEADER_2_BYTES, bytes - HEADER_2_BYTES);
    enum vst_status status = take_tags(&tags, image, &header);
    return status == VST_OK ? read_parts(file, image, &header) : status;
}
