/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shell: command lines from the boot loader and from the serial console, and the commands
 * themselves.
 *
 * It is a program on newlib (stdio, malloc) and the public vstor headers, and knows no machine: the
 * kernel, later the EFI loader, and the unit tests hand it what it needs in a struct shell_host.
 */
#ifndef VSTOR_BOOT_SHELL_H
#define VSTOR_BOOT_SHELL_H

#include <vstor/vstor.h>

#include "boot/loader/wanted.h"

/** What the program around the shell provides. Output goes to stdout. */
struct shell_host {
    void *ctx;
    const struct vst_platform *platform; /**< time_ns and relax are used here too */
    struct vst_block_registry *registry;
    struct vst_scsi_units *units; /**< SCSI units and adapters; NULL where there never are any */
    const struct vst_pci_function *functions;
    size_t n_functions;
    /** Next byte from the console, or -1 if there is none within timeout_ns (0: do not wait;
     * UINT64_MAX: for ever). */
    int (*console_read)(void *ctx, uint64_t timeout_ns);
    /** Ticks of a cheap counter and their number per second; for latencies. */
    uint64_t (*ticks)(void *ctx);
    uint64_t ticks_per_second;
    /** True when standard input is somebody's console: prompts, editing, progress bars. */
    bool interactive;
    /**
     * Looks for devices that have come or gone, and tells how many disks have since it was last
     * called. NULL where there is no way.
     */
    enum vst_status (*rescan)(void *ctx, unsigned *n_added, unsigned *n_removed);
    /**
     * The same for one SCSI adapter, the one of that number. VST_ERR_NOT_FOUND: there is none. NULL
     * where there is no way.
     */
    enum vst_status (*rescan_adapter)(void *ctx, unsigned number, unsigned *n_added,
                                      unsigned *n_removed);
    /** Lets others have their turn, whose work waits for the shell's: called now and then by what takes
     * long, with its requests in flight. NULL where nobody waits. */
    void (*others_turn)(void *ctx);
    /** Starts the machine again and does not return; NULL where there is no way. */
    void (*reboot)(void *ctx);
    /**
     * Loads a kernel with what goes with it, to be started or forgotten; one at a time. Nothing has
     * happened unless it says VST_OK. All NULL where there is no way.
     */
    enum vst_status (*boot_load)(void *ctx, const struct loader_wanted *boot,
                                 struct loader_answer *answer);
    void (*boot_forget)(void *ctx);
    /**
     * Resets all devices and starts what is loaded. Comes back only if that can't be, having said why:
     * false; or if the shell has to end first, which uses the devices: true.
     */
    bool (*boot_start)(void *ctx);
    /** CPUs that work can be given to, this one, number 0, included; 0 counts as 1. */
    unsigned n_cpus;
    /**
     * Has function(argument) run on CPU `cpu` (1 to n_cpus - 1), which must be idle; false if it is
     * not. The function may submit and poll requests of queues that are its own, but neither print
     * nor allocate: newlib is not reentrant here. NULL where there is one CPU for good.
     */
    bool (*run_on)(void *ctx, unsigned cpu, void (*function)(void *argument), void *argument);
    /** Waits for that function, at most one second. True if it has returned; what it wrote is then
     * seen here. NULL like run_on. */
    bool (*join)(void *ctx, unsigned cpu);
    /**
     * Sleeps on the CPU that calls until a device interrupts, at most some seconds, unless
     * ready(argument), which must look at memory only. Interrupts of a device's queue i reach CPU
     * i mod n_cpus. NULL: wait by relax.
     */
    void (*idle_unless)(void *ctx, bool (*ready)(void *argument), void *argument);
};

/** Exit status that shell_run returns when no `exit` was run: the caller goes on with
 * shell_interactive. */
#define SHELL_NO_EXIT (-1)

/**
 * Runs commands separated by ';' until one fails or `exit` is run. Words starting with "vstor." are
 * options of the boot loader's line, not commands, and must have been removed. Returns the exit
 * status: that of `exit`, 1 after a failed command, SHELL_NO_EXIT if the line ended without either.
 */
int shell_run(const struct shell_host *host, const char *line);

/**
 * Reads and runs lines from the console until `exit`, Ctrl-D or the end of input; a failing command
 * does not end it. Returns the exit status: that of `exit`, else 0, or without a person at the
 * console 1 if the last line failed.
 */
int shell_interactive(const struct shell_host *host);

#endif
