/* SPDX-License-Identifier: BSD-2-Clause */
/* What these programs have in place of an operating system. */
#ifndef EMBED_MACHINE_H
#define EMBED_MACHINE_H

#include <vstor/vstor.h>

/** Where one instance of vstor has all its memory from. */
struct arena {
    char *next, *end;
    size_t held_bytes; /**< given out, and not taken back */
    size_t most_bytes; /**< held_bytes at its highest */
    unsigned n_mapped; /**< buffers that a device may reach now */
};

/** An instance's platform: the ten functions of machine.c, over `bytes` of memory at `memory`. */
struct vst_platform machine_platform(struct arena *arena, void *memory, size_t bytes);

/** Prints a line; the format is that of vst_format. */
void say(const char *format, ...) VST_PRINTF(1, 2);

/** Finds the machine's PCI functions; returns how many of `max`. */
size_t machine_scan(const struct vst_platform *platform, struct vst_pci_function *functions,
                    size_t max);

/** Ends the machine with this status: QEMU's -device isa-debug-exit,iobase=0xf4,iosize=4. */
_Noreturn void leave(int status);

/** Each program's own; what it returns is the status. */
int program(void);

#endif
