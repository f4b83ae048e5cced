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
#include "boot/efi/loader/watch.h"
#include "boot/efi/scsi.h"
#include "boot/shell/shell.h"

#define STDOUT_BYTES    1024u
#define NS_PER_S        1000000000ull
#define LONGEST_TURN_NS 1000000ull

/* ---------------------------------------------------------------- whose turn it is */

/*
 * Commands run within disks_enter, for they use queues wherever they like. Events of the firmware have
 * their turn while a command waits, and at least so often: whenever it asks for the time.
 */
static struct {
    EFI_TPL outside;
    uint64_t began_at, longest_ticks;
} turn;

static void begin_turn(void)
{
    turn.outside = disks_enter();
    turn.began_at = arch_counter();
}

static void end_turn(void)
{
    disks_leave(turn.outside);
}

static void let_others(void *ctx)
{
    (void)ctx;
    disks_let_others();
    turn.began_at = arch_counter();
}

static uint64_t read_ticks(void *ctx)
{
    uint64_t now = arch_counter();

    if (now - turn.began_at < turn.longest_ticks)
        return now;
    let_others(ctx);
    return turn.began_at;
}

/* ---------------------------------------------------------------- what commands ask for */

static uint64_t time_ns(void *ctx)
{
    (void)read_ticks(ctx);
    return clock_ns();
}

static void relax(void *ctx)
{
    arch_pause();
    let_others(ctx);
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
    if (timeout_ns == INPUT_FOREVER) { /* no command is under way: disks may come and go */
        end_turn();
        int byte = input_byte(timeout_ns);
        begin_turn();
        return byte;
    }
    bool was_there = disks_step_aside();
    int byte = input_byte(timeout_ns);
    disks_step_back(was_there);
    return byte;
}

static void reboot(void *ctx)
{
    (void)ctx;
    fflush(stdout);
    end_turn();
    loader_system->RuntimeServices->ResetSystem(EfiResetCold, EFI_SUCCESS, 0, NULL);
}

static bool read_wanted(void *ctx, size_t number, void *buffer)
{
    const struct loader_wanted *wanted = ctx;

    disks_step_back(true);
    bool read = wanted->read(wanted->ctx, number, buffer);
    (void)disks_step_aside();
    return read;
}

/* The firmware is asked for much that it does not do at TPL_NOTIFY. */
static enum vst_status boot_load(void *ctx, const struct loader_wanted *wanted,
                                 struct loader_answer *answer)
{
    struct loader_wanted from_aside = *wanted;

    (void)ctx;
    from_aside.ctx = (void *)(uintptr_t)wanted;
    from_aside.read = read_wanted;
    bool was_there = disks_step_aside();
    enum vst_status status = next_kernel_load(&from_aside, answer);
    disks_step_back(was_there);
    return status;
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
    end_turn();
    bool has_program = next_kernel_start();
    begin_turn();
    return has_program;
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
    watch_begin("virtio disks");
    driver_take_over_all(true);
    driver_find_units();
    watch_end();
}

static enum vst_status find_anew(struct shell_host *host, unsigned *n_added, unsigned *n_removed)
{
    size_t n_before = list_disks(NULL, 0), n_same = 0;
    const struct vst_block_device **before = calloc(n_before + 1, sizeof(*before));

    if (before == NULL)
        return VST_ERR_NO_MEMORY;
    list_disks(before, n_before);
    volumes_forget();
    connect_all();
    bool all = loader_find_volumes();
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

static enum vst_status rescan(void *ctx, unsigned *n_added, unsigned *n_removed)
{
    end_turn();
    enum vst_status status = find_anew(ctx, n_added, n_removed);
    begin_turn();
    return status;
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
        .others_turn = let_others,
        .rescan = rescan,
        .reboot = reboot,
        .boot_load = boot_load,
        .boot_forget = boot_forget,
        .boot_start = boot_start,
    };
    clock_start();
    host.ticks_per_second = clock_ticks(NS_PER_S);
    turn.longest_ticks = clock_ticks(LONGEST_TURN_NS);
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
    if (!loader_find_volumes())
        say("vstor: not enough memory for all disks and volumes\n");
}

static int run_shell(const char *commands)
{
    const struct shell_host *host = prepare(commands == NULL);
    struct stack_guard before = stack_guard_begin();

    begin_turn();
    int status = commands != NULL ? shell_run(host, commands) : shell_interactive(host);
    end_turn();
    stack_guard_end(before);
    return status;
}

int console_run(const char *commands)
{
    int status = run_shell(commands);

    if (next_kernel_has_program())
        run_program();
    return status == SHELL_NO_EXIT ? 0 : status;
}

int console_interact(void)
{
    puts("The commands of vstor: help lists them, exit leaves.");
    for (;;) {
        int status = run_shell(NULL);
        if (!next_kernel_has_program())
            return status;
        run_program();
    }
}
