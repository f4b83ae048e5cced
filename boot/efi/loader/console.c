/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/console.h"

#include <arch/cpu.h>
#include <stdio.h>
#include <stdlib.h>

#include "boot/efi/clock.h"
#include "boot/efi/driver.h"
#include "boot/efi/loader/disks.h"
#include "boot/efi/loader/input.h"
#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/next_kernel.h"
#include "boot/efi/loader/pci.h"
#include "boot/efi/loader/say.h"
#include "boot/efi/loader/stack_guard.h"
#include "boot/efi/loader/volumes.h"
#include "boot/efi/scsi.h"
#include "boot/shell/shell.h"

#define STDOUT_BYTES 1024u
#define NS_PER_S     1000000000ull

/* ---------------------------------------------------------------- what commands ask for */

static uint64_t time_ns(void *ctx)
{
    (void)ctx;
    return clock_ns();
}

static void relax(void *ctx)
{
    (void)ctx;
    arch_pause();
}

static const struct vst_platform platform = {
    .pci_config_read = pci_config_read,
    .time_ns = time_ns,
    .relax = relax,
};

static int read_console(void *ctx, uint64_t timeout_ns)
{
    (void)ctx;
    fflush(stdout);
    return input_byte(timeout_ns);
}

static uint64_t read_ticks(void *ctx)
{
    (void)ctx;
    return arch_tsc();
}

static void reboot(void *ctx)
{
    (void)ctx;
    fflush(stdout);
    loader_system->RuntimeServices->ResetSystem(EfiResetCold, EFI_SUCCESS, 0, NULL);
}

static enum vst_status boot_load(void *ctx, const struct loader_wanted *wanted,
                                 struct loader_answer *answer)
{
    (void)ctx;
    return next_kernel_load(wanted, answer);
}

static void boot_forget(void *ctx)
{
    (void)ctx;
    next_kernel_forget();
}

static bool boot_start(void *ctx)
{
    (void)ctx;
    fflush(stdout);
    return next_kernel_start();
}

/* ---------------------------------------------------------------- disks that come and go */

/* Units that are no disks have names, too: sg0, sg1. */
static void name_units(void)
{
    unsigned number = 0;

    for (struct vst_scsi_unit *unit = scsi_units()->first; unit != NULL; unit = unit->next)
        if (unit->block == NULL)
            snprintf(unit->name, sizeof(unit->name), "sg%u", number++);
}

static bool is_among(const struct vst_block_device *device, const struct vst_block_device **devices,
                     size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (devices[i] == device)
            return true;
    return false;
}

static size_t list_disks(const struct vst_block_device **devices, size_t most)
{
    size_t n = 0;

    for (const struct vst_block_device *device = disks_registry()->first; device != NULL;
         device = device->next) {
        if (devices != NULL && n < most)
            devices[n] = device;
        n++;
    }
    return n;
}

/* By the driver, with what it finds there; devices that have left are the bus driver's to notice. */
static void connect_all(void)
{
    UINTN n;
    EFI_HANDLE *handles = driver_pci_handles(&n);

    driver_take_over_all(true);
    for (UINTN i = 0; handles != NULL && i < n; i++)
        if (driver_is_for(handles[i]))
            (void)firmware->ConnectController(handles[i], NULL, NULL, TRUE);
    if (handles != NULL)
        (void)firmware->FreePool(handles);
}

static enum vst_status rescan(void *ctx, unsigned *n_added, unsigned *n_removed)
{
    struct shell_host *host = ctx;
    size_t n_before = list_disks(NULL, 0), n_same = 0;
    const struct vst_block_device **before = calloc(n_before + 1, sizeof(*before));

    if (before == NULL)
        return VST_ERR_NO_MEMORY;
    list_disks(before, n_before);
    volumes_forget();
    connect_all();
    bool all = disks_find();
    name_units();
    host->functions = pci_find(&host->n_functions);
    for (struct vst_block_device *device = disks_registry()->first; device != NULL;
         device = device->next) {
        bool same = is_among(device, before, n_before);
        n_same += same;
        *n_added += !same;
    }
    *n_removed = (unsigned)(n_before - n_same);
    free(before);
    return all ? VST_OK : VST_ERR_NO_MEMORY;
}

/* ---------------------------------------------------------------- running */

static struct shell_host *prepare(bool interactive)
{
    static char buffer[STDOUT_BYTES];
    static struct shell_host host;

    host = (struct shell_host){
        .ctx = &host,
        .platform = &platform,
        .registry = disks_registry(),
        .units = scsi_units(),
        .console_read = read_console,
        .ticks = read_ticks,
        .interactive = interactive,
        .rescan = rescan,
        .reboot = reboot,
        .boot_load = boot_load,
        .boot_forget = boot_forget,
        .boot_start = boot_start,
    };
    clock_start();
    host.ticks_per_second = clock_ticks(NS_PER_S);
    setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
    name_units();
    host.functions = pci_find(&host.n_functions);
    return &host;
}

/* Of a command, which has ended and uses no disk any more. */
static void run_program(void)
{
    volumes_forget();
    disks_forget();
    next_kernel_run_program();
    connect_all();
    if (!disks_find())
        say("vstor: not enough memory for all disks\n");
}

int console_run(const char *commands)
{
    struct stack_guard before = stack_guard_begin();
    int status = shell_run(prepare(false), commands);

    stack_guard_end(before);
    if (next_kernel_has_program())
        run_program();
    return status == SHELL_NO_EXIT ? 0 : status;
}

int console_interact(void)
{
    puts("The commands of vstor: help lists them, exit leaves.");
    for (;;) {
        struct stack_guard before = stack_guard_begin();
        int status = shell_interactive(prepare(true));
        stack_guard_end(before);
        if (!next_kernel_has_program())
            return status;
        run_program();
    }
}
