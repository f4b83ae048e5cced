/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What newlib asks of a system, under the names it uses when configured without system calls of its
 * own (sbrk is in heap.c). The shell has no files but the console, and no processes but this one.
 */
#include <arch/cpu.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <unistd.h>

#include "boot/kernel/clock.h"
#include "boot/kernel/console.h"
#include "boot/kernel/power.h"

#define N_CONSOLE_FILES 3 /* standard input, output, error */
#define NS_PER_US       1000u
#define US_PER_SECOND   1000000u

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
    console_write(buffer, bytes);
    return (_READ_WRITE_RETURN_TYPE)bytes;
}

/* Waits for one byte, then takes what has come with it. */
_READ_WRITE_RETURN_TYPE read(int file, void *buffer, size_t bytes)
{
    unsigned char *to = buffer;
    size_t n_read = 0;

    if (file != STDIN_FILENO)
        return fail(EBADF);
    fflush(stdout);
    while (n_read < bytes) {
        int byte = console_read_byte();
        if (byte >= 0)
            to[n_read++] = (unsigned char)byte;
        else if (n_read > 0)
            break;
        else
            arch_pause();
    }
    return (_READ_WRITE_RETURN_TYPE)n_read;
}

void _exit(int status)
{
    power_exit((uint8_t)status);
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

int open(const char *path, int flags, ...)
{
    (void)path;
    (void)flags;
    return fail(ENOENT);
}

pid_t getpid(void)
{
    return 1;
}

/* abort() comes here. */
int kill(pid_t process, int signal)
{
    (void)process;
    (void)signal;
    fflush(stdout);
    power_exit(POWER_STATUS_FAILURE);
}

/* No clock of the day is read: time begins at start. */
int gettimeofday(struct timeval *now, void *zone)
{
    uint64_t us = clock_ns() / NS_PER_US;

    (void)zone;
    now->tv_sec = (time_t)(us / US_PER_SECOND);
    now->tv_usec = (suseconds_t)(us % US_PER_SECOND);
    return 0;
}

clock_t times(struct tms *times)
{
    *times = (struct tms){0, 0, 0, 0};
    return fail(ENOSYS);
}
