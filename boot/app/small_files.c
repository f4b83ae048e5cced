/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "boot/app/console_file.h"
#include "boot/app/small_files.h"

struct small_file {
    const char *name;
    const struct file_ops *ops; /* NULL: the console */
};

static ssize_t read_nothing(struct file *file, uint64_t at, void *buffer, size_t bytes)
{
    (void)file;
    (void)at;
    (void)buffer;
    (void)bytes;
    return 0;
}

static ssize_t read_zeroes(struct file *file, uint64_t at, void *buffer, size_t bytes)
{
    (void)file;
    (void)at;
    memset(buffer, 0, bytes);
    return (ssize_t)bytes;
}

static ssize_t swallow(struct file *file, uint64_t at, const void *buffer, size_t bytes)
{
    (void)file;
    (void)at;
    (void)buffer;
    return (ssize_t)bytes;
}

static ssize_t refuse(struct file *file, uint64_t at, const void *buffer, size_t bytes)
{
    (void)file;
    (void)at;
    (void)buffer;
    (void)bytes;
    return -ENOSPC;
}

static int64_t no_size(struct file *file)
{
    (void)file;
    return 0;
}

static void status_of_device(const struct file *file, struct stat *status)
{
    (void)file;
    status->st_mode = S_IFCHR | S_IRUSR | S_IWUSR;
    status->st_blksize = 4096;
}

#define SMALL_OPS(READ, WRITE)                                                                     \
    &(const struct file_ops)                                                                       \
    {                                                                                              \
        .read = READ, .write = WRITE, .size = no_size, .status = status_of_device                  \
    }

static const struct small_file files[] = {
    {"null", SMALL_OPS(read_nothing, swallow)},
    {"zero", SMALL_OPS(read_zeroes, swallow)},
    {"full", SMALL_OPS(read_zeroes, refuse)},
    {"console", NULL},
    {"tty", NULL},
};

const struct small_file *small_file_find(const char *name)
{
    for (size_t i = 0; i < VST_ARRAY_LENGTH(files); i++)
        if (strcmp(files[i].name, name) == 0)
            return &files[i];
    return NULL;
}

const char *small_file_name(unsigned n)
{
    return n < VST_ARRAY_LENGTH(files) ? files[n].name : NULL;
}

void small_file_open(struct file *file, const struct small_file *small)
{
    if (small->ops == NULL)
        console_file_open(file);
    else
        file->ops = small->ops;
}

void small_file_status(const struct small_file *small, struct stat *status)
{
    if (small->ops == NULL)
        console_file_status(status);
    else
        status_of_device(NULL, status);
}
