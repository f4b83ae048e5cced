/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: mark NUMBER
 * Executes one mark (tests/icount/README.md) in a Linux guest, and nothing else: no C library, a few
 * hundred instructions from its start to its end. NUMBER is decimal; 128 + n ends window n.
 */

/* All 256 marks, each with a return behind it: 8 bytes apart. */
__asm__(".pushsection .text\n"
        "marks:\n"
        ".set i, 0\n"
        ".rept 256\n"
        ".byte 0x0f, 0x1f, 0x80, i, 0x4d, 0x4b, 0x52, 0xc3\n"
        ".set i, i + 1\n"
        ".endr\n"
        ".popsection\n");
extern const char marks[];

static void leave(long status)
{
    __asm__ volatile("syscall" ::"a"(60L), "D"(status) : "rcx", "r11", "memory");
    __builtin_unreachable();
}

__attribute__((used)) static void start(const long *stack)
{
    const char *const *argv = (const char *const *)(stack + 1);
    unsigned number = 0;

    if (stack[0] != 2)
        leave(2);
    for (const char *p = argv[1]; *p != '\0'; p++)
        number = number * 10 + (unsigned)(*p - '0');
    __asm__ volatile("call *%0" ::"r"(marks + number % 256 * 8) : "memory");
    leave(0);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall start\n");
