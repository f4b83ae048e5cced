/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects that were compiled for a hosted system (BearSSL's of the distribution) compare a word of the
 * thread's with what they have put on the stack. Firmware has no threads, so it stands here.
 */
#ifndef VSTOR_EFI_LOADER_STACK_GUARD_H
#define VSTOR_EFI_LOADER_STACK_GUARD_H

#include <stdint.h>

struct stack_guard {
    uint64_t before; /**< what the firmware had in that place */
};

/** Around all that calls such objects. */
struct stack_guard stack_guard_begin(void);
void stack_guard_end(struct stack_guard guard);

#endif
