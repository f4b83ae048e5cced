/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this image was started with: "shell", or "-c" and commands for the console, each also behind the
 * image's own name, as the UEFI Shell passes it.
 */
#ifndef VSTOR_EFI_LOADER_ARGUMENTS_H
#define VSTOR_EFI_LOADER_ARGUMENTS_H

enum arguments_kind {
    ARGUMENTS_NONE,     /**< none, or none that mean something here */
    ARGUMENTS_SHELL,    /**< the console is wanted */
    ARGUMENTS_COMMANDS, /**< these commands are to be run */
    ARGUMENTS_BAD,      /**< a quote without an end, no commands, no memory */
};

/** `commands` is then for free(). */
struct arguments {
    enum arguments_kind kind;
    char *commands; /**< NULL for all but ARGUMENTS_COMMANDS */
};

struct arguments arguments_read(void);

#endif
