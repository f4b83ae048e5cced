/* SPDX-License-Identifier: BSD-2-Clause */
/* The composition root of the shell: has the machine brought up, and hands over to it. */
#include <arch/cpu.h>
#include <arch/entry.h>
#include <stdio.h>
#include <stdlib.h>

#include "boot/kernel/adapters.h"
#include "boot/kernel/clock.h"
#include "boot/kernel/console.h"
#include "boot/kernel/cpus.h"
#include "boot/kernel/disks.h"
#include "boot/kernel/interrupts.h"
#include "boot/kernel/machine.h"
#include "boot/kernel/memory.h"
#include "boot/kernel/next_kernel.h"
#include "boot/kernel/platform.h"
#include "boot/kernel/power.h"
#include "boot/shell/shell.h"

#define STDOUT_BYTES 4096u
#define JOIN_NS      1000000000ull

static const struct machine *machine;
static struct shell_host host;

static void look_after(void)
{
    disks_look_after();
    host.functions = disks_functions(&host.n_functions);
}

/* The shell asks for bytes all the time at its prompt, and ten times a second in long commands: so
 * this is the place to do what has to be done now and then. */
static int read_console(void *ctx, uint64_t timeout_ns)
{
    uint64_t start_ns = clock_ns();
    int byte;

    (void)ctx;
    fflush(stdout);
    look_after();
    while ((byte = console_read_byte()) < 0 && timeout_ns > 0) {
        look_after();
        if (timeout_ns != UINT64_MAX && clock_ns() - start_ns >= timeout_ns)
            break;
        arch_pause();
    }
    return byte;
}

static uint64_t read_ticks(void *ctx)
{
    (void)ctx;
    return arch_counter();
}

static enum vst_status rescan(void *ctx, unsigned *n_added, unsigned *n_removed)
{
    (void)ctx;
    enum vst_status status = disks_rescan(n_added, n_removed);
    host.functions = disks_functions(&host.n_functions);
    return status;
}

static enum vst_status rescan_adapter(void *ctx, unsigned number, unsigned *n_added,
                                      unsigned *n_removed)
{
    (void)ctx;
    return disks_rescan_adapter(number, n_added, n_removed);
}

static void reboot(void *ctx)
{
    (void)ctx;
    fflush(stdout);
    power_reboot();
}

static enum vst_status boot_load(void *ctx, const struct loader_wanted *wanted,
                                 struct loader_answer *answer)
{
    (void)ctx;
    return next_kernel_load(&machine->boot, &machine->acpi, wanted, answer);
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
    next_kernel_start();
}

static bool run_on(void *ctx, unsigned cpu, void (*function)(void *argument), void *argument)
{
    (void)ctx;
    return cpu_run(cpu, function, argument);
}

static bool join(void *ctx, unsigned cpu)
{
    (void)ctx;
    return cpu_wait(cpu, JOIN_NS);
}

static void idle_unless(void *ctx, bool (*ready)(void *argument), void *argument)
{
    (void)ctx;
    interrupts_doze_unless(ready, argument);
}

static int run_shell(void)
{
    host = (struct shell_host){
        .platform = &kernel_platform,
        .registry = disks_registry(),
        .units = adapters_units(),
        .console_read = read_console,
        .ticks = read_ticks,
        .ticks_per_second = clock_ticks_per_second(),
        .interactive = machine->options.interactive,
        .rescan = rescan,
        .rescan_adapter = rescan_adapter,
        .reboot = reboot,
        .boot_load = boot_load,
        .boot_forget = boot_forget,
        .boot_start = boot_start,
        .n_cpus = n_cpus(),
        .run_on = run_on,
        .join = join,
        .idle_unless = idle_unless,
    };
    host.functions = disks_functions(&host.n_functions);

    if (machine->boot.command_line_cut) {
        printf("The command line is longer than %u bytes; nothing of it was run.\n",
               BOOT_COMMAND_LINE_BYTES - 1);
        return 1;
    }
    int status = shell_run(&host, machine->options.first_command);
    if (status == SHELL_NO_EXIT)
        status = shell_run(&host, machine->boot.command_line);
    if (status == SHELL_NO_EXIT)
        status = machine->options.interactive ? shell_interactive(&host) : 0;
    return status;
}

void kernel_start(uint32_t loader, uint32_t info_physical)
{
    static const struct machine_plan plan = {.start_heap = memory_start_heap};
    static char buffer[STDOUT_BYTES];

    setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
    machine = machine_start(loader, info_physical, &plan);
    exit(run_shell());
}
