/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/cpu.h>

#include "boot/kernel/address_space.h"
#include "boot/kernel/clock.h"
#include "boot/kernel/log.h"
#include "boot/kernel/memory.h"
#include "boot/kernel/pci_host.h"
#include "boot/kernel/platform.h"

static void *platform_mmio_map(void *ctx, uint64_t physical, uint64_t bytes)
{
    (void)ctx;
    return address_space_map_device(physical, bytes);
}

static void *platform_alloc(void *ctx, size_t bytes, size_t align_bytes, enum vst_memory_kind kind,
                            uint64_t *bus_addr)
{
    uint64_t physical = memory_alloc(bytes, align_bytes);

    (void)ctx;
    if (physical != 0 && kind == VST_MEMORY_SHARED)
        *bus_addr = physical;
    return (void *)(uintptr_t)physical;
}

static void platform_free(void *ctx, void *memory, size_t bytes, enum vst_memory_kind kind)
{
    (void)ctx;
    (void)kind;
    if (memory != NULL)
        memory_free((uintptr_t)memory, bytes);
}

static uint64_t platform_time_ns(void *ctx)
{
    (void)ctx;
    return clock_ns();
}

static void platform_relax(void *ctx)
{
    (void)ctx;
    arch_pause();
}

static void platform_log(void *ctx, enum vst_log_level level, const char *text)
{
    (void)ctx;
    log_line(level, text);
}

const struct vst_platform kernel_platform = {
    .pci_config_read = pci_host_config_read,
    .pci_config_write = pci_host_config_write,
    .mmio_map = platform_mmio_map,
    .alloc = platform_alloc,
    .free = platform_free,
    .time_ns = platform_time_ns,
    .relax = platform_relax,
    .log = platform_log,
};
