/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What newlib asks of a system, under the names it uses when configured without system calls of its
 * own: sbrk is in heap.c, files in boot/shell/console_files.c. There are no processes but this one.
 */
#include <arch/cpu.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/times.h>
#include <unistd.h>

#include "boot/kernel/clock.h"
#include "boot/kernel/console.h"
#include "boot/kernel/power.h"

#define NS_PER_US     1000u
#define US_PER_SECOND 1000000u

static int fail(int number)
{
    errno = number;
    return -1;
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
