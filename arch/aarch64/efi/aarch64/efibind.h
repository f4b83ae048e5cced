/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What gnu-efi's headers take from the processor: Debian's package has it for the machine it is
 * installed on alone. (UEFI 2.9, 2.3.1 and appendix D)
 */
#ifndef VSTOR_EFIBIND_H
#define VSTOR_EFIBIND_H

#include <stdint.h>

typedef uint8_t UINT8;
typedef int8_t INT8;
typedef uint16_t UINT16;
typedef int16_t INT16;
typedef uint32_t UINT32;
typedef int32_t INT32;
typedef uint64_t UINT64;
typedef int64_t INT64;
typedef uint64_t UINTN;
typedef int64_t INTN;
typedef __WCHAR_TYPE__ WCHAR;
#define VOID void

/** Firmware calls as C does. (2.3.6.4) */
#define EFIAPI

#define INTERFACE_DECL(x) struct x

#define EFI_ERROR_MASK 0x8000000000000000
#define EFIERR(a)      (EFI_ERROR_MASK | (a))
#define EFIERR_OEM(a)  (0xc000000000000000 | (a))

#endif
