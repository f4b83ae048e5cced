/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of malloc, which stands in stdlib.h. */
#ifndef VSTOR_EFI_LOADER_HEAP_H
#define VSTOR_EFI_LOADER_HEAP_H

/** Gives back whatever has not been: before the image comes to its end. */
void heap_free_all(void);

#endif
