/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/cpu.h>
#include <arch/port_io.h>
#include <stdarg.h>
#include <vstor/log.h>

#include "boot/kernel/console.h"

#define BASE          0x3f8
#define DATA          (BASE + 0) /* divisor, low byte, while DIVISOR_ACCESS is set */
#define INTERRUPTS    (BASE + 1) /* divisor, high byte, likewise */
#define FIFO_CONTROL  (BASE + 2) /* written; read: identification */
#define LINE_CONTROL  (BASE + 3)
#define MODEM_CONTROL (BASE + 4)
#define LINE_STATUS   (BASE + 5)
#define SCRATCH       (BASE + 7)

#define FIFO_ENABLE     0x01
#define FIFO_CLEAR_SEND 0x04
#define FIFO_WORKS      0xc0 /* in the identification */
#define FIFO_BYTES      16u
#define LINE_8N1        0x03
#define DIVISOR_ACCESS  0x80
#define DIVISOR_115200  1
#define MODEM_READY     0x03 /* DTR and RTS */
#define STATUS_RECEIVED 0x01
#define STATUS_CAN_SEND 0x20
#define STATUS_ALL_SENT 0x40

/* At 115200 baud a full FIFO empties in 1.4 ms; a port read takes about 1 us on a real machine. A
 * virtual one takes nothing for as long as nobody reads its other end: some 20 s are granted. */
#define MAX_SEND_POLLS 20000000u
/* Longer than a line of a few hundred bytes takes. */
#define MAX_LOCK_POLLS 2000000u

static struct {
    bool present;
    bool stuck; /**< took nothing for long: one look per byte from then on, so that nobody waits for
                   ever */
    unsigned fifo_bytes, room_bytes;
    uint8_t early[FIFO_BYTES]; /**< received before the FIFO was switched on, which would drop it */
    unsigned n_early, n_early_read;
    uint32_t locked;
    bool lock_broken;
} console;

static bool is_present(void)
{
    for (unsigned i = 0; i < 2; i++) {
        uint8_t pattern = i == 0 ? 0x5a : 0xa5;
        port_write8(SCRATCH, pattern);
        if (port_read8(SCRATCH) != pattern)
            return false;
    }
    return port_read8(LINE_STATUS) != 0xff;
}

void console_start(void)
{
    console.present = is_present();
    if (!console.present)
        return;
    port_write8(INTERRUPTS, 0);
    port_write8(LINE_CONTROL, DIVISOR_ACCESS | LINE_8N1);
    port_write8(DATA, DIVISOR_115200);
    port_write8(INTERRUPTS, 0);
    port_write8(LINE_CONTROL, LINE_8N1);
    port_write8(MODEM_CONTROL, MODEM_READY);
    while (console.n_early < FIFO_BYTES && (port_read8(LINE_STATUS) & STATUS_RECEIVED))
        console.early[console.n_early++] = port_read8(DATA);
    port_write8(FIFO_CONTROL, FIFO_ENABLE | FIFO_CLEAR_SEND);
    bool fifo = (port_read8(FIFO_CONTROL) & FIFO_WORKS) == FIFO_WORKS;
    console.fifo_bytes = fifo ? FIFO_BYTES : 1;
}

static bool wait_for_room(void)
{
    uint32_t n_polls = console.stuck ? 1 : MAX_SEND_POLLS;

    if (console.room_bytes > 0)
        return true;
    while (!(port_read8(LINE_STATUS) & STATUS_CAN_SEND)) {
        if (--n_polls == 0) {
            console.stuck = true;
            return false;
        }
        arch_pause();
    }
    console.stuck = false;
    console.room_bytes = console.fifo_bytes;
    return true;
}

void console_drain(void)
{
    if (!console.present || console.stuck)
        return;
    for (uint32_t i = 0; i < MAX_SEND_POLLS && !(port_read8(LINE_STATUS) & STATUS_ALL_SENT); i++)
        arch_pause();
}

static void send_byte(char byte)
{
    if (!wait_for_room())
        return;
    console.room_bytes--;
    port_write8(DATA, (uint8_t)byte);
}

/*
 * One CPU writes at a time. A trap may have stopped the one that does, so nobody waits for ever:
 * then the lock counts for nothing any more.
 */
static bool lock(void)
{
    for (uint32_t i = 0; i < MAX_LOCK_POLLS && !console.lock_broken; i++) {
        if (!__atomic_exchange_n(&console.locked, 1, __ATOMIC_ACQUIRE))
            return true;
        arch_pause();
    }
    console.lock_broken = true;
    return false;
}

static void write_bytes(const char *text, size_t bytes, bool raw)
{
    if (!console.present)
        return;
    bool locked = lock();
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\n' && !raw)
            send_byte('\r');
        send_byte(text[i]);
    }
    if (locked)
        __atomic_store_n(&console.locked, 0, __ATOMIC_RELEASE);
}

void console_write(const char *text, size_t bytes)
{
    write_bytes(text, bytes, false);
}

void console_write_raw(const void *data, size_t bytes)
{
    write_bytes(data, bytes, true);
}

void console_printf(const char *format, ...)
{
    char text[256];
    va_list values;

    va_start(values, format);
    size_t length = vst_vformat(text, sizeof(text), format, values);
    va_end(values);
    console_write(text, length < sizeof(text) ? length : sizeof(text) - 1);
}

int console_read_byte(void)
{
    if (!console.present)
        return -1;
    if (console.n_early_read < console.n_early)
        return console.early[console.n_early_read++];
    return port_read8(LINE_STATUS) & STATUS_RECEIVED ? port_read8(DATA) : -1;
}
