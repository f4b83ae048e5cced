/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/port_io.h>
#include <arch/system.h>
#include <arch/traps.h>

#define STUB_BYTES           16u
#define INTERRUPT_STUB_BYTES 8u

#define VECTOR_NMI           2u
#define VECTOR_DOUBLE_FAULT  8u
#define VECTOR_MACHINE_CHECK 18u

/* Descriptors: the first three as start-up had them, so that CS and SS stay valid. */
#define GDT_CODE64           0x00af9b000000ffffull
#define GDT_DATA             0x00cf93000000ffffull
#define SELECTOR_CODE64      0x08
#define SELECTOR_TASK        0x18
#define DESCRIPTOR_TASK      (0x89ull << 40)
#define GATE_PRESENT_DISABLE 0x8e00u

#define PIC1_DATA 0x21
#define PIC2_DATA 0xa1

/* What comes while another exception is being handled needs another stack. */
enum { IST_EXCEPTION = 1, IST_DOUBLE_FAULT = 2, IST_NON_MASKABLE = 3, IST_INTERRUPT = 4 };
_Static_assert(IST_INTERRUPT == ARCH_N_TRAP_STACKS, "a stack for each of them");
_Static_assert(offsetof(struct arch_cpu, self) == 0, "arch_this_cpu reads it at %gs:0");

struct gate {
    uint16_t offset_low, selector, flags_and_ist, offset_middle;
    uint32_t offset_high, reserved;
};

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

extern const uint8_t arch_trap_stubs[], arch_interrupt_stubs[];
void arch_trap(const struct arch_trap_frame *frame);
void arch_interrupt(unsigned vector);

static struct gate idt[ARCH_N_VECTORS];
static arch_trap_handler *trap_handler;
static arch_interrupt_handler *interrupt_handler;

static void load_task_state(struct arch_cpu *cpu)
{
    struct arch_task_state *task = &cpu->task;
    uint64_t base = (uintptr_t)task;
    struct table_pointer pointer = {sizeof(cpu->gdt) - 1, (uintptr_t)cpu->gdt};

    for (unsigned i = 0; i < ARCH_N_TRAP_STACKS; i++) {
        uint64_t top = (uintptr_t)(cpu->trap_stacks[i] + ARCH_TRAP_STACK_BYTES);
        task->ist[i][0] = (uint32_t)top;
        task->ist[i][1] = (uint32_t)(top >> 32);
    }
    task->io_map_offset = sizeof(*task);
    cpu->gdt[0] = 0;
    cpu->gdt[1] = GDT_CODE64;
    cpu->gdt[2] = GDT_DATA;
    cpu->gdt[3] =
        (sizeof(*task) - 1) | (base & 0xffffff) << 16 | DESCRIPTOR_TASK | (base >> 24 & 0xff) << 56;
    cpu->gdt[4] = base >> 32;
    __asm__ __volatile__("lgdt %0" : : "m"(pointer) : "memory");
    __asm__ __volatile__("ltr %w0" : : "r"(SELECTOR_TASK) : "memory");
}

static uint16_t ist_of(unsigned vector)
{
    if (vector == VECTOR_DOUBLE_FAULT)
        return IST_DOUBLE_FAULT;
    if (vector == VECTOR_NMI || vector == VECTOR_MACHINE_CHECK)
        return IST_NON_MASKABLE;
    return IST_EXCEPTION;
}

static void set_gate(unsigned vector, const uint8_t *code, uint16_t ist)
{
    uint64_t address = (uintptr_t)code;

    idt[vector] = (struct gate){
        .offset_low = (uint16_t)address,
        .selector = SELECTOR_CODE64,
        .flags_and_ist = (uint16_t)(GATE_PRESENT_DISABLE | ist),
        .offset_middle = (uint16_t)(address >> 16),
        .offset_high = (uint32_t)(address >> 32),
    };
}

void arch_traps_start(arch_trap_handler *handler)
{
    trap_handler = handler;
    port_write8(PIC1_DATA, 0xff);
    port_write8(PIC2_DATA, 0xff);
    for (unsigned i = 0; i < ARCH_N_EXCEPTIONS; i++)
        set_gate(i, arch_trap_stubs + i * STUB_BYTES, ist_of(i));
    for (unsigned i = ARCH_N_EXCEPTIONS; i < ARCH_N_VECTORS; i++)
        set_gate(i, arch_interrupt_stubs + (i - ARCH_N_EXCEPTIONS) * INTERRUPT_STUB_BYTES,
                 IST_INTERRUPT);
}

void arch_traps_start_cpu(struct arch_cpu *cpu)
{
    struct table_pointer pointer = {sizeof(idt) - 1, (uintptr_t)idt};

    cpu->self = cpu;
    arch_msr_write(ARCH_MSR_GS_BASE, (uintptr_t)cpu);
    load_task_state(cpu);
    __asm__ __volatile__("lidt %0" : : "m"(pointer) : "memory");
    arch_cr4_write(arch_cr4_read() | ARCH_CR4_MACHINE_CHECK);
}

void arch_interrupts_handle(arch_interrupt_handler *handler)
{
    interrupt_handler = handler;
}

void arch_interrupt(unsigned vector)
{
    interrupt_handler(vector);
}

void arch_trap(const struct arch_trap_frame *frame)
{
    trap_handler(frame);
}

const char *arch_exception_name(uint64_t vector)
{
    static const char *const names[ARCH_N_EXCEPTIONS] = {
        [0] = "#DE division error",
        [1] = "#DB debug exception",
        [2] = "NMI non-maskable interrupt",
        [3] = "#BP breakpoint",
        [4] = "#OF overflow",
        [5] = "#BR bound range exceeded",
        [6] = "#UD invalid instruction",
        [7] = "#NM no floating-point unit",
        [8] = "#DF double fault",
        [10] = "#TS invalid task state",
        [11] = "#NP segment not present",
        [12] = "#SS stack segment fault",
        [13] = "#GP general protection fault",
        [14] = "#PF page fault",
        [16] = "#MF x87 floating-point error",
        [17] = "#AC alignment check",
        [18] = "#MC machine check",
        [19] = "#XM vector floating-point error",
        [20] = "#VE virtualisation exception",
        [21] = "#CP control protection exception",
        [28] = "#HV hypervisor injection",
        [29] = "#VC hypervisor communication",
        [30] = "#SX security exception",
    };
    return vector < ARCH_N_EXCEPTIONS && names[vector] ? names[vector] : "reserved exception";
}

void arch_triple_fault(void)
{
    struct table_pointer nothing = {0, 0};

    for (;;)
        __asm__ __volatile__("lidt %0; int3" : : "m"(nothing) : "memory");
}
