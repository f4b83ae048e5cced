/* SPDX-License-Identifier: BSD-2-Clause */
/* Small things that a test asks a program to do, by the first word of its command line. */
#define _GNU_SOURCE /* O_DIRECT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int constructed;

__attribute__((constructor)) static void construct(void)
{
    constructed = 1;
}

static void at_exit(void)
{
    printf("bye\n");
}

/* The arguments, one a line. */
static int arguments(int n, char **words)
{
    for (int i = 0; i < n; i++)
        printf("%d=%s|\n", i, words[i]);
    fprintf(stderr, "that was on the standard error\n");
    atexit(at_exit);
    return words[n] == NULL && constructed ? 0 : 1;
}

static int leave(int n, char **words)
{
    exit(n > 2 ? atoi(words[2]) : 0);
}

static int aborts(int n, char **words)
{
    (void)n;
    (void)words;
    abort();
}

/* Takes memory by pieces of the size given, in MiB, until there is no more; all of it must be zero
 * and stay what is written. */
static int memory(int n, char **words)
{
    size_t bytes = (n > 2 ? strtoul(words[2], NULL, 0) : 1) << 20, n_pieces = 0;
    uint64_t **pieces = calloc(65536, sizeof(*pieces)), *piece;

    while (n_pieces < 65536 && (piece = calloc(1, bytes)) != NULL) {
        for (size_t i = 0; i < bytes / 8; i += 512) {
            if (piece[i] != 0)
                return 1;
            piece[i] = n_pieces ^ i;
        }
        pieces[n_pieces++] = piece;
    }
    if (errno != ENOMEM)
        return 2;
    for (size_t k = 0; k < n_pieces; k++)
        for (size_t i = 0; i < bytes / 8; i += 512)
            if (pieces[k][i] != (k ^ i))
                return 3;
    printf("%zu MiB, from %d GiB to %d GiB\n", n_pieces * bytes >> 20,
           (int)((uintptr_t)pieces[0] >> 30), (int)((uintptr_t)pieces[n_pieces - 1] >> 30));
    free(pieces[0]);
    return malloc(bytes / 2) == NULL;
}

static unsigned deep(unsigned n)
{
    volatile char room[4096];

    memset((char *)room, (int)n, sizeof(room));
    return n == 0 ? 0 : deep(n - 1) + (room[17] == (char)n);
}

/* Calls itself so often, 4 KiB each time. */
static int stack(int n, char **words)
{
    printf("%u\n", deep(n > 2 ? (unsigned)atoi(words[2]) : 0));
    return 0;
}

static int times_of_day(int n, char **words)
{
    struct timespec before, after, pause = {0, 30000000};
    time_t now = time(NULL);
    char text[32];

    (void)n;
    (void)words;
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M", gmtime(&now));
    printf("%s\n", text);
    clock_gettime(CLOCK_MONOTONIC, &before);
    if (nanosleep(&pause, NULL) != 0 || usleep(20000) != 0 || sleep(0) != 0)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &after);
    double seconds =
        (double)(after.tv_sec - before.tv_sec) + (after.tv_nsec - before.tv_nsec) / 1e9;
    printf("slept enough: %d\n", seconds >= 0.05 && time(NULL) >= now && clock() > 0);
    return 0;
}

/* printf, scanf and libm as they are in C. */
static int numbers(int n, char **words)
{
    double x = 0;
    long double y = 0;
    int i = 0;

    (void)n;
    (void)words;
    printf("%.15g %a %Lf %e\n", M_PI, 0.1, 1.5L, 12345.678);
    printf("%s %.3f %.10f\n", sscanf("2.5e-3 77", "%lf %i", &x, &i) == 2 ? "read" : "not read",
           x * i, pow(2, 0.5) + sin(1) + log(10) + exp(-1));
    y = strtold("1e-4000", NULL);
    printf("%zu %lld %#llx %g\n", sizeof(y), (long long)INT64_MIN, (unsigned long long)UINT64_MAX,
           strtod("1e308", NULL) * 10);
    return 0;
}

/* Each name below a folder. */
static void list(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    char full[600];

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(full, sizeof(full), "%s/%s", strcmp(path, "/") == 0 ? "" : path, entry->d_name);
        if (entry->d_type == DT_DIR)
            list(full);
        else
            printf("%s\n", full);
    }
    if (folder != NULL)
        closedir(folder);
}

static int names(int n, char **words)
{
    list(n > 2 ? words[2] : "/");
    return 0;
}

