/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What newlib asks of a system, under the names it uses when configured without system calls of its
 * own: the firmware's console. The rest is in boot/shell/console_files.c.
 */
#include <errno.h>
#include <unistd.h>

#include "boot/efi/loader/disks.h"
#include "boot/efi/loader/input.h"
#include "boot/efi/loader/terminal.h"

static int fail(int number)
{
    errno = number;
    return -1;
}

_READ_WRITE_RETURN_TYPE write(int file, const void *buffer, size_t bytes)
{
    if (file != STDOUT_FILENO && file != STDERR_FILENO)
        return fail(EBADF);
    bool was_there = disks_step_aside();
    terminal_write(buffer, bytes);
    disks_step_back(was_there);
    return (_READ_WRITE_RETURN_TYPE)bytes;
}

/* Waits for one byte. */
_READ_WRITE_RETURN_TYPE read(int file, void *buffer, size_t bytes)
{
    if (file != STDIN_FILENO)
        return fail(EBADF);
    int byte = bytes > 0 ? input_byte(INPUT_FOREVER) : -1;
    if (byte < 0)
        return 0;
    *(unsigned char *)buffer = (unsigned char)byte;
    return 1;
}
