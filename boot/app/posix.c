/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls, under the names that newlib and programs use. What a machine with one program and
 * files that cannot be created has not, is refused with the error that POSIX has for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>

#include "boot/app/console_file.h"
#include "boot/app/disk_io.h"
#include "boot/app/file.h"
#include "boot/app/paths.h"
#include "boot/kernel/power.h"

static int64_t result(int64_t value)
{
    if (value >= 0)
        return value;
    errno = (int)-value;
    return -1;
}

static int fail(int number)
{
    errno = number;
    return -1;
}

/* ---------------------------------------------------------------- files */

int open(const char *path, int flags, ...)
{
    struct file *file;
    int number = file_new(&file);

    if (number < 0)
        return (int)result(number);
    file->flags = flags;
    int error = path_open(file, path);
    if (error == 0)
        return number;
    file_drop(number);
    return (int)result(error);
}

int creat(const char *path, mode_t mode)
{
    return open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int close(int file)
{
    return (int)result(file_close(file));
}

_READ_WRITE_RETURN_TYPE read(int file, void *buffer, size_t bytes)
{
    return (_READ_WRITE_RETURN_TYPE)result(file_read(file, buffer, bytes));
}

_READ_WRITE_RETURN_TYPE write(int file, const void *buffer, size_t bytes)
{
    return (_READ_WRITE_RETURN_TYPE)result(file_write(file, buffer, bytes));
}

ssize_t pread(int file, void *buffer, size_t bytes, off_t at)
{
    return (ssize_t)result(file_read_at(file, buffer, bytes, at));
}

ssize_t pwrite(int file, const void *buffer, size_t bytes, off_t at)
{
    return (ssize_t)result(file_write_at(file, buffer, bytes, at));
}

off_t lseek(int file, off_t offset, int whence)
{
    return (off_t)result(file_seek(file, offset, whence));
}

int fsync(int file)
{
    return (int)result(file_sync(file));
}

int fdatasync(int file)
{
    return fsync(file);
}

void sync(void)
{
    (void)!disk_io_end();
}

int ioctl(int file, unsigned long request, ...)
{
    va_list arguments;

    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return (int)result(file_control(file, request, argument));
}

int fstat(int file, struct stat *status)
{
    return (int)result(file_status(file, status));
}

int stat(const char *path, struct stat *status)
{
    return (int)result(path_status(path, status));
}

int lstat(const char *path, struct stat *status)
{
    return stat(path, status);
}

int access(const char *path, int mode)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return -1;
    return mode & X_OK && !S_ISDIR(status.st_mode) ? fail(EACCES) : 0;
}

int isatty(int file)
{
    const struct file *f = file_numbered(file);

    if (f == NULL)
        return fail(EBADF), 0;
    return console_file_is_terminal(f) ? 1 : (fail(ENOTTY), 0);
}

int dup(int file)
{
    return (int)result(file_duplicate(file, 0));
}

int dup2(int file, int to)
{
    return (int)result(file_duplicate_to(file, to));
}

#define SETTABLE_FLAGS (O_APPEND | O_NONBLOCK | O_DIRECT)

int fcntl(int file, int command, ...)
{
    struct file *f = file_numbered(file);
    va_list arguments;

    va_start(arguments, command);
    int argument = va_arg(arguments, int);
    va_end(arguments);
    if (f == NULL)
        return fail(EBADF);
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return (int)result(file_duplicate(file, argument));
    case F_GETFL:
        return f->flags & ~(O_CREAT | O_EXCL | O_TRUNC);
    case F_SETFL:
        f->flags = (f->flags & ~SETTABLE_FLAGS) | (argument & SETTABLE_FLAGS);
        return 0;
    case F_GETFD: /* nothing is ever executed */
    case F_SETFD:
        return 0;
    default:
        return fail(EINVAL);
    }
}

/* ---------------------------------------------------------------- what can't be changed */

/* EROFS for what is there, ENOENT for what isn't. */
static int refuse_change(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? fail(EROFS) : -1;
}

