/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/terminal.h"

#include "boot/efi/loader/loader.h"

#define LINE_UNITS 120u
#define NORMAL     EFI_TEXT_ATTR(EFI_LIGHTGRAY, EFI_BLACK)
#define BRIGHT     EFI_TEXT_ATTR(EFI_WHITE, EFI_BLACK)
#define REVERSE    EFI_TEXT_ATTR(EFI_BLACK, EFI_LIGHTGRAY)
#define NO_UNIT    0xfffdu /* REPLACEMENT CHARACTER */
#define MOST_UNIT  0xffffu
#define ESCAPE     0x1b

static struct {
    CHAR16 units[LINE_UNITS + 1]; /* not yet given to the firmware */
    size_t n;
    INT32 row, end_column; /* how far this row has been written */
    uint32_t value;        /* of a character that has begun */
    unsigned n_more;
    unsigned char last;
    enum { TEXT, ESCAPED, SEQUENCE } state;
    unsigned number;
} terminal;

static SIMPLE_TEXT_OUTPUT_INTERFACE *out(void)
{
    return loader_system->ConOut;
}

/* ---------------------------------------------------------------- text */

static void note_place(void)
{
    const SIMPLE_TEXT_OUTPUT_MODE *mode = out()->Mode;

    if (mode->CursorRow != terminal.row) {
        terminal.row = mode->CursorRow;
        terminal.end_column = 0;
    }
    if (mode->CursorColumn > terminal.end_column)
        terminal.end_column = mode->CursorColumn;
}

static void flush(void)
{
    if (terminal.n == 0)
        return;
    terminal.units[terminal.n] = 0;
    terminal.n = 0;
    (void)out()->OutputString(out(), terminal.units);
    note_place();
}

static void put_unit(uint32_t unit)
{
    if (terminal.n == LINE_UNITS)
        flush();
    terminal.units[terminal.n++] = (CHAR16)unit;
}

/* The bytes of a character in UTF-8; consoles know UCS-2 only. */
static void put_byte(unsigned char byte)
{
    if (terminal.n_more > 0 && (byte & 0xc0) == 0x80) {
        terminal.value = terminal.value << 6 | (byte & 0x3fu);
        if (--terminal.n_more == 0)
            put_unit(terminal.value > MOST_UNIT ? NO_UNIT : terminal.value);
        return;
    }
    if (terminal.n_more > 0)
        put_unit(NO_UNIT);
    terminal.n_more = byte < 0xc0 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    terminal.value = byte & (0x3fu >> terminal.n_more);
    if (byte == '\n' && terminal.last != '\r')
        put_unit('\r');
    terminal.last = byte;
    if (byte == '\a') /* firmware beeps on it, or shows it */
        return;
    if (terminal.n_more == 0)
        put_unit(byte < 0x80 ? byte : NO_UNIT);
}

/* ---------------------------------------------------------------- sequences */

static void clear_to_end(void)
{
    flush();
    INT32 row = out()->Mode->CursorRow, column = out()->Mode->CursorColumn;
    INT32 end = terminal.row == row ? terminal.end_column : 0;
    for (INT32 i = column; i < end; i++)
        put_unit(' ');
    flush();
    terminal.end_column = column;
    if (end > column)
        (void)out()->SetCursorPosition(out(), (UINTN)column, (UINTN)row);
}

static void move_right(unsigned columns)
{
    flush();
    (void)out()->SetCursorPosition(out(), (UINTN)out()->Mode->CursorColumn + columns,
                                   (UINTN)out()->Mode->CursorRow);
}

static void do_sequence(unsigned char letter)
{
    flush();
    switch (letter) {
    case 'C':
        move_right(terminal.number > 0 ? terminal.number : 1);
        break;
    case 'H':
        (void)out()->SetCursorPosition(out(), 0, 0);
        break;
    case 'J':
        (void)out()->ClearScreen(out());
        terminal.end_column = 0;
        break;
    case 'K':
        clear_to_end();
        break;
    case 'm':
        (void)out()->SetAttribute(out(), terminal.number == 1   ? BRIGHT
                                         : terminal.number == 7 ? REVERSE
                                                                : NORMAL);
        break;
    default:
        break;
    }
}

static void feed(unsigned char byte)
{
    if (terminal.state == TEXT && byte == ESCAPE) {
        terminal.state = ESCAPED;
        terminal.number = 0;
    } else if (terminal.state == TEXT) {
        put_byte(byte);
    } else if (terminal.state == ESCAPED) {
        terminal.state = byte == '[' ? SEQUENCE : TEXT;
    } else if (byte >= '0' && byte <= '9') {
        terminal.number = (terminal.number * 10 + byte - '0') % 1000;
    } else if (byte >= 0x40) {
        terminal.state = TEXT;
        do_sequence(byte);
    }
}

void terminal_write(const char *text, size_t bytes)
{
    if (out() == NULL)
        return;
    for (size_t i = 0; i < bytes; i++)
        feed((unsigned char)text[i]);
    flush();
}
