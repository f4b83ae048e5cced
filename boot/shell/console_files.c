/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What newlib asks about files, under the names it uses when configured without system calls of its
 * own. There are none but the console. How that is read and written is the matter of each platform.
 */
#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

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
