/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: files DISK. Does with a disk what a program can do with a block special file, and prints what
 * comes of it, the same text on Linux and on vstor: the test runs it on both. Changes the disk.
 */
#define _GNU_SOURCE /* O_DIRECT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512
#define NAME(number)                                                                               \
    {                                                                                              \
        number, #number                                                                            \
    }

static unsigned char buffer[65536] __attribute__((aligned(4096)));
static int n_lines;

static const char *error_name(int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {NAME(EBADF),  NAME(EEXIST),  NAME(EFAULT), NAME(EINVAL),      NAME(EIO),
                 NAME(EISDIR), NAME(ENOENT),  NAME(ENOSPC), NAME(ENOTTY),      NAME(EROFS),
                 NAME(ESPIPE), NAME(ENOTDIR), NAME(ENXIO),  NAME(ENAMETOOLONG)};
    static char other[20];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].number == number)
            return names[i].name;
    snprintf(other, sizeof(other), "error %d", number);
    return other;
}

static void say(const char *what, long long value)
{
    int error = errno;

    printf("%d %s: %lld%s%s\n", ++n_lines, what, value, value < 0 ? " " : "",
           value < 0 ? error_name(error) : "");
}

#define T(call) say(#call, (errno = 0, (long long)(call)))

/* A number for what is in the buffer. */
static long long sum(size_t bytes)
{
    uint32_t value = 2166136261u;

    for (size_t i = 0; i < bytes; i++)
        value = (value ^ buffer[i]) * 16777619u;
    return value;
}

static void fill(unsigned char first, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        buffer[i] = (unsigned char)(first + i * 7);
}

static void sizes(int file)
{
    struct stat status;
    uint64_t bytes = 0;
    unsigned long sectors = 0;
    unsigned physical = 0;
    int logical = 0, read_only = -1;

    T(fstat(file, &status));
    T(S_ISBLK(status.st_mode) != 0);
    T(status.st_size);
    T(ioctl(file, BLKGETSIZE64, &bytes));
    T(bytes);
    T(ioctl(file, BLKGETSIZE, &sectors));
    T(sectors);
    T(ioctl(file, BLKSSZGET, &logical));
    T(logical);
    T(ioctl(file, BLKPBSZGET, &physical));
    T(physical);
    T(ioctl(file, BLKROGET, &read_only));
    T(read_only);
    T(ioctl(file, 0x12345678, &bytes) < 0);
    T(isatty(file));
}

static void places(int file, off_t end)
{
    T(lseek(file, 0, SEEK_END) == end);
    T(lseek(file, 0, SEEK_CUR) == end);
    T(read(file, buffer, 100));
    T(lseek(file, -100, SEEK_CUR) == end - 100);
    T(read(file, buffer, 4096));
    T(sum(100));
    T(lseek(file, 5000, SEEK_END) == end + 5000);
    T(read(file, buffer, 10));
    T(lseek(file, -1, SEEK_SET));
    T(lseek(file, -end - 1, SEEK_END));
    T(lseek(file, 0, 77));
    T(lseek(file, 1000, SEEK_SET));
    T(read(file, buffer, 3000));
    T(sum(3000));
    T(lseek(file, 0, SEEK_CUR));
    T(pread(file, buffer, 5000, 511));
    T(sum(5000));
    T(pread(file, buffer, 5000, end - 3));
    T(sum(3));
    T(pread(file, buffer, 1, end));
    T(pread(file, buffer, 1, -1));
    T(pread(file, buffer, 0, 0));
    T(lseek(file, 0, SEEK_CUR));
}

static void writes(int file, off_t end)
{
    fill(1, 5000);
    T(pwrite(file, buffer, 5000, 700));
    T(pwrite(file, buffer, 1, 511));
    T(pwrite(file, buffer, 1024, 4096));
    T(pwrite(file, buffer, 5000, end - 1000));
    T(pwrite(file, buffer, 1, end));
    T(pwrite(file, buffer, 1, end + 77777));
    T(pwrite(file, buffer, 1, -5));
    T(pwrite(file, buffer, 0, 3));
    T(lseek(file, 20000, SEEK_SET));
    T(write(file, buffer, 33));
    T(write(file, buffer, 34));
    T(lseek(file, 0, SEEK_CUR));
    T(pread(file, buffer, 30000, 0));
    T(sum(30000));
    T(pread(file, buffer, 2000, end - 2000));
    T(sum(2000));
    T(fsync(file));
    T(fdatasync(file));
}

