/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine around the shell: a console whose input is a text, a clock that moves when it is looked
 * at, and standard output caught in memory.
 */
#ifndef VSTOR_TESTS_FAKE_SHELL_HOST_H
#define VSTOR_TESTS_FAKE_SHELL_HOST_H

#include <stdio.h>

#include "boot/shell/shell.h"
#include "fake_shell_disk.h"

struct fake_host {
    struct shell_host host;
    struct vst_platform platform;
    struct vst_block_registry registry;
    struct shell_disk disk; /* vda: 1 MiB of 512 byte blocks */
    uint64_t now_ns, step_ns;
    const char *input;     /* NULL or at its end: nobody types */
    uint64_t silent_reads; /* polls of the console that find nothing before the input begins */
    unsigned n_reboots;

    FILE *caught, *real_stdout;
    char *output;
    size_t output_bytes;
};

void fake_host_make(struct fake_host *fake);
void fake_host_free(struct fake_host *fake);

/** Runs a line by shell_run; its output is then in fake->output. Returns the exit status. */
int fake_host_run(struct fake_host *fake, const char *line);
/** The same with the text as what is typed, by shell_interactive. */
int fake_host_type(struct fake_host *fake, const char *input);

#endif
