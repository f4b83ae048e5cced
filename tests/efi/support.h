/* SPDX-License-Identifier: BSD-2-Clause */
/* What the EFI tests share: a program of ours that firmware starts, which loads the driver and uses it. */
#ifndef VSTOR_TESTS_EFI_SUPPORT_H
#define VSTOR_TESTS_EFI_SUPPORT_H

#include "boot/efi/firmware.h"

#include <vstor/log.h>

/** One line on the serial port. */
void say(const char *format, ...) VST_PRINTF(1, 2);

/** Says what failed where, and ends the machine with status 1. */
void fail(const char *file, int line, const char *format, ...) VST_PRINTF(3, 4)
    __attribute__((noreturn));
#define FAIL(...) fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            FAIL("%s", #condition);                                                                \
    } while (0)
/** A call returns this status. */
#define EXPECT(wanted, call)                                                                       \
    do {                                                                                           \
        EFI_STATUS got_ = (call);                                                                  \
        if (got_ != (wanted))                                                                      \
            FAIL("%s: status %lx, not %s", #call, (unsigned long)got_, #wanted);                   \
    } while (0)
#define EXPECT_OK(call) EXPECT(EFI_SUCCESS, call)

/** Ends the machine: QEMU's status is twice that, and 1. */
void finish(unsigned status) __attribute__((noreturn));

/** A number that the host gave by `-fw_cfg name=opt/vstor/NAME,string=...`; else `otherwise`. */
uint64_t option(const char *name, uint64_t otherwise);
/** The text of one; false: there is none. */
bool option_text(const char *name, char *text, size_t bytes);

extern EFI_HANDLE this_image;

/** Zeroed, or the test fails. */
void *allocate(size_t bytes);
void release(void *memory);

bool text_equal(const char *a, const char *b);

/** Loads a program from the volume that this one came from; it is not started. */
EFI_HANDLE load_program(const CHAR16 *name);

/* ------------------------------------------------------------------ the driver */

/** Loads vstordxe.efi from the volume that this program came from, and starts it. */
EFI_HANDLE load_driver(void);
void unload_driver(EFI_HANDLE driver);

/** PCI functions with a device id of virtio-blk or virtio-scsi, in the firmware's order. */
UINTN virtio_functions(EFI_HANDLE handles[], UINTN max);
/** The n-th, or the test fails. */
EFI_HANDLE virtio_function(UINTN n);
bool is_scsi(EFI_HANDLE function);

/** Connects all of them, with whatever drivers there are. */
void connect_all(void);

/** Who has it open as its driver; NULL: nobody. */
EFI_HANDLE driver_of(EFI_HANDLE function);
/** Whether that calls itself vstor. */
bool is_ours(EFI_HANDLE function);

/** Handles with Block IO: the function itself, or its children. */
UINTN disks_of(EFI_HANDLE function, EFI_HANDLE handles[], UINTN max);
/** The n-th disk of any function. */
EFI_HANDLE disk(UINTN n);

void *protocol(EFI_HANDLE handle, EFI_GUID *guid);
bool has_protocol(EFI_HANDLE handle, EFI_GUID *guid);

/* ------------------------------------------------------------------ tests */

/** A list ends with a name of NULL. */
struct test {
    const char *name;
    void (*run)(void);
};
extern const struct test tests_life[], tests_block[], tests_scsi[], tests_bench[], tests_rom[],
    tests_meanwhile[], tests_started[];

#endif