/* For each path: its size and first bytes, or the error. */
static int heads(int n, char **words)
{
    for (int i = 2; i < n; i++) {
        unsigned char bytes[8] = {0};
        uint64_t size = 0;
        int file = open(words[i], O_RDONLY);
        if (file < 0 || ioctl(file, BLKGETSIZE64, &size) != 0 || read(file, bytes, 8) != 8) {
            printf("%s: %s\n", words[i], strerror(errno));
            continue;
        }
        printf("%s: %llu ", words[i], (unsigned long long)size);
        for (int k = 0; k < 8; k++)
            printf("%02x", bytes[k]);
        printf("\n");
        close(file);
    }
    return 0;
}

static const char *outcome(long long value)
{
    static char text[32];

    snprintf(text, sizeof(text), "%lld", value);
    return value < 0 ? strerror(errno) : text;
}

/* read|write|sync|leave PATH OFFSET BYTES, any number of these; what came of each. write+: and fsync; sync: twice, by
 * O_SYNC; leave: without closing the file. */
static int transfers(int n, char **words)
{
    static char buffer[1 << 20];

    memset(buffer, 0x5a, sizeof(buffer));
    for (int i = 2; i + 3 < n; i += 4) {
        int writes = strcmp(words[i], "read") != 0, syncs = strcmp(words[i], "sync") == 0;
        int file = open(words[i + 1], (writes ? O_RDWR : O_RDONLY) | (syncs ? O_SYNC : 0));
        long long at = atoll(words[i + 2]), bytes = atoll(words[i + 3]), value = file;
        if (file >= 0)
            value = writes ? pwrite(file, buffer, (size_t)bytes, at)
                           : pread(file, buffer, (size_t)bytes, at);
        if (syncs && value >= 0)
            value = pwrite(file, buffer, (size_t)bytes, at);
        printf("%s %s\n", words[i], outcome(value));
        if (file >= 0 && writes && !syncs && words[i][5] == '+')
            printf("fsync %s\n", outcome(fsync(file)));
        if (file >= 0 && strcmp(words[i], "leave") != 0)
            close(file);
    }
    return 0;
}

/* Lines as they are typed, until the end. */
static int lines(int n, char **words)
{
    char line[200];

    (void)n;
    (void)words;
    printf("terminal %d\n", isatty(0));
    while (fgets(line, sizeof(line), stdin) != NULL)
        printf("got <%.*s>\n", (int)strcspn(line, "\n"), line);
    printf("end\n");
    return 0;
}

/* All byte values to standard output. */
static int bytes(int n, char **words)
{
    (void)n;
    (void)words;
    for (int i = 0; i < 512; i++)
        putchar(i & 255);
    return 0;
}

/* Reads the same place again and again until that fails. */
static int insist(int n, char **words)
{
    int file = open(words[n - 1], O_RDWR | O_DIRECT);
    static char buffer[512] __attribute__((aligned(512)));

    printf("reading\n");
    while (pread(file, buffer, sizeof(buffer), 0) == (ssize_t)sizeof(buffer))
        ;
    printf("read: %s\n", strerror(errno));
    close(file);
    sleep(1);
    printf("open: %s\n", outcome(open(words[n - 1], O_RDWR)));
    return 0;
}

/* Each file whole, to standard output; or why not. */
static int print_files(int n, char **words)
{
    static char buffer[10000];
    struct stat status;
    size_t bytes;

    for (int i = 2; i < n; i++) {
        FILE *stream = fopen(words[i], "r");
        long size = 0;
        if (stream == NULL) {
            printf("%s: %s\n", words[i], strerror(errno));
            continue;
        }
        while ((bytes = fread(buffer, 1, sizeof(buffer), stream)) > 0 &&
               fwrite(buffer, 1, bytes, stdout) == bytes)
            size += (long)bytes;
        if (stat(words[i], &status) != 0 || status.st_size != size || !S_ISREG(status.st_mode) ||
            ferror(stream))
            printf("%s: %s\n", words[i], strerror(errno));
        fclose(stream);
    }
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int n, char **words);
} parts[] = {
    {"arguments", arguments}, {"exit", leave},         {"abort", aborts},      {"memory", memory},
    {"stack", stack},         {"time", times_of_day},  {"numbers", numbers},   {"names", names},
    {"heads", heads},         {"transfer", transfers}, {"print", print_files}, {"lines", lines},
    {"bytes", bytes},         {"insist", insist},
};

int main(int n, char **words)
{
    for (size_t i = 0; n > 1 && i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strcmp(words[1], parts[i].name) == 0)
            return parts[i].run(n, words);
    fprintf(stderr, "usage: probe arguments|exit|abort|memory|... (see the source)\n");
    return 2;
}
