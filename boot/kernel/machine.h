/* SPDX-License-Identifier: BSD-2-Clause */
/* Brings the machine up part by part, from the loader's hands to disks that can be read. */
#ifndef VSTOR_KERNEL_MACHINE_H
#define VSTOR_KERNEL_MACHINE_H

#include "boot/kernel/acpi.h"
#include "boot/kernel/boot_info.h"
#include "boot/kernel/options.h"

/** What differs between the programs that are made of the kernel. */
struct machine_plan {
    void (*start_heap)(void); /**< called once, when RAM is mapped and no other CPU runs */
    unsigned n_cpus;          /**< to start, where the command line does not say; 0: all */
};

struct machine {
    struct boot_info boot; /**< its command line without the options */
    struct options options;
    struct acpi_info acpi;
};

/**
 * Does all of it, once, on the boot CPU; what is not as it must be ends the machine. `loader` and
 * `info_physical` are kernel_start's.
 */
const struct machine *machine_start(uint32_t loader, uint32_t info_physical,
                                    const struct machine_plan *plan);

#endif
