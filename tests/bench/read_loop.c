/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: read_loop FILE seq|rand N
 * N calls of read() (seq) or pread() at random places (rand), 4 KiB each, in a Linux guest, between
 * the marks of window 1 (tests/icount/README.md). No C library: what is counted is the loop, the
 * system call, and what the kernel does for it, through its page cache.
 */
#include <stdint.h>

#define BLOCK_BYTES 4096u
#define MARK(id)                                                                                   \
    __asm__ __volatile__(".byte 0x0f,0x1f,0x80,%c0,0x4d,0x4b,0x52" ::"i"(id) : "memory")

static uint8_t buffer[BLOCK_BYTES] __attribute__((aligned(4096)));

static long call(long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

static void leave(long status)
{
    call(60, status, 0, 0, 0);
    __builtin_unreachable();
}

__attribute__((used)) static void start(const long *stack)
{
    const char *const *argv = (const char *const *)(stack + 1);
    uint64_t place = 3, n = 0;

    if (stack[0] != 4)
        leave(2);
    long file = call(2, (long)argv[1], 0, 0, 0);
    uint64_t n_blocks = (uint64_t)call(8, file, 0, 2, 0) / BLOCK_BYTES;
    for (const char *p = argv[3]; *p != '\0'; p++)
        n = n * 10 + (uint64_t)(*p - '0');
    if (file < 0 || n_blocks < n || call(8, file, 0, 0, 0) != 0)
        leave(3);
    MARK(0x01);
    for (; n > 0; n--) {
        long bytes;
        if (argv[2][0] == 's') {
            bytes = call(0, file, (long)buffer, BLOCK_BYTES, 0);
        } else {
            place *= 6364136223846793005u;
            bytes = call(17, file, (long)buffer, BLOCK_BYTES,
                         (long)((uint64_t)((unsigned __int128)place * n_blocks >> 64) * BLOCK_BYTES));
        }
        if (bytes != BLOCK_BYTES)
            leave(4);
    }
    MARK(0x81);
    leave(0);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall start\n");
