/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/kernel/next_kernel.h"

#include <arch/entry.h>
#include <arch/handover.h>
#include <arch/paging.h>
#include <string.h>

#include "boot/kernel/console.h"
#include "boot/kernel/cpus.h"
#include "boot/kernel/disks.h"
#include "boot/kernel/interrupts.h"
#include "boot/kernel/memory.h"
#include "boot/loader/next.h"

#define TEXT_SCREEN     0xb8000u
#define TEXT_COLUMNS    80u
#define TEXT_LINES      25u
#define TEXT_LINE_BYTES 160u
#define TEXT_BITS       16u
#define DISK_VECTOR     0x4cu  /* of interrupt 13h */
#define FREE_VECTORS    0x180u /* 60h to 62h, which no BIOS uses */

static struct loader_next next;
static struct loader_machine this_machine;
static struct loader_memory memory[BOOT_MAX_MEMORY_RANGES + 1];
static size_t n_memory;
static uint64_t area;
static bool bios_disks;

/* ---------------------------------------------------------------- memory */

static uint64_t take(void *ctx, uint64_t bytes, uint64_t end, const struct range_set *avoid)
{
    (void)ctx;
    return memory_take(bytes, ARCH_PAGE_BYTES, end, avoid);
}

static void give_back(void *ctx, uint64_t first, uint64_t bytes)
{
    (void)ctx;
    memory_free(first, bytes);
}

void next_kernel_forget(void)
{
    loader_next_forget(&next);
    memory_return_heap();
}

/* ---------------------------------------------------------------- what it is told */

static void copy_memory_map(const struct boot_info *boot)
{
    n_memory = 0;
    for (size_t i = 0; i < boot->n_memory_ranges; i++)
        loader_memory_add(memory, &n_memory, boot->memory_ranges[i].first,
                          boot->memory_ranges[i].bytes, boot->memory_ranges[i].type, false);
}

/* Of a root pointer that only a copy is known of, another has to lie somewhere, on a page of its own. */
static uint64_t place_root_pointer(const struct acpi_info *acpi)
{
    if (acpi->root_physical != 0 || acpi->root_bytes == 0)
        return acpi->root_physical;
    uint64_t page = loader_next_take(&next, ARCH_PAGE_BYTES, LOADER_4G);
    if (page == 0)
        return 0;
    memset((void *)(uintptr_t)page, 0, ARCH_PAGE_BYTES);
    memcpy((void *)(uintptr_t)page, acpi->root, acpi->root_bytes);
    loader_memory_add(memory, &n_memory, page, ARCH_PAGE_BYTES, LOADER_MEMORY_ACPI, false);
    return page;
}

static enum vst_status write_start(const struct boot_info *boot, const struct acpi_info *acpi)
{
    static const struct loader_screen screen = {.is_text = true,
                                                .first = TEXT_SCREEN,
                                                .width = TEXT_COLUMNS,
                                                .height = TEXT_LINES,
                                                .line_bytes = TEXT_LINE_BYTES,
                                                .bits = TEXT_BITS};

    copy_memory_map(boot);
    struct loader_start start = {
        .loader_name = "vstor",
        .root_pointer = place_root_pointer(acpi),
        .root_copy = acpi->root_bytes > 0 ? acpi->root : NULL,
        .root_copy_bytes = acpi->root_bytes,
        .screen = boot->text_screen ? &screen : NULL,
        .memory = memory,
    };
    start.n_memory = n_memory;
    enum vst_status status = loader_next_reserve(&next, &start);
    area = status == VST_OK ? loader_next_take(&next, ARCH_HANDOVER_BYTES, LOADER_4G) : 0;
    if (area == 0)
        return loader_next_refuse(&next, VST_ERR_NO_MEMORY, "not enough memory");
    return loader_next_write(&next, &start);
}

/* ---------------------------------------------------------------- all of it */

enum vst_status next_kernel_load(const struct boot_info *boot, const struct acpi_info *acpi,
                                 const struct loader_wanted *wanted, struct loader_answer *answer)
{
    this_machine = (struct loader_machine){
        .take = take, .give_back = give_back, .ram = memory_ram(), .memory_end = ARCH_ADDRESS_END};
    bios_disks = boot->bios_disks;
    memory_lend_heap();
    enum vst_status status = loader_next_load(&next, &this_machine, wanted, answer);
    if (status == VST_OK)
        status = write_start(boot, acpi);
    if (status != VST_OK)
        next_kernel_forget();
    return status;
}

/*
 * A BIOS has a driver for virtio disks, too, and waits for ever on one that was reset beneath it. Who
 * still asks it (Xen does, for what it calls EDD) hears that there is no such function.
 */
static uint32_t refuse_bios_disks(struct arch_handover_copy *copies)
{
    static const uint8_t refusal[] = {
        0x55, 0x89, 0xe5,       /* push %bp; mov %sp, %bp */
        0x80, 0x4e, 0x06, 0x01, /* orb $1, 6(%bp): the carry that the caller gets back */
        0x5d, 0xb4, 0x01, 0xcf, /* pop %bp; mov $1, %ah: invalid; iret */
    };
    static const uint16_t vector[] = {FREE_VECTORS, 0};

    if (!bios_disks)
        return 0;
    copies[0] = (struct arch_handover_copy){FREE_VECTORS, (uintptr_t)refusal, sizeof(refusal), 0};
    copies[1] = (struct arch_handover_copy){DISK_VECTOR, (uintptr_t)vector, sizeof(vector), 0};
    return 2;
}

void next_kernel_start(void)
{
    static struct arch_handover_copy copies[LOADER_MAX_PARTS + 2];
    struct arch_handover handover = {
        .copies = copies,
        .n_copies = refuse_bios_disks(copies), /* while our own place is still ours */
        .entry = (uint32_t)next.image.entry,
        .is_64_bit = next.image.entry_is_64_bit,
        .eax = next.registers.eax,
        .ebx = next.registers.ebx,
        .esi = next.registers.esi,
    };

    for (uint32_t i = 0; i < next.image.n_parts; i++) {
        struct loader_copy copy = loader_next_copy(&next, i);
        copies[handover.n_copies++] =
            (struct arch_handover_copy){copy.to, copy.from, copy.bytes, copy.zero_bytes};
    }
    console_drain();
    cpus_stop_others();
    interrupts_stop();
    disks_release();
    console_drain();
    arch_handover(area, &handover);
}
