/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/port_io.h>
#include <string.h>

#include "boot/app/real_time.h"
#include "boot/kernel/clock.h"

#define INDEX_PORT 0x70
#define DATA_PORT  0x71

enum {
    SECONDS = 0,
    MINUTES = 2,
    HOURS = 4,
    DAY = 7,
    MONTH = 8,
    YEAR = 9,
    STATUS_A = 10,
    STATUS_B = 11
};
#define CENTURY         0x32
#define A_UPDATING      0x80
#define B_24_HOURS      0x02
#define B_BINARY        0x04
#define HOURS_AFTERNOON 0x80

#define NS_PER_SECOND   1000000000ull
#define SECONDS_PER_DAY 86400ull
#define N_TRIES         16
#define MAX_POLLS       10000u /* an update takes 2 ms */

static uint64_t start_ns; /* since 1970, as clock_ns began */

static unsigned number_of(uint8_t value, uint8_t status_b)
{
    return status_b & B_BINARY ? value : (value >> 4) * 10u + (value & 15);
}

static unsigned hour_of(uint8_t value, uint8_t status_b)
{
    if (status_b & B_24_HOURS)
        return number_of(value, status_b);
    unsigned hour = number_of((uint8_t)(value & ~HOURS_AFTERNOON), status_b) % 12;
    return value & HOURS_AFTERNOON ? hour + 12 : hour;
}

/* Days from 1970 to a date of the Gregorian calendar, whose year begins in March here. */
static uint64_t days_of(unsigned year, unsigned month, unsigned day)
{
    if (month < 3) {
        year--;
        month += 12;
    }
    uint64_t days = 365ull * year + year / 4 - year / 100 + year / 400;
    return days + (153 * (month - 3) + 2) / 5 + day - 1 - 719468;
}

uint64_t real_time_of_registers(const uint8_t registers[12], uint8_t century)
{
    uint8_t b = registers[STATUS_B];
    unsigned year = number_of(registers[YEAR], b), month = number_of(registers[MONTH], b);
    unsigned day = number_of(registers[DAY], b), hour = hour_of(registers[HOURS], b);
    unsigned minute = number_of(registers[MINUTES], b), second = number_of(registers[SECONDS], b);
    unsigned hundreds = number_of(century, b);

    if (year > 99 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
        second > 60)
        return 0;
    year += hundreds >= 19 && hundreds <= 99 ? hundreds * 100 : year < 70 ? 2000 : 1900;
    if (year < 1970)
        return 0;
    return days_of(year, month, day) * SECONDS_PER_DAY + hour * 3600u + minute * 60u + second;
}

static uint8_t read_register(uint8_t index)
{
    port_write8(INDEX_PORT, index);
    return port_read8(DATA_PORT);
}

static void read_all(uint8_t registers[12], uint8_t *century)
{
    for (uint32_t i = 0; i < MAX_POLLS && (read_register(STATUS_A) & A_UPDATING); i++)
        ;
    for (uint8_t i = 0; i < 12; i++)
        registers[i] = read_register(i);
    *century = read_register(CENTURY);
}

/* Twice the same: no update came between. */
void real_time_start(void)
{
    uint8_t registers[12], again[12], century, century_again;

    read_all(registers, &century);
    for (int i = 0; i < N_TRIES; i++) {
        read_all(again, &century_again);
        registers[STATUS_A] = again[STATUS_A];
        if (memcmp(registers, again, sizeof(again)) == 0 && century == century_again) {
            uint64_t seconds = real_time_of_registers(registers, century);
            start_ns = seconds * NS_PER_SECOND;
            start_ns -= seconds > 0 ? clock_ns() : 0;
            return;
        }
        memcpy(registers, again, sizeof(again));
        century = century_again;
    }
}

uint64_t real_time_ns(void)
{
    return start_ns + clock_ns();
}
