/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The composition root of programs: has the machine brought up, opens standard input, output and
 * error, and calls main on a stack of its own.
 */
#include <arch/entry.h>
#include <arch/paging.h>
#include <arch/system.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot/app/command_line.h"
#include "boot/app/console_file.h"
#include "boot/app/file.h"
#include "boot/app/real_time.h"
#include "boot/kernel/console.h"
#include "boot/kernel/cpu.h"
#include "boot/kernel/log.h"
#include "boot/kernel/machine.h"
#include "boot/kernel/memory.h"
#include "boot/kernel/platform.h"

#define MAX_STACK_BYTES   (8ull << 20)
#define LEAST_STACK_BYTES (256ull << 10)
#define STACK_PART        16u /* of free memory at most */
#define LEAST_DEVICES     (16ull << 20)
#define DEVICES_PART      16u
#define STATUS_CANNOT_RUN 126

/** The program's; its name is made where it is linked. */
extern const char vstor_app_name[];
extern char **environ;
int main(int argc, char **argv, char **envp);

extern void (*const image_constructors[])(void), (*const image_constructors_end[])(void);

static const struct machine *machine;
static uint64_t stack_guard, stack_top;

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Right away, as a page must be taken out while no other CPU runs. */
static void start_stack(void)
{
    uint64_t bytes = smaller(MAX_STACK_BYTES, memory_free_bytes() / STACK_PART);

    bytes = round_up(bytes > LEAST_STACK_BYTES ? bytes : LEAST_STACK_BYTES, ARCH_PAGE_BYTES);
    stack_guard = memory_alloc(ARCH_PAGE_BYTES + bytes, ARCH_PAGE_BYTES);
    if (stack_guard == 0 || !arch_paging_guard(stack_guard))
        panic("not enough memory for a stack");
    stack_top = stack_guard + ARCH_PAGE_BYTES + bytes;
}

/* All but what devices need: rings, a pool, the drivers' own. */
static void start_heap(void)
{
    start_stack();
    uint64_t bytes = memory_free_bytes() / DEVICES_PART;
    bytes = bytes > LEAST_DEVICES ? bytes : LEAST_DEVICES;
    memory_start_large_heap(smaller(bytes, memory_free_bytes() / 2));
}

/* ---------------------------------------------------------------- standard files */

/* From the start, for what is said while disks are looked for. */
static void open_console(void)
{
    struct file *file;

    console_file_start(true);
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++) {
        (void)file_new(&file);
        file->flags = O_RDWR;
        console_file_open(file);
    }
}

static bool redirect(const struct command_line *line, int number)
{
    const char *path = line->files[number];
    int flags = number == STDIN_FILENO ? O_RDONLY : O_WRONLY | O_CREAT;

    if (path == NULL)
        return true;
    int file = open(path, flags, 0666);
    if (file < 0) {
        console_printf("%s: %s: %s\n", vstor_app_name, path, strerror(errno));
        return false;
    }
    (void)dup2(file, number);
    (void)close(file);
    return true;
}

static bool redirect_all(const struct command_line *line)
{
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++)
        if (!redirect(line, number))
            return false;
    if (line->error_to_output)
        (void)dup2(STDOUT_FILENO, STDERR_FILENO);
    return true;
}

/* ---------------------------------------------------------------- the program */

static void construct(void)
{
    size_t n = (size_t)(image_constructors_end - image_constructors);

    for (size_t i = 0; i < n; i++)
        image_constructors[i]();
}

static const char *take_command_line(struct command_line *line)
{
    static char name[256], text[BOOT_COMMAND_LINE_BYTES];

    if (machine->boot.command_line_cut)
        return "the command line is too long";
    strlcpy(name, vstor_app_name, sizeof(name));
    strlcpy(text, machine->boot.command_line, sizeof(text));
    return command_line_take(line, name, text);
}

static _Noreturn void run_program(void)
{
    static struct command_line line;

    fflush(stdout);
    console_file_start(machine->options.interactive);
    const char *wrong = take_command_line(&line);
    if (wrong != NULL)
        console_printf("%s: %s\n", vstor_app_name, wrong);
    if (wrong != NULL || !redirect_all(&line))
        _exit(STATUS_CANNOT_RUN);
    construct();
    exit(main((int)line.n_words, line.words, environ));
}

void kernel_start(uint32_t loader, uint32_t info_physical)
{
    static const struct machine_plan plan = {.start_heap = start_heap, .n_cpus = 1};

    open_console();
    machine = machine_start(loader, info_physical, &plan);
    real_time_start();
    cpu_here()->stack_guard = stack_guard;
    arch_continue_on_stack(stack_top, run_program);
}
