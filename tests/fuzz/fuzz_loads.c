/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What clang's -fsanitize-coverage=trace-loads calls before each load of the code under test: the
 * moment at which a device can change what is read. This file is compiled without that option.
 */
#include "tests/fuzz/fuzz_virtio.h"

#define LOAD_OF(n)                                                                                 \
    void __sanitizer_cov_load##n(const void *address);                                             \
    void __sanitizer_cov_load##n(const void *address)                                              \
    {                                                                                              \
        fuzz_virtio_before_load((uintptr_t)address, n);                                            \
    }

LOAD_OF(1)
LOAD_OF(2)
LOAD_OF(4)
LOAD_OF(8)
LOAD_OF(16)
