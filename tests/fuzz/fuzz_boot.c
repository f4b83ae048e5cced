#include "tests/fuzz/fuzz_input.h"
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    (void)data;
    (void)bytes;
    return 0;
}
