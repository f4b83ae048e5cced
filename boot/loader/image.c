/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/loader/image_kinds.h"
#include "boot/loader/pe.h"

static const char *const kind_names[LOADER_N_KINDS] = {
    [LOADER_LINUX] = "linux",
    [LOADER_MULTIBOOT2] = "multiboot2",
    [LOADER_MULTIBOOT1] = "multiboot1",
    [LOADER_PVH] = "pvh",
    [LOADER_EFI] = "efi",
};

const char *loader_kind_name(enum loader_kind kind)
{
    return kind < LOADER_N_KINDS ? kind_names[kind] : "unknown";
}

bool loader_kind_of_name(const char *name, enum loader_kind *kind)
{
    if (strcmp(name, "multiboot") == 0)
        name = kind_names[LOADER_MULTIBOOT1];
    for (unsigned i = 0; i < LOADER_N_KINDS; i++)
        if (strcmp(name, kind_names[i]) == 0) {
            *kind = (enum loader_kind)i;
            return true;
        }
    return false;
}

unsigned loader_kinds(const struct loader_bytes *file)
{
    struct loader_pe pe;
    uint64_t entry;
    unsigned kinds = 0;

    if (loader_linux_is(file))
        kinds |= 1u << LOADER_LINUX;
    if (loader_multiboot2_mark(file) != LOADER_NO_MARK)
        kinds |= 1u << LOADER_MULTIBOOT2;
    if (loader_multiboot1_mark(file) != LOADER_NO_MARK)
        kinds |= 1u << LOADER_MULTIBOOT1;
    if (loader_pvh_entry(file, &entry))
        kinds |= 1u << LOADER_PVH;
    if (loader_pe_read(file, &pe) == VST_OK)
        kinds |= 1u << LOADER_EFI;
    return kinds;
}

enum vst_status loader_image_read(const struct loader_bytes *file, enum loader_kind kind,
                                  struct loader_image *image)
{
    memset(image, 0, sizeof(*image));
    image->kind = kind;
    if (!(loader_kinds(file) & 1u << kind))
        return loader_refuse(image, VST_ERR_NOT_FOUND, "it is no kernel of that kind");
    switch (kind) {
    case LOADER_LINUX:
        return loader_linux_read(file, image);
    case LOADER_MULTIBOOT2:
        return loader_multiboot2_read(file, image);
    case LOADER_MULTIBOOT1:
        return loader_multiboot1_read(file, image);
    case LOADER_PVH:
        return loader_pvh_read(file, image);
    default:
        return loader_refuse(image, VST_ERR_UNSUPPORTED, "it is a program for EFI firmware");
    }
}

enum vst_status loader_add_part(const struct loader_bytes *file, struct loader_image *image,
                                const struct loader_part *part)
{
    if (part->memory_bytes == 0 && part->bytes == 0)
        return VST_OK;
    if (part->bytes > part->memory_bytes)
        return loader_refuse(image, VST_ERR_MALFORMED,
                             "a part is larger in the file than in memory");
    if (!loader_holds(file, part->from, part->bytes))
        return loader_refuse(image, VST_ERR_MALFORMED, "the file ends before its last part does");
    if (part->to >= LOADER_4G || part->memory_bytes > LOADER_4G - part->to)
        return loader_refuse(image, VST_ERR_UNSUPPORTED, "a part would lie above 4 GiB");
    if (image->n_parts == LOADER_MAX_PARTS)
        return loader_refuse(image, VST_ERR_UNSUPPORTED, "it has more than 16 parts");
    image->parts[image->n_parts++] = *part;
    return VST_OK;
}

static bool is_inside(const struct loader_image *image, uint64_t entry)
{
    for (uint32_t i = 0; i < image->n_parts; i++)
        if (entry >= image->parts[i].to &&
            entry - image->parts[i].to < image->parts[i].memory_bytes)
            return true;
    return false;
}

enum vst_status loader_check_entry(struct loader_image *image)
{
    if (is_inside(image, image->entry) &&
        (image->efi_entry == 0 || is_inside(image, image->efi_entry)))
        return VST_OK;
    return loader_refuse(image, VST_ERR_MALFORMED, "the entry is outside of what is loaded");
}

void loader_image_span(const struct loader_image *image, uint64_t *first, uint64_t *end)
{
    *first = UINT64_MAX;
    *end = 0;
    for (uint32_t i = 0; i < image->n_parts; i++) {
        const struct loader_part *part = &image->parts[i];
        if (part->to < *first)
            *first = part->to;
        if (part->to + part->memory_bytes > *end)
            *end = part->to + part->memory_bytes;
    }
}

void loader_image_move(struct loader_image *image, uint64_t to)
{
    uint64_t first, end;

    loader_image_span(image, &first, &end);
    for (uint32_t i = 0; i < image->n_parts; i++)
        image->parts[i].to = image->parts[i].to - first + to;
    image->entry = image->entry - first + to;
    if (image->efi_entry != 0)
        image->efi_entry = image->efi_entry - first + to;
}
