/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/handover.h>
#include <arch/system.h>

#define PAGE_BYTES       4096u
#define TABLE_ENTRIES    512u
#define N_DIRECTORIES    4u
#define LARGE_PAGE_BYTES 0x200000ull
#define POINTER_SHIFT    30
#define ROOT_SHIFT       39
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
_Noreturn void arch_handover_jump(uint64_t area, uint64_t root);

/* The pages of the tables, from ARCH_HANDOVER_TABLES on. */
enum { PAGE_TOP, PAGE_ROOT, PAGE_POINTERS, PAGE_FAR_POINTERS, PAGE_FAR, PAGE_NEAR, N_TABLES = 9 };
_Static_assert(PAGE_NEAR + N_DIRECTORIES == N_TABLES &&
                   ARCH_HANDOVER_TABLES + (N_TABLES + 1) * PAGE_BYTES == ARCH_HANDOVER_STACK_TOP,
               "a page is left for the stack");

static uint64_t *page_of(uint64_t area, unsigned number)
{
    return (uint64_t *)(uintptr_t)(area + ARCH_HANDOVER_TABLES + (uint64_t)number * PAGE_BYTES);
}

static void write_directory(uint64_t *directory, uint64_t first)
{
    for (uint64_t i = 0; i < TABLE_ENTRIES; i++)
        directory[i] = (first + i * LARGE_PAGE_BYTES) | PTE_LARGE;
}

/* Where firmware has put us is where the code runs that changes the tables. */
static void map_code(uint64_t area, uint64_t code)
{
    uint64_t *root = page_of(area, PAGE_ROOT), *pointers = page_of(area, PAGE_POINTERS);
    unsigned root_index = code >> ROOT_SHIFT & (TABLE_ENTRIES - 1);

    if (root_index != 0) {
        pointers = page_of(area, PAGE_FAR_POINTERS);
        root[root_index] = (uintptr_t)pointers | PTE_TABLE;
    }
    uint64_t *directory = page_of(area, PAGE_FAR);
    pointers[code >> POINTER_SHIFT & (TABLE_ENTRIES - 1)] = (uintptr_t)directory | PTE_TABLE;
    write_directory(directory, code >> POINTER_SHIFT << POINTER_SHIFT);
}

uint64_t arch_handover_tables(uint64_t area, uint64_t code, bool is_57_bit)
{
    uint64_t *top = page_of(area, PAGE_TOP), *root = page_of(area, PAGE_ROOT);
    uint64_t *pointers = page_of(area, PAGE_POINTERS);

    for (unsigned i = 0; i < PAGE_NEAR * TABLE_ENTRIES; i++)
        top[i] = 0;
    top[0] = (uintptr_t)root | PTE_TABLE;
    root[0] = (uintptr_t)pointers | PTE_TABLE;
    for (unsigned i = 0; i < N_DIRECTORIES; i++) {
        uint64_t *directory = page_of(area, PAGE_NEAR + i);
        pointers[i] = (uintptr_t)directory | PTE_TABLE;
        write_directory(directory, (uint64_t)i << POINTER_SHIFT);
    }
    if (code >> POINTER_SHIFT >= N_DIRECTORIES)
        map_code(area, code);
    return (uintptr_t)(is_57_bit ? top : root);
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
    arch_handover_jump(area, arch_handover_tables(area, (uintptr_t)arch_handover_jump,
                                                  arch_cr4_read() & ARCH_CR4_57_BIT));
}
