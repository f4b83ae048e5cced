/* SPDX-License-Identifier: BSD-2-Clause */
/* Clocks and sleeping, by POSIX' names. */
#define _POSIX_TIMERS          1
#define _POSIX_MONOTONIC_CLOCK 1
#define _POSIX_CPUTIME         1
#include <arch/cpu.h>
#include <errno.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "boot/app/real_time.h"
#include "boot/kernel/clock.h"
#include "boot/kernel/disks.h"

#define NS_PER_SECOND 1000000000ull
#define NS_PER_US     1000u

int gettimeofday(struct timeval *now, void *zone)
{
    uint64_t ns = real_time_ns();

    (void)zone;
    now->tv_sec = (time_t)(ns / NS_PER_SECOND);
    now->tv_usec = (suseconds_t)(ns % NS_PER_SECOND / NS_PER_US);
    return 0;
}

static int fail(int number)
{
    errno = number;
    return -1;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    uint64_t ns = clock == CLOCK_REALTIME ? real_time_ns() : clock_ns();

    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_PROCESS_CPUTIME_ID)
        return fail(EINVAL);
    now->tv_sec = (time_t)(ns / NS_PER_SECOND);
    now->tv_nsec = (long)(ns % NS_PER_SECOND);
    return 0;
}

int clock_getres(clockid_t clock, struct timespec *resolution)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_PROCESS_CPUTIME_ID)
        return fail(EINVAL);
    if (resolution != NULL)
        *resolution = (struct timespec){0, 1};
    return 0;
}

/* The only program has all the time there is. */
clock_t times(struct tms *times)
{
    clock_t ticks = (clock_t)(clock_ns() / (NS_PER_SECOND / CLOCKS_PER_SEC));

    *times = (struct tms){.tms_utime = ticks};
    return ticks;
}

static void sleep_ns(uint64_t ns)
{
    uint64_t begin_ns = clock_ns();

    fflush(stdout);
    do {
        disks_look_after();
        arch_pause();
    } while (clock_ns() - begin_ns < ns);
}

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    if (wanted->tv_sec < 0 || wanted->tv_nsec < 0 || (uint64_t)wanted->tv_nsec >= NS_PER_SECOND)
        return fail(EINVAL);
    sleep_ns(vst_add_saturated_u64(vst_mul_saturated_u64((uint64_t)wanted->tv_sec, NS_PER_SECOND),
                                   (uint64_t)wanted->tv_nsec));
    if (left != NULL)
        *left = (struct timespec){0, 0};
    return 0;
}

unsigned sleep(unsigned seconds)
{
    sleep_ns(seconds * NS_PER_SECOND);
    return 0;
}

int usleep(useconds_t us)
{
    sleep_ns((uint64_t)us * NS_PER_US);
    return 0;
}