int ftruncate(int file, off_t bytes)
{
    (void)bytes;
    return fail(file_numbered(file) == NULL ? EBADF : EINVAL);
}

int truncate(const char *path, off_t bytes)
{
    (void)bytes;
    return refuse_change(path);
}

int unlink(const char *path)
{
    return refuse_change(path);
}

int rmdir(const char *path)
{
    return refuse_change(path);
}

int rename(const char *from, const char *to)
{
    (void)to;
    return refuse_change(from);
}

int link(const char *from, const char *to)
{
    (void)to;
    return refuse_change(from);
}

int symlink(const char *from, const char *to)
{
    (void)from;
    (void)to;
    return fail(EROFS);
}

int mkdir(const char *path, mode_t mode)
{
    struct stat status;

    (void)mode;
    return fail(stat(path, &status) == 0 ? EEXIST : EROFS);
}

int chmod(const char *path, mode_t mode)
{
    (void)mode;
    return refuse_change(path);
}

int fchmod(int file, mode_t mode)
{
    (void)mode;
    return fail(file_numbered(file) == NULL ? EBADF : EROFS);
}

int chown(const char *path, uid_t owner, gid_t group)
{
    (void)owner;
    (void)group;
    return refuse_change(path);
}

int lchown(const char *path, uid_t owner, gid_t group)
{
    return chown(path, owner, group);
}

int fchown(int file, uid_t owner, gid_t group)
{
    (void)owner;
    (void)group;
    return fail(file_numbered(file) == NULL ? EBADF : EROFS);
}

int utime(const char *path, const struct utimbuf *times)
{
    (void)times;
    return refuse_change(path);
}

int utimes(const char *path, const struct timeval *times)
{
    (void)times;
    return refuse_change(path);
}

ssize_t readlink(const char *restrict path, char *restrict text, size_t bytes)
{
    struct stat status;

    (void)text;
    (void)bytes;
    return stat(path, &status) == 0 ? fail(EINVAL) : -1;
}

mode_t umask(mode_t mask)
{
    static mode_t kept = S_IWGRP | S_IWOTH;
    mode_t before = kept;

    kept = mask & 0777;
    return before;
}

char *getcwd(char *text, size_t bytes)
{
    if (text == NULL)
        return strdup("/");
    if (bytes < 2) {
        errno = bytes == 0 ? EINVAL : ERANGE;
        return NULL;
    }
    return strcpy(text, "/");
}

int chdir(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return -1;
    return fail(S_ISDIR(status.st_mode) ? EACCES : ENOTDIR);
}

/* ---------------------------------------------------------------- the only process */

/* What was written and not flushed would be lost with the machine, which no program expects. */
void _exit(int status)
{
    if (!disk_io_end() && status == 0)
        status = EXIT_FAILURE;
    power_exit((uint8_t)status);
}

/* Signals that nobody catches come here, from raise and abort. */
int kill(pid_t process, int signal)
{
    if (process != getpid() && process != 0)
        return fail(ESRCH);
    if (signal == 0)
        return 0;
    fflush(stdout);
    fprintf(stderr, "ended by signal %d\n", signal);
    (void)!disk_io_end();
    power_exit(POWER_STATUS_FAILURE);
}

pid_t getpid(void)
{
    return 1;
}

pid_t getppid(void)
{
    return 0;
}

uid_t getuid(void)
{
    return 0;
}

uid_t geteuid(void)
{
    return 0;
}

gid_t getgid(void)
{
    return 0;
}

gid_t getegid(void)
{
    return 0;
}

pid_t fork(void)
{
    return fail(ENOSYS);
}

int execve(const char *path, char *const arguments[], char *const environment[])
{
    (void)path;
    (void)arguments;
    (void)environment;
    return fail(ENOSYS);
}

int pipe(int files[2])
{
    (void)files;
    return fail(ENOSYS);
}

pid_t wait(int *status)
{
    (void)status;
    return fail(ECHILD);
}

pid_t waitpid(pid_t process, int *status, int options)
{
    (void)process;
    (void)status;
    (void)options;
    return fail(ECHILD);
}
