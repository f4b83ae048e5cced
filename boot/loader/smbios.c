/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/loader/smbios.h"

#define LEAST_BYTES_2 0x1eu /* some say one byte less than they have (5.2.1, note) */
#define LEAST_BYTES_3 0x18u

static bool begins_with(const struct loader_bytes *entry, const char *anchor)
{
    size_t bytes = strlen(anchor);

    return loader_holds(entry, 0, bytes) && memcmp(entry->at, anchor, bytes) == 0;
}

static bool sums_to_zero(const struct loader_bytes *entry, uint8_t bytes)
{
    uint8_t sum = 0;

    if (!loader_holds(entry, 0, bytes))
        return false;
    for (uint8_t i = 0; i < bytes; i++)
        sum = (uint8_t)(sum + entry->at[i]);
    return sum == 0;
}

bool loader_smbios_read(const struct loader_bytes *entry, struct loader_smbios *smbios)
{
    bool is_3 = begins_with(entry, "_SM3_");
    uint8_t bytes = loader_u8(entry, is_3 ? 6 : 5);

    if ((!is_3 && !begins_with(entry, "_SM_")) || bytes < (is_3 ? LEAST_BYTES_3 : LEAST_BYTES_2) ||
        !sums_to_zero(entry, bytes))
        return false;
    if (is_3)
        *smbios = (struct loader_smbios){loader_u8(entry, 7), loader_u8(entry, 8),
                                         loader_u64(entry, 0x10), loader_u32(entry, 0xc)};
    else
        *smbios = (struct loader_smbios){loader_u8(entry, 6), loader_u8(entry, 7),
                                         loader_u32(entry, 0x18), loader_u16(entry, 0x16)};
    return smbios->first != 0 && smbios->bytes != 0 && smbios->bytes <= LOADER_SMBIOS_MAX_BYTES &&
           smbios->bytes <= UINT64_MAX - smbios->first;
}
