/* SPDX-License-Identifier: BSD-2-Clause */
/* SMBIOS's entry point (DSP0134 3.6, 5.2), of 2.1 or of 3.0 on, as firmware has left it. */
#ifndef VSTOR_LOADER_SMBIOS_H
#define VSTOR_LOADER_SMBIOS_H

#include "boot/loader/bytes.h"

#define LOADER_SMBIOS_ENTRY_BYTES 32u       /**< as many are read of an entry point at most */
#define LOADER_SMBIOS_MAX_BYTES   0x100000u /**< no tables are longer */

/** What it says. All zero: there is none. */
struct loader_smbios {
    uint8_t major, minor;
    uint64_t first, bytes; /**< where the tables lie */
};

/** False if the bytes are no sound entry point, or one without tables. */
bool loader_smbios_read(const struct loader_bytes *entry,
                        struct loader_smbios *smbios) VST_MUST_USE;

#endif