static void modes(const char *disk)
{
    int reader = open(disk, O_RDONLY), writer = open(disk, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    T(reader >= 0 && writer > reader);
    T(write(reader, buffer, 1));
    T(read(writer, buffer, 1));
    T(pread(writer, buffer, 1, 0));
    T(fcntl(reader, F_GETFL) & O_ACCMODE);
    T(fcntl(writer, F_GETFL) & O_ACCMODE);
    T(fsync(reader));
    int other = dup(reader);
    T(other > writer);
    T(lseek(reader, 1234, SEEK_SET));
    T(lseek(other, 0, SEEK_CUR));
    T(close(reader));
    T(read(other, buffer, 10));
    T(dup2(other, 20));
    T(lseek(20, 0, SEEK_CUR));
    T(close(other));
    T(close(20));
    T(close(20));
    T(read(20, buffer, 1));
    T(dup(20));
    T(fsync(20));
    T(lseek(-1, 0, SEEK_SET));
    T(close(writer));
    T(open(disk, O_RDWR | O_CREAT | O_EXCL, 0600));
    T(open("/dev/nothing", O_RDWR));
    T(open("/dev/nothing/there", O_RDWR));
    T(open("", O_RDWR));
    T(open("/dev", O_RDWR));
    T(open(disk, O_RDONLY | O_DIRECTORY));
}

static void direct(const char *disk, off_t end)
{
    int file = open(disk, O_RDWR | O_DIRECT);

    T(file >= 0);
    T(pread(file, buffer, 4096, 0));
    T(sum(4096));
    T(pread(file, buffer, 4096, 100));
    T(pread(file, buffer, 100, 0));
    T(pread(file, buffer, 4096, end - SECTOR));
    fill(9, 4096);
    T(pwrite(file, buffer, 4096, 8192));
    T(pwrite(file, buffer, 4000, 8192));
    T(pwrite(file, buffer, 512, end));
    T(close(file));
    file = open(disk, O_RDWR | O_SYNC);
    T(pwrite(file, buffer, 4096, 32768));
    T(pwrite(file, buffer, 77, 40001));
    T(close(file));
    file = open(disk, O_WRONLY | O_APPEND);
    T(write(file, buffer, 10));
    T(close(file));
}

static void ranges(const char *disk, int file, uint64_t end)
{
    int reader = open(disk, O_RDONLY);
    uint64_t range[2] = {65536, 65536}, cut[2] = {65536, 100}, late[2] = {100, SECTOR};
    uint64_t beyond[2] = {end - SECTOR, 2 * SECTOR}, huge[2] = {SECTOR, UINT64_MAX - 511};

    T(ioctl(file, BLKDISCARD, range));
    T(ioctl(file, BLKDISCARD, cut));
    T(ioctl(file, BLKDISCARD, late));
    T(ioctl(file, BLKDISCARD, beyond));
    T(ioctl(file, BLKDISCARD, huge));
    T(ioctl(reader, BLKDISCARD, range));
    T(ioctl(file, BLKZEROOUT, range));
    T(pread(file, buffer, 65536, 65536));
    T(sum(65536));
    range[0] = 3 * SECTOR;
    range[1] = 5 * SECTOR;
    T(ioctl(file, BLKZEROOUT, range));
    T(ioctl(file, BLKZEROOUT, cut));
    T(ioctl(file, BLKZEROOUT, beyond));
    T(ioctl(reader, BLKZEROOUT, range));
    T(pread(file, buffer, 9000, 0));
    T(sum(9000));
    T(ioctl(file, BLKFLSBUF, NULL));
    close(reader);
}

static void streams(const char *disk, long end)
{
    char text[64];
    FILE *stream = fopen(disk, "r+");

    T(stream != NULL);
    T(fseek(stream, 0, SEEK_END));
    T(ftell(stream) == end);
    T(fseek(stream, 100000, SEEK_SET));
    T(fprintf(stream, "%s is %d or %.3f or %g\n", "one", 1, 1.0625, 1e300));
    T(fprintf(stream, "next %5.1f%% %-8s|%08lx %lld\n", 99.95, "left", 0xbeeful, -1234567890123ll));
    T(ftell(stream));
    T(fseek(stream, 100000, SEEK_SET));
    T(fgets(text, sizeof(text), stream) != NULL);
    printf("%s", text);
    T(fgets(text, sizeof(text), stream) != NULL);
    printf("%s", text);
    T(fread(buffer, 1, 50000, stream));
    T(sum(50000));
    T(fseek(stream, -7, SEEK_END));
    T(fread(buffer, 1, 50000, stream));
    T(feof(stream) != 0);
    T(ferror(stream));
    T(fclose(stream));
    T(fopen("/dev/nothing", "r") == NULL);
}

static void others(const char *disk)
{
    const char *name = strrchr(disk, '/') + 1;
    char path[64];
    struct dirent *entry;
    struct stat status;
    DIR *folder = opendir("/dev");
    int n_found = 0, file = open("/dev/zero", O_RDWR);

    T(folder != NULL);
    while ((entry = readdir(folder)) != NULL)
        n_found += strcmp(entry->d_name, name) == 0 || strcmp(entry->d_name, "null") == 0 ||
                   strcmp(entry->d_name, ".") == 0;
    T(n_found);
    T(closedir(folder));
    T(opendir("/dev/nothing") == NULL);
    T(opendir(disk) == NULL ? errno == ENOTDIR : 0);
    T(stat("/dev", &status));
    T(S_ISDIR(status.st_mode) != 0);
    snprintf(path, sizeof(path), "/dev//./%s", name);
    T(stat(path, &status));
    snprintf(path, sizeof(path), "/dev/../dev/%s", name);
    T(stat(path, &status));
    T(S_ISBLK(status.st_mode) != 0);
    T(access(disk, R_OK | W_OK));
    T(access("/dev/vdz", F_OK));
    buffer[7] = 1;
    T(read(file, buffer, 100));
    T(sum(100));
    T(write(file, buffer, 100));
    T(close(file));
    file = open("/dev/null", O_RDWR);
    T(read(file, buffer, 100));
    T(write(file, buffer, 100));
    T(close(file));
    file = open("/dev/full", O_RDWR);
    T(write(file, buffer, 100));
    T(close(file));
}

int main(int argc, char **argv)
{
    const char *disk = argc == 2 ? argv[1] : "";
    int file = open(disk, O_RDWR);

    T(file == 3);
    if (file < 0)
        return 2;
    off_t end = lseek(file, 0, SEEK_END);
    sizes(file);
    places(file, end);
    writes(file, end);
    modes(disk);
    direct(disk, end);
    ranges(disk, file, (uint64_t)end);
    streams(disk, end);
    others(disk);
    T(close(file));
    return 42;
}
