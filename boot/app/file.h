/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Open files, whatever stands behind them, and their numbers. As within other kernels, what is
 * refused is told as -errno; posix.c makes errno of it.
 */
#ifndef VSTOR_APP_FILE_H
#define VSTOR_APP_FILE_H

#include <sys/stat.h>
#include <sys/types.h>
#include <vstor/types.h>

#define FILES_MAX 64

struct file;

/** What kinds of files do. A NULL is refused with the error named, or with EBADF by the file's mode. */
struct file_ops {
    /** From byte `at` on (streams: what comes next); how many, fewer at the end or before an error. */
    ssize_t (*read)(struct file *file, uint64_t at, void *buffer, size_t bytes); /**< EINVAL */
    ssize_t (*write)(struct file *file, uint64_t at, const void *buffer, size_t bytes);
    int64_t (*size)(struct file *file);                           /**< NULL: a stream (ESPIPE) */
    int (*sync)(struct file *file);                               /**< EINVAL */
    int (*control)(struct file *file, unsigned long, void *);     /**< ioctl; ENOTTY */
    void (*status)(const struct file *file, struct stat *status); /**< of a zeroed structure */
    int (*close)(struct file *file); /**< NULL: nothing to do; closed whatever it returns */
    bool has_end; /**< there is no seeking beyond it, as Linux has it with disks */
};

struct file {
    const struct file_ops *ops;
    void *object; /**< its own */
    int flags;    /**< of open: O_RDWR, O_DIRECT, ... */
    uint64_t at;
    unsigned n_users; /**< numbers that mean it; 0: free */
};

/** Gives a free file in *file and its number, or -EMFILE. The caller fills the file in. */
int file_new(struct file **file);
/** Takes back what file_new gave if there was nothing to open. */
void file_drop(int number);

/** The file of that number, NULL if there is none. */
struct file *file_numbered(int number);

/** The lowest number from `least` on becomes another one for the same file; or -errno. */
int file_duplicate(int number, int least);
/** `to` becomes it, and is closed before if it was open. */
int file_duplicate_to(int number, int to);

int file_close(int number);
ssize_t file_read(int number, void *buffer, size_t bytes);
ssize_t file_write(int number, const void *buffer, size_t bytes);
ssize_t file_read_at(int number, void *buffer, size_t bytes, int64_t at);
ssize_t file_write_at(int number, const void *buffer, size_t bytes, int64_t at);
int64_t file_seek(int number, int64_t offset, int whence);
int file_sync(int number);
int file_control(int number, unsigned long request, void *argument);
int file_status(int number, struct stat *status);

#endif
