/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What newlib asks of a system, under the names it uses when configured without system calls of its
 * own. There are no files but the firmware's console.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/efi/loader/input.h"
#include "boot/efi/loader/terminal.h"

#define N_CONSOLE_FILES 3 /* standard input, output, error */

static int fail(int number)
{
    errno = number;
    return -1;
}

static bool is_console(int file)
{
    return file >= 0 && file < N_CONSOLE_FILES;
}

_READ_WRITE_RETURN_TYPE write(int file, const void *buffer, size_t bytes)
{
    if (file != STDOUT_FILENO && file != STDERR_FILENO)
        return fail(EBADF);
    terminal_write(buffer, bytes);
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

int close(int file)
{
    return is_console(file) ? 0 : fail(EBADF);
}

int fstat(int file, struct stat *status)
{
    if (!is_console(file))
        return fail(EBADF);
    *status = (struct stat){.st_mode = S_IFCHR | S_IRUSR | S_IWUSR};
    return 0;
}

int isatty(int file)
{
    return is_console(file) ? 1 : fail(EBADF);
}

off_t lseek(int file, off_t offset, int whence)
{
    (void)offset;
    (void)whence;
    return fail(is_console(file) ? ESPIPE : EBADF);
}
