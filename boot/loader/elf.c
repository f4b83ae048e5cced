/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF files of 32 and 64 bits, for x86, little-endian: segments that are loaded, and PVH's note. */
#include "boot/loader/image_kinds.h"

#define CLASS_AT        4u
#define ORDER_AT        5u
#define CLASS_32        1u
#define CLASS_64        2u
#define ORDER_LITTLE    1u
#define TYPE_AT         16u
#define TYPE_EXECUTABLE 2u
#define TYPE_SHARED     3u
#define MACHINE_AT      18u
#define MACHINE_386     3u
#define MACHINE_X86_64  62u
#define HEADER_32_BYTES 52u
#define HEADER_64_BYTES 64u

#define SEGMENT_LOAD     1u
#define SEGMENT_NOTE     4u
#define SEGMENT_32_BYTES 32u
#define SEGMENT_64_BYTES 56u
#define MAX_SEGMENTS     128u

#define NOTE_PHYS32_ENTRY 18u
#define NOTE_HEAD_BYTES   12u
#define MAX_NOTES         256u

struct elf {
    bool is_64;
    uint64_t entry, segments;
    uint16_t segment_bytes, n_segments;
};

struct segment {
    uint32_t type;
    uint64_t offset, virtual, physical, bytes, memory_bytes;
};

bool loader_elf_is(const struct loader_bytes *file)
{
    return loader_holds(file, 0, HEADER_32_BYTES) && memcmp(file->at, "\177ELF", 4) == 0;
}

static bool read_header(const struct loader_bytes *file, struct elf *elf)
{
    uint8_t class = loader_u8(file, CLASS_AT);
    uint16_t type = loader_u16(file, TYPE_AT), machine = loader_u16(file, MACHINE_AT);

    elf->is_64 = class == CLASS_64;
    if (!loader_elf_is(file) || (class != CLASS_32 && class != CLASS_64) ||
        loader_u8(file, ORDER_AT) != ORDER_LITTLE ||
        (type != TYPE_EXECUTABLE && type != TYPE_SHARED) ||
        (machine != MACHINE_386 && machine != MACHINE_X86_64) ||
        !loader_holds(file, 0, elf->is_64 ? HEADER_64_BYTES : HEADER_32_BYTES))
        return false;
    elf->entry = elf->is_64 ? loader_u64(file, 24) : loader_u32(file, 24);
    elf->segments = elf->is_64 ? loader_u64(file, 32) : loader_u32(file, 28);
    elf->segment_bytes = loader_u16(file, elf->is_64 ? 54 : 42);
    elf->n_segments = loader_u16(file, elf->is_64 ? 56 : 44);
    return elf->n_segments <= MAX_SEGMENTS &&
           elf->segment_bytes >= (elf->is_64 ? SEGMENT_64_BYTES : SEGMENT_32_BYTES) &&
           loader_holds(file, elf->segments, (uint64_t)elf->n_segments * elf->segment_bytes);
}

static struct segment read_segment(const struct loader_bytes *file, const struct elf *elf,
                                   unsigned number)
{
    uint64_t at = elf->segments + (uint64_t)number * elf->segment_bytes;

    if (elf->is_64)
        return (struct segment){
            .type = loader_u32(file, at),
            .offset = loader_u64(file, at + 8),
            .virtual = loader_u64(file, at + 16),
            .physical = loader_u64(file, at + 24),
            .bytes = loader_u64(file, at + 32),
            .memory_bytes = loader_u64(file, at + 40),
        };
    return (struct segment){
        .type = loader_u32(file, at),
        .offset = loader_u32(file, at + 4),
        .virtual = loader_u32(file, at + 8),
        .physical = loader_u32(file, at + 12),
        .bytes = loader_u32(file, at + 16),
        .memory_bytes = loader_u32(file, at + 20),
    };
}

enum vst_status loader_elf_read(const struct loader_bytes *file, struct loader_image *image)
{
    struct elf elf;

    if (!read_header(file, &elf))
        return loader_refuse(image, VST_ERR_MALFORMED, "its ELF header makes no sense");
    image->entry = elf.entry;
    for (unsigned i = 0; i < elf.n_segments; i++) {
        struct segment segment = read_segment(file, &elf, i);
        if (segment.type != SEGMENT_LOAD)
            continue;
        enum vst_status status =
            loader_add_part(file, image,
                            &(struct loader_part){segment.physical, segment.offset, segment.bytes,
                                                  segment.memory_bytes});
        if (status != VST_OK)
            return status;
        /* The entry is a virtual address, and is wanted as a physical one. */
        if (elf.entry >= segment.virtual && elf.entry - segment.virtual < segment.memory_bytes)
            image->entry = segment.physical + (elf.entry - segment.virtual);
    }
    if (image->n_parts == 0)
        return loader_refuse(image, VST_ERR_MALFORMED, "its ELF header names nothing to load");
    return VST_OK;
}

/* ---------------------------------------------------------------- PVH */

static uint64_t padded(uint32_t bytes)
{
    return ((uint64_t)bytes + 3) & ~3ull;
}

/* One segment's notes: name, value, each on a boundary of four bytes. */
static bool find_entry(const struct loader_bytes *notes, uint64_t *entry)
{
    uint64_t at = 0;

    for (unsigned i = 0; i < MAX_NOTES && loader_holds(notes, at, NOTE_HEAD_BYTES); i++) {
        uint32_t name_bytes = loader_u32(notes, at), bytes = loader_u32(notes, at + 4);
        uint64_t name = at + NOTE_HEAD_BYTES, value = name + padded(name_bytes);
        if (!loader_holds(notes, name, name_bytes) || !loader_holds(notes, value, bytes))
            return false;
        if (loader_u32(notes, at + 8) == NOTE_PHYS32_ENTRY && name_bytes == 4 &&
            memcmp(notes->at + name, "Xen", 4) == 0 && (bytes == 4 || bytes == 8)) {
            *entry = loader_number(notes, value, bytes);
            return true;
        }
        at = value + padded(bytes);
    }
    return false;
}

bool loader_pvh_entry(const struct loader_bytes *file, uint64_t *entry)
{
    struct elf elf;

    if (!read_header(file, &elf))
        return false;
    for (unsigned i = 0; i < elf.n_segments; i++) {
        struct segment segment = read_segment(file, &elf, i);
        struct loader_bytes notes = loader_part_of(file, segment.offset, segment.bytes);
        if (segment.type == SEGMENT_NOTE && find_entry(&notes, entry))
            return true;
    }
    return false;
}

enum vst_status loader_pvh_read(const struct loader_bytes *file, struct loader_image *image)
{
    enum vst_status status = loader_elf_read(file, image);

    if (status != VST_OK)
        return status;
    if (!loader_pvh_entry(file, &image->entry))
        return loader_refuse(image, VST_ERR_NOT_FOUND, "it has no PVH note");
    image->page_modules = true;
    return loader_check_entry(image);
}
