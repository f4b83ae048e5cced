/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/pic.h (x86_64): the pair of 8259 interrupt controllers, for INTx where nobody can tell how it
 * is wired to anything newer. Boot CPU only.
 */
#ifndef VSTOR_ARCH_PIC_H
#define VSTOR_ARCH_PIC_H

#include <vstor/types.h>

#define ARCH_PIC_N_LINES 16u

/** Gives line n the vector first_vector + n (a multiple of 8) and masks all lines. False if there is
 * no such controller. */
bool arch_pic_start(uint8_t first_vector) VST_MUST_USE;

/** Lets a line interrupt, for as long as it is high (PCI's way). False for lines that are not
 * PCI's: timer, keyboard, cascade, clock, coprocessor. */
bool arch_pic_unmask(uint8_t line) VST_MUST_USE;
void arch_pic_mask(uint8_t line);

/** Masks all lines, whoever waits for them. */
void arch_pic_stop(void);

/** True if the interrupt just taken is one that had vanished: nothing to do, nothing to
 * acknowledge. */
bool arch_pic_is_spurious(uint8_t line);

void arch_pic_end_of_interrupt(uint8_t line);

#endif
