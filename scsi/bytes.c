/* SPDX-License-Identifier: BSD-2-Clause */
#include "scsi/bytes.h"

void vst_scsi_text(struct scsi_view field, char *text, size_t bytes)
{
    size_t first = 0, end = 0, n = 0;

    while (end < field.bytes && field.at[end] != '\0')
        end++;
    while (first < end && field.at[first] == ' ')
        first++;
    while (end > first && field.at[end - 1] == ' ')
        end--;
    for (; first + n < end && n + 1 < bytes; n++) {
        uint8_t c = field.at[first + n];
        text[n] = c >= ' ' && c <= '~' ? (char)c : '?';
    }
    text[n] = '\0';
}
