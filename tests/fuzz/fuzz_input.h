/* SPDX-License-Identifier: BSD-2-Clause */
/* The fuzzer's bytes, taken one after the other; behind their end everything is 0. */
#ifndef VSTOR_TESTS_FUZZ_INPUT_H
#define VSTOR_TESTS_FUZZ_INPUT_H

#include <stdio.h>
#include <stdlib.h>
#include <vstor/types.h>

struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t fuzz_u8(struct fuzz_input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

static inline uint64_t fuzz_bytes(struct fuzz_input *input, unsigned n_bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n_bytes; i++)
        value |= (uint64_t)fuzz_u8(input) << (8 * i);
    return value;
}

static inline uint16_t fuzz_u16(struct fuzz_input *input)
{
    return (uint16_t)fuzz_bytes(input, 2);
}

static inline uint32_t fuzz_u32(struct fuzz_input *input)
{
    return (uint32_t)fuzz_bytes(input, 4);
}

/** A fact that must hold whatever the device does; its failure is a finding. */
#define FUZZ_CHECK(fact)                                                                           \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fprintf(stderr, "%s:%d: FUZZ_CHECK failed: %s\n", __FILE__, __LINE__, #fact);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#endif
