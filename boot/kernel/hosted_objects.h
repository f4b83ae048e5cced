/* SPDX-License-Identifier: BSD-2-Clause */
/* What objects compiled for Linux (BearSSL's) expect around them: a canary at %fs:0x28 and checked
 * copies. */
#ifndef VSTOR_KERNEL_HOSTED_OBJECTS_H
#define VSTOR_KERNEL_HOSTED_OBJECTS_H

/** Gives the thread block a place; before any such object is called. */
void hosted_objects_start(void);

/** The same place for this further CPU: the block is only read. */
void hosted_objects_start_cpu(void);

#endif
