/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/cpu.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "boot/app/console_file.h"
#include "boot/kernel/console.h"
#include "boot/kernel/disks.h"

#define LINE_BYTES 1024u

enum {
    KEY_INTERRUPT = 0x03,
    KEY_END = 0x04,
    KEY_BACKSPACE = 0x08,
    KEY_KILL = 0x15,
    KEY_DELETE = 0x7f,
};

static bool terminal;
/* What was typed: the line being edited, or the one being read. */
static struct {
    char text[LINE_BYTES];
    size_t length, n_read;
} line;

static int next_byte(void)
{
    int byte;

    while ((byte = console_read_byte()) < 0) {
        disks_look_after();
        arch_pause();
    }
    return byte;
}

static void echo(const char *text)
{
    console_write(text, strlen(text));
}

static void rub_out(size_t n)
{
    for (; n > 0 && line.length > 0; n--, line.length--)
        echo("\b \b");
}

/* Takes one key. True if that ended the line. */
static bool take_key(char key)
{
    switch (key) {
    case '\r':
    case '\n':
        echo("\n");
        line.text[line.length++] = '\n';
        return true;
    case KEY_END:
        return true;
    case KEY_INTERRUPT:
        echo("^C\n");
        raise(SIGINT);
        line.length = 0;
        return false;
    case KEY_BACKSPACE:
    case KEY_DELETE:
        rub_out(1);
        return false;
    case KEY_KILL:
        rub_out(LINE_BYTES);
        return false;
    default:
        if (line.length < LINE_BYTES - 1) { /* the last is for the line feed */
            line.text[line.length++] = key;
            console_write(&key, 1);
        }
        return false;
    }
}

static ssize_t read_line(char *buffer, size_t bytes)
{
    if (line.n_read == line.length) {
        line.n_read = line.length = 0;
        while (!take_key((char)next_byte()))
            ;
    }
    size_t left = line.length - line.n_read;
    size_t n = bytes < left ? bytes : left;
    memcpy(buffer, line.text + line.n_read, n);
    line.n_read += n;
    return (ssize_t)n;
}

/* Waits for one byte, then takes what has come with it. */
static ssize_t console_read(struct file *file, uint64_t at, void *buffer, size_t bytes)
{
    unsigned char *to = buffer;
    size_t n = 0;
    int byte;

    (void)file;
    (void)at;
    fflush(stdout);
    if (bytes == 0)
        return 0;
    if (terminal)
        return read_line(buffer, bytes);
    to[n++] = (unsigned char)next_byte();
    while (n < bytes && (byte = console_read_byte()) >= 0)
        to[n++] = (unsigned char)byte;
    return (ssize_t)n;
}

static ssize_t write_console(struct file *file, uint64_t at, const void *buffer, size_t bytes)
{
    (void)file;
    (void)at;
    if (terminal)
        console_write(buffer, bytes);
    else
        console_write_raw(buffer, bytes);
    return (ssize_t)bytes;
}

void console_file_status(struct stat *status)
{
    status->st_mode = (terminal ? S_IFCHR : S_IFIFO) | S_IRUSR | S_IWUSR;
    status->st_blksize = LINE_BYTES;
}

static void console_status(const struct file *file, struct stat *status)
{
    (void)file;
    console_file_status(status);
}

static const struct file_ops console_ops = {
    .read = console_read,
    .write = write_console,
    .status = console_status,
};

void console_file_start(bool is_terminal)
{
    terminal = is_terminal;
}

void console_file_open(struct file *file)
{
    file->ops = &console_ops;
}

bool console_file_is_terminal(const struct file *file)
{
    return terminal && file->ops == &console_ops;
}
