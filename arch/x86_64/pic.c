/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/pic.h>
#include <arch/port_io.h>

#define PIC1_COMMAND  0x20
#define PIC1_DATA     0x21
#define PIC2_COMMAND  0xa0
#define PIC2_DATA     0xa1
#define LEVEL_CONTROL 0x4d0 /* a bit per line, two ports: 1 is level-triggered */

#define START_WITH_4TH_WORD 0x11
#define MODE_8086           0x01
#define SECOND_AT_LINE_2    0x04
#define SECOND_IS_NUMBER_2  0x02
#define READ_IN_SERVICE     0x0b
#define END_OF_INTERRUPT    0x20
#define LINE_CASCADE        2u
#define LINES_PER_PIC       8u
#define LINE_SPURIOUS       7u      /* of each controller: what it says when nobody asks any more */
#define LINES_OF_PCI        0xdef8u /* all but 0, 1, 2, 8 and 13 */

static uint16_t masked = 0xffff;

static void write_masks(void)
{
    port_write8(PIC1_DATA, (uint8_t)masked);
    port_write8(PIC2_DATA, (uint8_t)(masked >> LINES_PER_PIC));
}

bool arch_pic_start(uint8_t first_vector)
{
    port_write8(PIC1_COMMAND, START_WITH_4TH_WORD);
    port_write8(PIC2_COMMAND, START_WITH_4TH_WORD);
    port_write8(PIC1_DATA, first_vector);
    port_write8(PIC2_DATA, (uint8_t)(first_vector + LINES_PER_PIC));
    port_write8(PIC1_DATA, SECOND_AT_LINE_2);
    port_write8(PIC2_DATA, SECOND_IS_NUMBER_2);
    port_write8(PIC1_DATA, MODE_8086);
    port_write8(PIC2_DATA, MODE_8086);
    masked = 0xffff & ~(1u << LINE_CASCADE);
    write_masks();
    return port_read8(PIC1_DATA) == (uint8_t)masked && port_read8(PIC2_DATA) == 0xff;
}

static bool is_pci_line(uint8_t line)
{
    return line < ARCH_PIC_N_LINES && (LINES_OF_PCI & 1u << line);
}

bool arch_pic_unmask(uint8_t line)
{
    if (!is_pci_line(line))
        return false;
    uint16_t port = (uint16_t)(LEVEL_CONTROL + line / LINES_PER_PIC);
    port_write8(port, port_read8(port) | (uint8_t)(1u << line % LINES_PER_PIC));
    masked &= (uint16_t) ~(1u << line);
    write_masks();
    return true;
}

void arch_pic_mask(uint8_t line)
{
    if (!is_pci_line(line))
        return;
    masked |= (uint16_t)(1u << line);
    write_masks();
}

void arch_pic_stop(void)
{
    masked = 0xffff;
    write_masks();
}

bool arch_pic_is_spurious(uint8_t line)
{
    if (line % LINES_PER_PIC != LINE_SPURIOUS)
        return false;
    uint16_t command = line < LINES_PER_PIC ? PIC1_COMMAND : PIC2_COMMAND;
    port_write8(command, READ_IN_SERVICE);
    if (port_read8(command) & 1u << LINE_SPURIOUS)
        return false;
    /* The first controller has served its cascade line all the same. */
    if (line >= LINES_PER_PIC)
        port_write8(PIC1_COMMAND, END_OF_INTERRUPT);
    return true;
}

void arch_pic_end_of_interrupt(uint8_t line)
{
    if (line >= LINES_PER_PIC)
        port_write8(PIC2_COMMAND, END_OF_INTERRUPT);
    port_write8(PIC1_COMMAND, END_OF_INTERRUPT);
}
