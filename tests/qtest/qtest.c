/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE 1
#include "tests/qtest/qtest.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/qtest/machine.h"

#define MAX_ARGUMENTS 128u
#define MAX_IRQS      64u
/* Below are timers and other old devices that nobody has silenced: PCI is led to 10 and above. */
#define FIRST_PCI_IRQ 10u
/* So that neither side's socket buffer fills up with answers that nobody has read. */
#define MAX_POSTED 64u

static struct {
    pid_t pid;
    int socket;
    unsigned n_posted; /* writes whose OK has not been read */
    char buffer[4096];
    size_t at, n_bytes;
    bool irq[MAX_IRQS];
    unsigned n_raised;
} q;

/* ------------------------------------------------------------------ the process */

/** 64 KiB that end at 4 GiB: the reset vector jumps to cli; hlt, and the processor sleeps. */
static int sleeping_firmware(void)
{
    static const uint8_t code[16] = {0xfa, 0xf4, 0xeb, 0xfd};
    int fd = memfd_create("hlt.rom", 0);

    CHECK(fd >= 0 && ftruncate(fd, 65536) == 0);
    CHECK(pwrite(fd, code, sizeof(code), 65536 - sizeof(code)) == sizeof(code));
    return fd;
}

static void exec_qemu(int socket, int memory_fd, uint64_t memory_bytes, char *const *arguments)
{
    char rom[64], memory[160], channel[64], size[32];
    const char *argv[MAX_ARGUMENTS] = {"qemu-system-x86_64",
                                       "-nodefaults",
                                       "-no-user-config",
                                       "-display",
                                       "none",
                                       "-vga",
                                       "none",
                                       "-accel",
                                       "tcg",
                                       "-qtest",
                                       "chardev:qtest",
                                       "-qtest-log",
                                       "none"};
    size_t n = 0;

    snprintf(rom, sizeof(rom), "/proc/self/fd/%d", sleeping_firmware());
    snprintf(memory, sizeof(memory),
             "memory-backend-file,id=m,size=%llu,mem-path=/proc/self/fd/%d,share=on",
             (unsigned long long)memory_bytes, memory_fd);
    snprintf(size, sizeof(size), "%lluM", (unsigned long long)memory_bytes >> 20);
    snprintf(channel, sizeof(channel), "socket,id=qtest,fd=%d", socket);
    while (argv[n] != NULL)
        n++;
    const char *more[] = {"-m", size, "-bios", rom, "-object", memory, "-chardev", channel};
    for (size_t i = 0; i < VST_ARRAY_LENGTH(more); i++)
        argv[n++] = more[i];
    while (*arguments != NULL && n < MAX_ARGUMENTS - 1)
        argv[n++] = *arguments++;
    CHECK(*arguments == NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

void qtest_start(int memory_fd, uint64_t memory_bytes, char *const *arguments)
{
    int ends[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    q.pid = fork();
    CHECK(q.pid >= 0);
    if (q.pid == 0) {
        close(ends[0]);
        exec_qemu(ends[1], memory_fd, memory_bytes, arguments);
    }
    close(ends[1]);
    q.socket = ends[0];
}

/* ------------------------------------------------------------------ the protocol */

static void send_line(const char *format, ...) VST_PRINTF(1, 2);
static void send_line(const char *format, ...)
{
    char line[128];
    va_list values;

    va_start(values, format);
    int n = vsnprintf(line, sizeof(line), format, values);
    va_end(values);
    for (int sent = 0; sent < n;) {
        ssize_t some = send(q.socket, line + sent, (size_t)(n - sent), MSG_NOSIGNAL);
        if (some <= 0)
            FAIL("QEMU is gone (its message, if any, is above)");
        sent += (int)some;
    }
}

static char next_char(void)
{
    if (q.at == q.n_bytes) {
        ssize_t n = recv(q.socket, q.buffer, sizeof(q.buffer), 0);
        if (n <= 0)
            FAIL("QEMU is gone (its message, if any, is above)");
        q.at = 0;
        q.n_bytes = (size_t)n;
    }
    return q.buffer[q.at++];
}

static void read_line(char *line, size_t bytes)
{
    size_t n = 0;
    char c;

    while ((c = next_char()) != '\n') {
        CHECK(n + 1 < bytes);
        line[n++] = c;
    }
    line[n] = '\0';
}

/** "IRQ raise 22": comes at any time between answers. */
static bool take_irq(const char *line)
{
    char what[8];
    unsigned number;

    if (sscanf(line, "IRQ %7s %u", what, &number) != 2)
        return false;
    CHECK(number < MAX_IRQS);
    if (number < FIRST_PCI_IRQ)
        return true;
    bool raised = strcmp(what, "raise") == 0;
    q.n_raised += raised && !q.irq[number];
    q.irq[number] = raised;
    return true;
}

static uint32_t read_answer(void)
{
    char line[256];

    do {
        read_line(line, sizeof(line));
    } while (take_irq(line));
    if (strncmp(line, "OK", 2) != 0)
        FAIL("qtest answers '%s'", line);
    return (uint32_t)strtoull(line + 2, NULL, 0);
}

static void drain(void)
{
    for (; q.n_posted > 0; q.n_posted--)
        read_answer();
}

static uint32_t ask(void)
{
    drain();
    return read_answer();
}

static void post(void)
{
    if (++q.n_posted >= MAX_POSTED)
        drain();
}

static char letter(uint8_t width_bytes)
{
    return width_bytes == 1 ? 'b' : width_bytes == 2 ? 'w' : 'l';
}

uint32_t qtest_port_read(uint16_t port, uint8_t width_bytes)
{
    send_line("in%c 0x%x\n", letter(width_bytes), port);
    return ask();
}

void qtest_port_write(uint16_t port, uint8_t width_bytes, uint32_t value)
{
    send_line("out%c 0x%x 0x%x\n", letter(width_bytes), port, value);
    post();
}

uint32_t qtest_memory_read(uint64_t physical, uint8_t width_bytes)
{
    send_line("read%c 0x%llx\n", letter(width_bytes), (unsigned long long)physical);
    return ask();
}

void qtest_memory_write(uint64_t physical, uint8_t width_bytes, uint32_t value)
{
    send_line("write%c 0x%llx 0x%x\n", letter(width_bytes), (unsigned long long)physical, value);
    post();
}

void qtest_intercept(const char *controller)
{
    send_line("irq_intercept_in %s\n", controller);
    ask();
}

/** Any access makes QEMU tell first what interrupts there were: "IRQ" lines come before its OK. */
static void synchronise(void)
{
    qtest_port_read(0x80, 1);
}

unsigned qtest_irq_level(void)
{
    unsigned n = 0;

    synchronise();
    for (unsigned i = 0; i < MAX_IRQS; i++)
        n += q.irq[i];
    return n;
}

unsigned qtest_irq_raises(void)
{
    synchronise();
    return q.n_raised;
}

void qtest_stop(void)
{
    int status;

    drain();
    kill(q.pid, SIGTERM);
    CHECK(waitpid(q.pid, &status, 0) == q.pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        FAIL("QEMU ended with status %#x", status);
    close(q.socket);
}
