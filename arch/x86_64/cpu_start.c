/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/cpu_start.h>
#include <arch/paging.h>
#include <arch/system.h>

_Static_assert(sizeof(struct arch_start_place) == ARCH_START_PLACE_BYTES, "the assembler's view");
_Static_assert(offsetof(struct arch_start_place, argument) == ARCH_START_PLACE_ARGUMENT,
               "the assembler's view");

extern const uint8_t arch_trampoline[], arch_trampoline_end[];

/* Read by cpu_start_entry.S. */
extern uint32_t arch_start_root, arch_start_efer, arch_start_n_places, arch_start_n_taken;
extern const struct arch_start_place *arch_start_places;
extern arch_start_entry *arch_start_entry_point;

uint32_t arch_start_root, arch_start_efer, arch_start_n_places, arch_start_n_taken;
const struct arch_start_place *arch_start_places;
arch_start_entry *arch_start_entry_point;

bool arch_cpu_start_prepare(uint64_t page, const struct arch_start_place *places, uint32_t n_places,
                            arch_start_entry *entry)
{
    uint8_t *to = (uint8_t *)(uintptr_t)page;

    /* CR3 is loaded in 32-bit code. */
    if (arch_paging_root() > UINT32_MAX)
        return false;
    for (size_t i = 0; arch_trampoline + i < arch_trampoline_end; i++)
        to[i] = arch_trampoline[i];
    arch_start_root = (uint32_t)arch_paging_root();
    arch_start_efer =
        (uint32_t)arch_msr_read(ARCH_MSR_EFER) & (ARCH_EFER_LONG_MODE | ARCH_EFER_NO_EXECUTE);
    arch_start_places = places;
    arch_start_entry_point = entry;
    arch_start_n_taken = 0;
    __atomic_store_n(&arch_start_n_places, n_places, __ATOMIC_RELEASE);
    return true;
}
