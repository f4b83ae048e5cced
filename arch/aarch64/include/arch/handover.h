/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/handover.h (aarch64): there is no way past the firmware. Kernels that are entered so are x86's;
 * those of this processor are EFI programs, too. The words are here for who asks ARCH_HAS_HANDOVER
 * first; the functions are nowhere.
 */
#ifndef VSTOR_ARCH_HANDOVER_H
#define VSTOR_ARCH_HANDOVER_H

#include <vstor/types.h>

#define ARCH_HAS_HANDOVER   0
#define ARCH_HANDOVER_BYTES 0

struct arch_handover_copy {
    uint64_t to, from, bytes, zero_bytes;
};

struct arch_handover {
    const struct arch_handover_copy *copies;
    uint32_t n_copies;
    uint32_t entry;
    bool is_64_bit;
    uint32_t eax, ebx, esi;
};

_Noreturn void arch_handover(uint64_t area, const struct arch_handover *handover);
_Noreturn void arch_handover_firmware(uint64_t entry, uint32_t eax, uint64_t rbx);

#endif
