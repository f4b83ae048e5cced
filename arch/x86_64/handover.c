/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/handover.h>

#define PAGE_BYTES       4096u
#define TABLE_ENTRIES    512u
#define N_DIRECTORIES    4u
#define LARGE_PAGE_BYTES 0x200000ull
#define PTE_TABLE        0x003u /* present, writable */
#define PTE_LARGE        0x083u
#define CODE_32          0x00cf9b000000ffffull
#define CODE_64          0x00af9b000000ffffull
#define DATA             0x00cf93000000ffffull
#define N_DESCRIPTORS    4u

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

/* What handover_entry.S reads. */
struct block {
    uint64_t n_copies, entry;
    uint32_t eax, ebx, esi, is_64_bit;
    struct table_pointer gdt_pointer;
    uint8_t padding[6];
    struct table_pointer idt_pointer;
    uint8_t padding_2[6];
    uint64_t gdt[N_DESCRIPTORS];
    struct arch_handover_copy copies[ARCH_HANDOVER_MAX_COPIES];
};
_Static_assert(offsetof(struct block, n_copies) == ARCH_HANDOVER_N_COPIES &&
                   offsetof(struct block, entry) == ARCH_HANDOVER_ENTRY &&
                   offsetof(struct block, eax) == ARCH_HANDOVER_EAX &&
                   offsetof(struct block, ebx) == ARCH_HANDOVER_EBX &&
                   offsetof(struct block, esi) == ARCH_HANDOVER_ESI &&
                   offsetof(struct block, is_64_bit) == ARCH_HANDOVER_IS_64_BIT &&
                   offsetof(struct block, gdt_pointer) == ARCH_HANDOVER_GDT_POINTER &&
                   offsetof(struct block, idt_pointer) == ARCH_HANDOVER_IDT_POINTER &&
                   offsetof(struct block, copies) == ARCH_HANDOVER_COPIES &&
                   sizeof(struct arch_handover_copy) == ARCH_HANDOVER_COPY_BYTES &&
                   sizeof(struct block) <= ARCH_HANDOVER_TABLES - ARCH_HANDOVER_BLOCK,
               "the assembler's view");

extern const uint8_t arch_handover_code[], arch_handover_code_end[];
_Noreturn void arch_handover_jump(uint64_t area);

static void write_tables(uint64_t tables)
{
    uint64_t *root = (uint64_t *)(uintptr_t)tables, *pointers = root + TABLE_ENTRIES;
    uint64_t *directories = pointers + TABLE_ENTRIES;

    for (unsigned i = 0; i < TABLE_ENTRIES; i++)
        root[i] = pointers[i] = 0;
    root[0] = (uintptr_t)pointers | PTE_TABLE;
    for (unsigned i = 0; i < N_DIRECTORIES; i++)
        pointers[i] = (uintptr_t)(directories + i * TABLE_ENTRIES) | PTE_TABLE;
    for (uint64_t i = 0; i < (uint64_t)N_DIRECTORIES * TABLE_ENTRIES; i++)
        directories[i] = i * LARGE_PAGE_BYTES | PTE_LARGE;
}

static void write_block(struct block *block, const struct arch_handover *handover)
{
    block->n_copies = handover->n_copies;
    block->entry = handover->entry;
    block->eax = handover->eax;
    block->ebx = handover->ebx;
    block->esi = handover->esi;
    block->is_64_bit = handover->is_64_bit;
    block->gdt_pointer = (struct table_pointer){sizeof(block->gdt) - 1, (uintptr_t)block->gdt};
    block->idt_pointer = (struct table_pointer){0, 0};
    block->gdt[0] = 0;
    block->gdt[1] = CODE_32; /* the way there */
    block->gdt[2] = handover->is_64_bit ? CODE_64 : CODE_32;
    block->gdt[3] = DATA;
    for (uint32_t i = 0; i < handover->n_copies; i++)
        block->copies[i] = handover->copies[i];
}

_Noreturn void arch_handover(uint64_t area, const struct arch_handover *handover)
{
    uint8_t *code = (uint8_t *)(uintptr_t)area;

    for (size_t i = 0; arch_handover_code + i < arch_handover_code_end; i++)
        code[i] = arch_handover_code[i];
    write_block((struct block *)(uintptr_t)(area + ARCH_HANDOVER_BLOCK), handover);
    write_tables(area + ARCH_HANDOVER_TABLES);
    arch_handover_jump(area);
}
