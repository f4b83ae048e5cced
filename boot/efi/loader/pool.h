/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of the firmware, as boot services data. */
#ifndef VSTOR_EFI_LOADER_POOL_H
#define VSTOR_EFI_LOADER_POOL_H

#include "boot/efi/firmware.h"

/** Zeroed. NULL: there is no memory. */
void *pool_take(UINTN bytes);
/** NULL, too. */
void pool_give(void *memory);

/** Whole pages, not zeroed, at least one. NULL: there is no memory. */
void *pages_take(UINT64 bytes);
/** Bytes as then; NULL, too. */
void pages_give(void *memory, UINT64 bytes);
/** What pages_take really gives. */
UINT64 pages_bytes(UINT64 bytes);

#endif
