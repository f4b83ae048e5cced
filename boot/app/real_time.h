/* SPDX-License-Identifier: BSD-2-Clause */
/* The time of day: the battery-backed clock is read once, and counted on from. */
#ifndef VSTOR_APP_REAL_TIME_H
#define VSTOR_APP_REAL_TIME_H

#include <vstor/types.h>

/** Reads the clock; takes up to a second. Where there is none, time begins in 1970. */
void real_time_start(void);

/** Nanoseconds since 1970, UTC: as the clock is set. */
uint64_t real_time_ns(void);

/**
 * Seconds since 1970 of what the clock's registers hold (MC146818: 0 seconds, 2 minutes, 4 hours, 7
 * day, 8 month, 9 year, 0x0b status B), `century` as firmware keeps it, 0: not told. 0 if that is no
 * date.
 */
uint64_t real_time_of_registers(const uint8_t registers[12], uint8_t century);

#endif
