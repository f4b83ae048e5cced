/* SPDX-License-Identifier: BSD-2-Clause */
/* What programs for Linux ask of a disk by ioctl, as far as it is answered here. */
#ifndef VSTOR_APP_LINUX_FS_H
#define VSTOR_APP_LINUX_FS_H

#define BLKROGET      0x125dul     /* int *: 1 if it is read-only */
#define BLKGETSIZE    0x1260ul     /* unsigned long *: 512-byte sectors */
#define BLKFLSBUF     0x1261ul     /* writes back what is cached */
#define BLKSSZGET     0x1268ul     /* int *: logical block, bytes */
#define BLKBSZGET     0x80081270ul /* int *: block of st_blksize, bytes */
#define BLKGETSIZE64  0x80081272ul /* uint64_t *: bytes */
#define BLKDISCARD    0x1277ul     /* uint64_t[2]: offset and length, bytes */
#define BLKIOMIN      0x1278ul     /* unsigned int *: bytes */
#define BLKIOOPT      0x1279ul     /* unsigned int *: bytes, 0 if unknown */
#define BLKALIGNOFF   0x127aul     /* int *: bytes by which physical blocks begin late */
#define BLKPBSZGET    0x127bul     /* unsigned int *: physical block, bytes */
#define BLKSECDISCARD 0x127dul     /* like BLKDISCARD, for good */
#define BLKROTATIONAL 0x127eul     /* unsigned short * */
#define BLKZEROOUT    0x127ful     /* like BLKDISCARD; it reads as zeroes then */

#endif
