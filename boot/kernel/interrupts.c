/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/cpu.h>
#include <arch/local_apic.h>
#include <arch/pic.h>
#include <arch/system.h>

#include "boot/kernel/address_space.h"
#include "boot/kernel/clock.h"
#include "boot/kernel/cpu.h"
#include "boot/kernel/interrupts.h"
#include "boot/kernel/log.h"

/* Message address and data: physical destination, fixed, edge. (Intel SDM 3A, 10.11) */
#define MESSAGE_ADDRESS  0xfee00000u
#define MESSAGE_ID_SHIFT 12

#define FREE_TIMEOUT_NS 1000000000ull

static bool has_apic, has_pic;
static struct interrupt_line lines[ARCH_PIC_N_LINES];

static void dispatch_line(uint8_t line)
{
    if (arch_pic_is_spurious(line)) {
        cpu_here()->vectors.n_strays++;
        return;
    }
    if (!interrupt_line_dispatch(&lines[line]))
        arch_pic_mask(line);
    arch_pic_end_of_interrupt(line);
}

static void dispatch(unsigned vector)
{
    struct vector_table *table = &cpu_here()->vectors;

    if (vector == ARCH_APIC_SPURIOUS_VECTOR) {
        table->n_strays++;
        return;
    }
    if (has_pic && vector < VECTOR_PIC_FIRST + ARCH_PIC_N_LINES) {
        dispatch_line((uint8_t)(vector - VECTOR_PIC_FIRST));
        return;
    }
    vector_table_dispatch(table, vector);
    arch_apic_end_of_interrupt();
}

static bool needs_long_ids(const struct acpi_info *acpi)
{
    for (unsigned i = 0; i < acpi->cpus.n_cpus; i++)
        if (acpi->cpus.apic_ids[i] > ARCH_APIC_LAST_SHORT_ID)
            return true;
    return false;
}

void interrupts_start(const struct acpi_info *acpi)
{
    arch_interrupts_handle(dispatch);
    has_pic = acpi->cpus.has_pic && arch_pic_start(VECTOR_PIC_FIRST);
    has_apic = arch_apic_start(address_space_map_device, needs_long_ids(acpi));
    if (has_apic)
        cpu_here()->apic_id = arch_apic_id();
    log_printf(VST_LOG_INFO, "interrupts: %s, %s",
               !has_apic           ? "no local APIC"
               : arch_apic_is_x2() ? "x2APIC"
                                   : "xAPIC",
               has_pic ? "8259" : "no 8259");
    arch_interrupts_enable();
}

void interrupts_start_cpu(void)
{
    arch_apic_start_cpu();
    cpu_here()->apic_id = arch_apic_id();
}

void interrupts_stop(void)
{
    arch_interrupts_disable();
    if (has_apic)
        arch_apic_stop_ticking();
    if (has_pic)
        arch_pic_stop();
}

bool interrupts_have_apic(void)
{
    return has_apic;
}

enum vst_status interrupts_allocate(unsigned cpu, interrupt_handler *handler, void *ctx,
                                    struct interrupt *interrupt)
{
    struct cpu *target = cpu_numbered(cpu);

    if (target == NULL)
        return VST_ERR_NOT_FOUND;
    if (!has_apic || target->apic_id > ARCH_APIC_LAST_SHORT_ID)
        return VST_ERR_UNSUPPORTED;
    unsigned vector = vector_table_add(&target->vectors, handler, ctx);
    if (vector == 0)
        return VST_ERR_FULL;
    *interrupt = (struct interrupt){
        .cpu = cpu,
        .vector = vector,
        .message_address = MESSAGE_ADDRESS | target->apic_id << MESSAGE_ID_SHIFT,
        .message_data = vector,
    };
    return VST_OK;
}

bool interrupts_free(const struct interrupt *interrupt)
{
    struct cpu *target = cpu_numbered(interrupt->cpu);
    uint64_t start_ns = clock_ns();

    if (target == NULL)
        return true;
    vector_table_remove(&target->vectors, interrupt->vector);
    while (vector_table_is_dispatching(&target->vectors)) {
        if (clock_ns() - start_ns >= FREE_TIMEOUT_NS)
            return false;
        arch_pause();
    }
    return true;
}

void interrupts_send(const struct interrupt *interrupt)
{
    struct cpu *target = cpu_numbered(interrupt->cpu);

    if (target == NULL || !has_apic)
        return;
    bool enabled = arch_interrupts_save();
    arch_apic_send(target->apic_id, (uint8_t)interrupt->vector);
    arch_interrupts_restore(enabled);
}

void interrupts_wake(unsigned cpu)
{
    interrupts_send(&(struct interrupt){.cpu = cpu, .vector = VECTOR_WAKE});
}

enum vst_status interrupts_allocate_intx(uint8_t line, interrupt_line_handler *handler, void *ctx)
{
    if (!has_pic || line >= ARCH_PIC_N_LINES)
        return VST_ERR_UNSUPPORTED;
    bool enabled = arch_interrupts_save();
    enum vst_status status = VST_OK;
    if (!interrupt_line_add(&lines[line], handler, ctx)) {
        status = VST_ERR_FULL;
    } else if (!arch_pic_unmask(line)) {
        interrupt_line_remove(&lines[line], handler, ctx);
        status = VST_ERR_UNSUPPORTED;
    }
    arch_interrupts_restore(enabled);
    return status;
}

void interrupts_free_intx(uint8_t line, interrupt_line_handler *handler, void *ctx)
{
    if (!has_pic || line >= ARCH_PIC_N_LINES)
        return;
    bool enabled = arch_interrupts_save();
    interrupt_line_remove(&lines[line], handler, ctx);
    if (lines[line].n_handlers == 0)
        arch_pic_mask(line);
    arch_interrupts_restore(enabled);
}

uint64_t interrupts_count(unsigned cpu, unsigned vector)
{
    struct cpu *target = cpu_numbered(cpu);

    return target != NULL ? vector_table_count(&target->vectors, vector) : 0;
}

uint64_t interrupts_count_intx(uint8_t line)
{
    return line < ARCH_PIC_N_LINES ? lines[line].n_interrupts : 0;
}

uint64_t interrupts_count_strays(unsigned cpu)
{
    struct cpu *target = cpu_numbered(cpu);

    return target != NULL ? __atomic_load_n(&target->vectors.n_strays, __ATOMIC_RELAXED) : 0;
}

void interrupts_idle_unless(bool (*ready)(void *ctx), void *ctx)
{
    arch_interrupts_disable();
    if (ready(ctx))
        arch_interrupts_enable();
    else
        arch_interrupts_enable_and_halt();
}

void interrupts_doze_unless(bool (*ready)(void *ctx), void *ctx)
{
    struct cpu *here = cpu_here();

    if (!has_apic) {
        arch_pause();
        return;
    }
    if (!here->ticks) {
        bool enabled = arch_interrupts_save();
        arch_apic_start_ticking(VECTOR_WAKE);
        arch_interrupts_restore(enabled);
        here->ticks = true;
    }
    interrupts_idle_unless(ready, ctx);
}
