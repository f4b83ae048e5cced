/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is mapped and how: the image by parts, RAM cached, the stack's guard page and page 0 not at
 * all, so that an overflowing stack and a null pointer fault. Devices and firmware tables come in
 * when asked for.
 */
#ifndef VSTOR_KERNEL_ADDRESS_SPACE_H
#define VSTOR_KERNEL_ADDRESS_SPACE_H

#include <vstor/types.h>

/** Leaves the start-up page tables. False if memory does not suffice. */
bool address_space_start(void) VST_MUST_USE;

/** Device registers, uncached. NULL for RAM, for page 0 and for what is out of reach. */
void *address_space_map_device(uint64_t physical, uint64_t bytes);

/** Firmware tables, cached, for reading, wherever they lie. NULL for page 0 and for what is out of
 * reach. */
const void *address_space_map_firmware(uint64_t physical, uint64_t bytes);

#endif
