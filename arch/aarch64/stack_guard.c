/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/stack_guard.h>

uintptr_t __stack_chk_guard;
