/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/barrier.h>
#include <arch/cpu.h>
#include <arch/local_apic.h>
#include <arch/mmio.h>
#include <arch/system.h>

#define CPUID_FEATURES      1u
#define CPUID_EDX_APIC      (1u << 9)
#define CPUID_ECX_X2APIC    (1u << 21)
#define BASE_X2_MODE        (1u << 10)
#define BASE_ENABLED        (1u << 11)
#define BASE_ADDRESS        0x000ffffffffff000ull
#define REGISTER_PAGE_BYTES 4096u

/* Offsets of memory-mapped registers; the MSR of a register is 0x800 + offset / 16. (table 10-6) */
#define X2_FIRST_MSR    0x800u
#define REG_ID          0x020u
#define REG_PRIORITY    0x080u
#define REG_EOI         0x0b0u
#define REG_SPURIOUS    0x0f0u
#define REG_IN_SERVICE  0x100u /* eight registers */
#define REG_COMMAND     0x300u
#define REG_DESTINATION 0x310u /* upper half of the command register; one with it in x2APIC mode */
#define REG_TIMER       0x320u
#define REG_LINT0       0x350u
#define REG_LINT1       0x360u
#define REG_ERROR       0x370u
#define REG_TICKS       0x380u /* the timer's initial count */
#define REG_DIVIDE      0x3e0u
#define REGISTER_BYTES  16u

#define SPURIOUS_ENABLE   0x100u
#define LOCAL_MASKED      0x10000u
#define LOCAL_NMI         0x400u
#define LOCAL_PERIODIC    0x20000u
#define DIVIDE_BY_16      0x3u
#define TICKS_OF_PERIOD   6000000u
#define LOCAL_EXTERNAL    0x700u /* vectors come from the 8259 */
#define COMMAND_INIT      0x500u
#define COMMAND_STARTUP   0x600u
#define COMMAND_ASSERT    0x4000u
#define COMMAND_PENDING   0x1000u
#define N_IN_SERVICE_REGS 8u
#define N_VECTORS         256u
#define MAX_SEND_POLLS    100000u

static uint8_t *registers; /* NULL in x2APIC mode */

static uint32_t read_reg(uint32_t offset)
{
    if (registers == NULL)
        return (uint32_t)arch_msr_read(X2_FIRST_MSR + offset / REGISTER_BYTES);
    return mmio_le32_read((const mmio_le32 *)(registers + offset));
}

static void write_reg(uint32_t offset, uint32_t value)
{
    if (registers == NULL)
        arch_msr_write(X2_FIRST_MSR + offset / REGISTER_BYTES, value);
    else
        mmio_le32_write((mmio_le32 *)(registers + offset), value);
}

/* What firmware left in service would hold back everything of lower priority for ever. */
static void end_leftovers(void)
{
    for (unsigned i = 0; i < N_VECTORS; i++) {
        uint32_t in_service = 0;
        for (uint32_t r = 0; r < N_IN_SERVICE_REGS; r++)
            in_service |= read_reg(REG_IN_SERVICE + r * REGISTER_BYTES);
        if (in_service == 0)
            return;
        arch_apic_end_of_interrupt();
    }
}

/* The 8259 and NMI lines lead to the boot CPU only. */
static void set_up(bool boot_cpu)
{
    write_reg(REG_SPURIOUS, SPURIOUS_ENABLE | ARCH_APIC_SPURIOUS_VECTOR);
    write_reg(REG_PRIORITY, 0);
    write_reg(REG_TIMER, LOCAL_MASKED);
    write_reg(REG_ERROR, LOCAL_MASKED);
    write_reg(REG_LINT0, boot_cpu ? LOCAL_EXTERNAL : LOCAL_MASKED);
    write_reg(REG_LINT1, boot_cpu ? LOCAL_NMI : LOCAL_MASKED);
    end_leftovers();
}

/* From disabled to x2APIC the way leads through xAPIC. (10.12.5) */
static void write_base(uint64_t base, bool x2)
{
    if (!(base & BASE_ENABLED))
        arch_msr_write(ARCH_MSR_APIC_BASE, base | BASE_ENABLED);
    if (x2 && !(base & BASE_X2_MODE))
        arch_msr_write(ARCH_MSR_APIC_BASE, base | BASE_ENABLED | BASE_X2_MODE);
}

bool arch_apic_start(void *(*map)(uint64_t physical, uint64_t bytes), bool long_ids)
{
    struct arch_cpuid features = arch_cpuid(CPUID_FEATURES);

    if (!(features.edx & CPUID_EDX_APIC))
        return false;
    uint64_t base = arch_msr_read(ARCH_MSR_APIC_BASE);
    bool x2 = (base & BASE_X2_MODE) || (long_ids && (features.ecx & CPUID_ECX_X2APIC));
    registers = x2 ? NULL : map(base & BASE_ADDRESS, REGISTER_PAGE_BYTES);
    if (!x2 && registers == NULL)
        return false;
    write_base(base, x2);
    set_up(true);
    return true;
}

void arch_apic_start_cpu(void)
{
    write_base(arch_msr_read(ARCH_MSR_APIC_BASE), registers == NULL);
    set_up(false);
}

bool arch_apic_is_x2(void)
{
    return registers == NULL;
}

uint32_t arch_apic_id(void)
{
    return registers == NULL ? read_reg(REG_ID) : read_reg(REG_ID) >> 24;
}

void arch_apic_end_of_interrupt(void)
{
    write_reg(REG_EOI, 0);
}

/* x2APIC's write of a MSR orders nothing, so what the receiver shall find in memory must have left
 * this CPU before. (10.12.3) */
static void send(uint32_t id, uint32_t command)
{
    if (registers == NULL) {
        __asm__ __volatile__("mfence; lfence" : : : "memory");
        arch_msr_write(X2_FIRST_MSR + REG_COMMAND / REGISTER_BYTES, (uint64_t)id << 32 | command);
        return;
    }
    arch_full_barrier();
    write_reg(REG_DESTINATION, id << 24);
    write_reg(REG_COMMAND, command);
    for (unsigned i = 0; i < MAX_SEND_POLLS && (read_reg(REG_COMMAND) & COMMAND_PENDING); i++)
        arch_pause();
}

void arch_apic_send(uint32_t id, uint8_t vector)
{
    send(id, COMMAND_ASSERT | vector);
}

void arch_apic_start_ticking(uint8_t vector)
{
    write_reg(REG_DIVIDE, DIVIDE_BY_16);
    write_reg(REG_TIMER, LOCAL_PERIODIC | vector);
    write_reg(REG_TICKS, TICKS_OF_PERIOD);
}

void arch_apic_stop_ticking(void)
{
    write_reg(REG_TIMER, LOCAL_MASKED);
    write_reg(REG_TICKS, 0);
}

void arch_apic_send_init(uint32_t id)
{
    send(id, COMMAND_ASSERT | COMMAND_INIT);
}

void arch_apic_send_startup(uint32_t id, uint64_t page)
{
    send(id, COMMAND_ASSERT | COMMAND_STARTUP | (uint32_t)(page / REGISTER_PAGE_BYTES));
}
