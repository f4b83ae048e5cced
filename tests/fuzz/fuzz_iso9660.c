/* SPDX-License-Identifier: BSD-2-Clause */
/* ISO 9660, Rock Ridge, Joliet. */
#include "tests/fuzz/fuzz_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_files(data, bytes);
    return 0;
}
