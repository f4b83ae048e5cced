/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Marks for counting instructions from outside the guest (tests/icount): 7-byte no-ops that a QEMU
 * plugin recognises and any processor ignores. MARK(n) begins window n, MARK(n | 0x80) ends it; 0
 * and 0x80 bracket waiting loops, which are counted apart.
 */
#ifndef VSTOR_BOOT_MARKS_H
#define VSTOR_BOOT_MARKS_H

#define MARK_SPIN  0x00
#define MARK_BENCH 0x01 /* the measured part of `bench` */
#define MARK_BOOT  0x02 /* from _start to the end of the first `read`, `sum` or `verify`; of the EFI
                           boot loader: to its menu */
#define MARK_END   0x80

#if defined(__x86_64__) || defined(__i386__)
#define MARK(id)                                                                                   \
    __asm__ __volatile__(".byte 0x0f,0x1f,0x80,%c0,0x4d,0x4b,0x52" ::"i"((id)&0xff) : "memory")
#else
#define MARK(id) ((void)0)
#endif

#endif
