/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/loader/pe.h"

#define PE_OFFSET_AT        0x3cu
#define COFF_BYTES          24u /* with the four of the signature */
#define OPTIONAL_LEAST      70u
#define ENTRY_AT            16u
#define SUBSYSTEM_AT        68u
#define MAGIC_PE32          0x10bu
#define MAGIC_PE32_PLUS     0x20bu
#define SUBSYSTEM_EFI_FIRST 10u
#define SUBSYSTEM_EFI_LAST  13u
#define SECTION_BYTES       40u
#define SECTION_NAME_BYTES  8u
#define MAX_SECTIONS        96u
#define PROFILE             ".profile"

enum vst_status loader_pe_read(const struct loader_bytes *file, struct loader_pe *pe)
{
    uint64_t at = loader_u32(file, PE_OFFSET_AT);

    memset(pe, 0, sizeof(*pe));
    if (loader_u16(file, 0) != 0x5a4d || !loader_holds(file, at, COFF_BYTES) ||
        memcmp(file->at + at, "PE\0\0", 4) != 0)
        return VST_ERR_NOT_FOUND;
    uint16_t optional_bytes = loader_u16(file, at + 20);
    uint16_t magic = loader_u16(file, at + COFF_BYTES);
    pe->machine = loader_u16(file, at + 4);
    pe->n_sections = loader_u16(file, at + 6);
    pe->subsystem = loader_u16(file, at + COFF_BYTES + SUBSYSTEM_AT);
    pe->sections = at + COFF_BYTES + optional_bytes;
    if (optional_bytes < OPTIONAL_LEAST || (magic != MAGIC_PE32 && magic != MAGIC_PE32_PLUS) ||
        pe->subsystem < SUBSYSTEM_EFI_FIRST || pe->subsystem > SUBSYSTEM_EFI_LAST)
        return VST_ERR_NOT_FOUND;
    if (pe->n_sections > MAX_SECTIONS ||
        !loader_holds(file, pe->sections, (uint64_t)pe->n_sections * SECTION_BYTES))
        return VST_ERR_MALFORMED;
    return VST_OK;
}

static bool has_name(const struct loader_bytes *file, uint64_t at, const char *name)
{
    char found[SECTION_NAME_BYTES + 1] = "";

    memcpy(found, file->at + at, SECTION_NAME_BYTES);
    return strcmp(found, name) == 0;
}

unsigned loader_pe_profiles(const struct loader_bytes *head, const struct loader_pe *pe)
{
    unsigned n = 0;

    for (unsigned i = 0; i < pe->n_sections; i++)
        n += has_name(head, pe->sections + i * SECTION_BYTES, PROFILE);
    return n > 0 ? n : 1;
}

/* The first one of the profile, else the first one before all profiles. */
bool loader_pe_place(const struct loader_bytes *head, const struct loader_pe *pe, unsigned profile,
                     const char *name, uint64_t *offset, uint64_t *bytes)
{
    unsigned n_begun = 0;
    uint64_t found = 0;

    for (unsigned i = 0; i < pe->n_sections; i++) {
        uint64_t at = pe->sections + i * SECTION_BYTES;
        n_begun += has_name(head, at, PROFILE);
        if (!has_name(head, at, name) || (n_begun == 0 && found != 0))
            continue;
        if (n_begun == 0 || n_begun == profile + 1)
            found = at;
        if (n_begun == profile + 1)
            break;
    }
    if (found == 0)
        return false;
    uint32_t in_memory = loader_u32(head, found + 8), in_file = loader_u32(head, found + 16);
    *bytes = in_memory != 0 && in_memory < in_file ? in_memory : in_file;
    *offset = loader_u32(head, found + 20);
    return true;
}

bool loader_pe_can_begin(const struct loader_bytes *file, const struct loader_pe *pe)
{
    uint32_t entry = loader_u32(file, loader_u32(file, PE_OFFSET_AT) + COFF_BYTES + ENTRY_AT);

    for (unsigned i = 0; i < pe->n_sections; i++) {
        uint64_t at = pe->sections + i * SECTION_BYTES;
        uint32_t first = loader_u32(file, at + 12), bytes = loader_u32(file, at + 16);
        if (entry >= first && entry - first < bytes)
            return loader_holds(file, loader_u32(file, at + 20), bytes);
    }
    return false;
}

bool loader_pe_section(const struct loader_bytes *file, const struct loader_pe *pe,
                       unsigned profile, const char *name, struct loader_bytes *section)
{
    uint64_t offset, bytes;

    if (!loader_pe_place(file, pe, profile, name, &offset, &bytes))
        return false;
    *section = loader_part_of(file, offset, bytes);
    return section->at != NULL;
}

bool loader_pe_is_unified(const struct loader_bytes *file, const struct loader_pe *pe)
{
    struct loader_bytes section;

    return loader_pe_section(file, pe, 0, ".linux", &section) &&
           loader_pe_section(file, pe, 0, ".osrel", &section);
}
