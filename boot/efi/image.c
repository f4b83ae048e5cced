/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The image's first instructions. The linker has left a list of places that hold addresses (ELF, and
 * the processor's own ABI); they are moved to where firmware has put the image. Nothing may be used
 * before that is an address in data.
 */
#include <arch/elf.h>

#include "boot/efi/firmware.h"

/* ELF-64, "Dynamic section" and "Relocation". */
struct elf_dynamic {
    uint64_t tag, value;
};
#define DT_NULL   0
#define DT_RELA   7
#define DT_RELASZ 8
struct elf_rela {
    uint64_t offset, info, addend;
};

/* From the linker. */
extern char ImageBase[] __attribute__((visibility("hidden")));
extern const struct elf_dynamic _DYNAMIC[] __attribute__((visibility("hidden")));

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);
EFI_STATUS EFIAPI _start(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

/*
 * A base relocation that does nothing: an image without any could not be moved. (PE/COFF 5.6)
 */
__attribute__((section(".reloc"), used)) static const UINT32 no_relocation[3] = {
    0, sizeof(no_relocation), 0};

static bool relocate(void)
{
    const char *table = NULL;
    size_t bytes = 0;

    for (const struct elf_dynamic *entry = _DYNAMIC; entry->tag != DT_NULL; entry++) {
        if (entry->tag == DT_RELA)
            table = ImageBase + entry->value;
        if (entry->tag == DT_RELASZ)
            bytes = entry->value;
    }
    for (size_t at = 0; at < bytes; at += sizeof(struct elf_rela)) {
        const struct elf_rela *place = (const struct elf_rela *)(const void *)(table + at);
        if ((uint32_t)place->info != ARCH_ELF_RELATIVE)
            return false;
        *(uint64_t *)(void *)(ImageBase + place->offset) = (uintptr_t)ImageBase + place->addend;
    }
    return true;
}

EFI_STATUS EFIAPI _start(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
    return relocate() ? efi_main(image, system_table) : EFI_LOAD_ERROR;
}
