/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "boot/app/file.h"

#define NULL_PAGE_BYTES 4096u
#define MAX_BYTES       0x7ffff000u /* at once, as on Linux */

static struct file files[FILES_MAX];
static struct file *numbers[FILES_MAX];

struct file *file_numbered(int number)
{
    return number >= 0 && number < FILES_MAX ? numbers[number] : NULL;
}

static int free_number(int least)
{
    for (int number = least; number < FILES_MAX; number++)
        if (numbers[number] == NULL)
            return number;
    return -EMFILE;
}

int file_new(struct file **file)
{
    int number = free_number(0);

    if (number < 0)
        return number;
    *file = files; /* there are as many as numbers, so one is free */
    while ((*file)->n_users > 0)
        ++*file;
    **file = (struct file){.n_users = 1};
    numbers[number] = *file;
    return number;
}

void file_drop(int number)
{
    numbers[number]->n_users--;
    numbers[number] = NULL;
}

int file_duplicate(int number, int least)
{
    struct file *file = file_numbered(number);

    if (file == NULL)
        return -EBADF;
    if (least < 0 || least >= FILES_MAX)
        return -EINVAL;
    int other = free_number(least);
    if (other >= 0) {
        numbers[other] = file;
        file->n_users++;
    }
    return other;
}

int file_duplicate_to(int number, int to)
{
    if (file_numbered(number) == NULL || to < 0 || to >= FILES_MAX)
        return -EBADF;
    if (number == to)
        return to;
    if (numbers[to] != NULL)
        (void)file_close(to);
    return file_duplicate(number, to);
}

int file_close(int number)
{
    struct file *file = file_numbered(number);

    if (file == NULL)
        return -EBADF;
    int error = 0;
    numbers[number] = NULL;
    if (file->n_users == 1 && file->ops->close != NULL)
        error = file->ops->close(file);
    file->n_users--;
    return error;
}

/* ---------------------------------------------------------------- reading and writing */

/* Not the whole of an address check, but a null pointer is what goes wrong. */
static bool is_null(const void *buffer, size_t bytes)
{
    return bytes > 0 && (uintptr_t)buffer < NULL_PAGE_BYTES;
}

static ssize_t read_at(struct file *file, uint64_t at, void *buffer, size_t bytes)
{
    if ((file->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    if (file->ops->read == NULL)
        return -EINVAL;
    if (is_null(buffer, bytes))
        return -EFAULT;
    return file->ops->read(file, at, buffer, bytes < MAX_BYTES ? bytes : MAX_BYTES);
}

static ssize_t write_at(struct file *file, uint64_t at, const void *buffer, size_t bytes)
{
    if ((file->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    if (file->ops->write == NULL)
        return -EINVAL;
    if (is_null(buffer, bytes))
        return -EFAULT;
    return file->ops->write(file, at, buffer, bytes < MAX_BYTES ? bytes : MAX_BYTES);
}

ssize_t file_read(int number, void *buffer, size_t bytes)
{
    struct file *file = file_numbered(number);

    if (file == NULL)
        return -EBADF;
    ssize_t n = read_at(file, file->at, buffer, bytes);
    if (n > 0)
        file->at += (uint64_t)n;
    return n;
}

ssize_t file_write(int number, const void *buffer, size_t bytes)
{
    struct file *file = file_numbered(number);

    if (file == NULL)
        return -EBADF;
    ssize_t n = write_at(file, file->at, buffer, bytes);
    if (n > 0)
        file->at += (uint64_t)n;
    return n;
}

/* The file that something is to be done to at a place of its own; NULL with the error in *error. */
static struct file *positioned(int number, int64_t at, ssize_t *error)
{
    struct file *file = file_numbered(number);

    *error = file == NULL ? -EBADF : file->ops->size == NULL ? -ESPIPE : at < 0 ? -EINVAL : 0;
    return *error == 0 ? file : NULL;
}

ssize_t file_read_at(int number, void *buffer, size_t bytes, int64_t at)
{
    ssize_t error;
    struct file *file = positioned(number, at, &error);

    return file == NULL ? error : read_at(file, (uint64_t)at, buffer, bytes);
}

ssize_t file_write_at(int number, const void *buffer, size_t bytes, int64_t at)
{
    ssize_t error;
    struct file *file = positioned(number, at, &error);

    return file == NULL ? error : write_at(file, (uint64_t)at, buffer, bytes);
}

int64_t file_seek(int number, int64_t offset, int whence)
{
    ssize_t error;
    struct file *file = positioned(number, 0, &error);
    int64_t base;

    if (file == NULL)
        return error;
    switch (whence) {
    case SEEK_SET:
        base = 0;
        break;
    case SEEK_CUR:
        base = (int64_t)file->at;
        break;
    case SEEK_END:
        base = file->ops->size(file);
        break;
    default:
        return -EINVAL;
    }
    if (__builtin_add_overflow(base, offset, &base) || base < 0 ||
        (file->ops->has_end && base > file->ops->size(file)))
        return -EINVAL;
    file->at = (uint64_t)base;
    return base;
}

/* ---------------------------------------------------------------- the rest */

int file_sync(int number)
{
    struct file *file = file_numbered(number);

    if (file == NULL)
        return -EBADF;
    return file->ops->sync != NULL ? file->ops->sync(file) : -EINVAL;
}

int file_control(int number, unsigned long request, void *argument)
{
    struct file *file = file_numbered(number);

    if (file == NULL)
        return -EBADF;
    return file->ops->control != NULL ? file->ops->control(file, request, argument) : -ENOTTY;
}

int file_status(int number, struct stat *status)
{
    const struct file *file = file_numbered(number);

    if (file == NULL)
        return -EBADF;
    *status = (struct stat){.st_nlink = 1};
    file->ops->status(file, status);
    return 0;
}
