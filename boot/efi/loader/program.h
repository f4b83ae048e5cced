/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EFI programs started from memory: Linux with its EFI stub, unified kernel images, other loaders.
 */
#ifndef VSTOR_EFI_LOADER_PROGRAM_H
#define VSTOR_EFI_LOADER_PROGRAM_H

#include "boot/efi/firmware.h"

#define PROGRAM_MAX_INITRDS 32u

/** All the caller's, until program_run returns. */
struct program {
    const char *name;  /**< for what is said */
    const void *image; /**< the PE file */
    UINT64 image_bytes;
    EFI_DEVICE_PATH_PROTOCOL *path; /**< where it came from, device and file */
    const char *command_line;       /**< UTF-8; NULL: none */
    /** Initial ramdisks, handed on as one (LINUX_EFI_INITRD_MEDIA_GUID), each beginning at a multiple
     * of 4. */
    UINTN n_initrds;
    UINT64 initrd_bytes[PROGRAM_MAX_INITRDS];
    const char *initrd_names[PROGRAM_MAX_INITRDS]; /**< for the TPM's log */
    void *ctx;
    /** Reads the whole initrd of that number. False: it has said why. NULL where there are none. */
    bool (*read_initrd)(void *ctx, UINTN number, void *to);
    /** The image's memory is not needed any more. NULL: nobody wants to know. */
    void (*loaded)(void *ctx);
};

/**
 * Has the firmware load and start it, and tells the TPM what the firmware does not see. Returns when the program does, or could not be started: what
 * happened then has been said. Disks may have come and gone meanwhile.
 */
EFI_STATUS program_run(const struct program *program);

/** What a status means: fixed text. */
const char *program_status_text(EFI_STATUS status);

#endif
