/* SPDX-License-Identifier: BSD-2-Clause */
/* FAT of any kind. */
#include "tests/fuzz/fuzz_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_files(data, bytes);
    return 0;
}
