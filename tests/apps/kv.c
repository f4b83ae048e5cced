/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kv DISK COMMAND...: keeps keys and values on a disk, or in a file on Linux, and keeps them through power cuts.
 *
 *     format                  put KEY VALUE       get KEY         delete KEY      list
 *     workload SEED COMMITS   does that many more commits, each of which its number and SEED determine
 *
 * The disk holds two superblocks, of which the newer sound one counts, and two halves. In one of them stands the log:
 * commits one behind the other. A commit is there wholly or not at all: it has a checksum over all of it, and names the
 * checksum of the one before, so that what an older log has left behind is never taken for its continuation. It begins at a
 * block of its own, so that no later write touches what was acknowledged. If a half is full, all that is alive becomes the first
 * commits of the other, and then a superblock says so.
 *
 * Order of things: commit written, fsync, acknowledged. Log moved: written, fsync, superblock written, fsync.
 */
#define _GNU_SOURCE /* strndup */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAGIC             0x31766b726f747376ull /* "vstorkv1" */
#define SUPERBLOCK_BYTES  4096u
#define LEAST_BLOCK_BYTES 512u
#define MAX_COMMIT_BYTES  65536u
#define DELETED           0xffffffffu

/* All numbers are little-endian, as the machine has them. */
struct superblock {
    uint64_t magic, generation, half_bytes;
    uint32_t half, block_bytes, reserved, checksum; /* of all before */
};

struct commit_header {
    uint32_t checksum; /* of all behind it, to the end of the commit */
    uint32_t before;   /* the checksum of the commit before; of the first the generation's */
    uint64_t generation, number;
    uint32_t bytes, reserved; /* of the operations that follow */
};

struct operation_header {
    uint32_t key_bytes, value_bytes; /* DELETED: the key is no more */
};

struct entry {
    struct entry *next;
    char *key, *value;
};

struct store {
    int file;
    struct superblock super;
    uint64_t at;           /* where the next commit goes, in the half */
    uint64_t number;       /* of the last commit */
    uint32_t before;       /* its checksum */
    unsigned n_syncs;      /* since the start */
    struct entry *entries; /* sorted by key */
    uint32_t pending_bytes;
    unsigned char pending[sizeof(struct commit_header) + MAX_COMMIT_BYTES];
};

static uint32_t checksum(const void *data, size_t bytes)
{
    const unsigned char *at = data;
    uint32_t crc = ~0u;

    while (bytes-- > 0) {
        crc ^= *at++;
        for (int i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void die(const char *what)
{
    fprintf(stderr, "kv: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void sync_store(struct store *store)
{
    if (fsync(store->file) != 0)
        die("fsync");
    store->n_syncs++;
}

static void write_at(const struct store *store, const void *data, size_t bytes, uint64_t at)
{
    const char *from = data;

    while (bytes > 0) {
        ssize_t n = pwrite(store->file, from, bytes, (off_t)at);
        if (n <= 0)
            die("write");
        from += n;
        at += (uint64_t)n;
        bytes -= (size_t)n;
    }
}

/* False at the end of the disk. */
static bool read_at(const struct store *store, void *data, size_t bytes, uint64_t at)
{
    char *to = data;

    while (bytes > 0) {
        ssize_t n = pread(store->file, to, bytes, (off_t)at);
        if (n < 0)
            die("read");
        if (n == 0)
            return false;
        to += n;
        at += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return true;
}

/* ---------------------------------------------------------------- in memory */

static void set(struct store *store, const char *key, size_t key_bytes, const char *value,
                size_t value_bytes)
{
    struct entry **link = &store->entries, *entry;
    int order = 1;

    while (*link != NULL) {
        order = strncmp((*link)->key, key, key_bytes);
        if (order == 0)
            order = (*link)->key[key_bytes] != '\0';
        if (order >= 0)
            break;
        link = &(*link)->next;
    }
    entry = *link;
    if (entry != NULL && order == 0) {
        *link = entry->next;
        free(entry->key);
        free(entry->value);
        free(entry);
    }
    if (value == NULL)
        return;
    entry = malloc(sizeof(*entry));
    if (entry == NULL || (entry->key = strndup(key, key_bytes)) == NULL ||
        (entry->value = strndup(value, value_bytes)) == NULL)
        die("memory");
    entry->next = *link;
    *link = entry;
}

static const struct entry *get(const struct store *store, const char *key)
{
    const struct entry *entry = store->entries;

    while (entry != NULL && strcmp(entry->key, key) != 0)
        entry = entry->next;
    return entry;
}

/* ---------------------------------------------------------------- the log */

static uint64_t half_at(const struct store *store)
{
    return 2 * SUPERBLOCK_BYTES + store->super.half * store->super.half_bytes;
}

static uint32_t first_before(const struct store *store)
{
    return checksum(&store->super.generation, sizeof(store->super.generation));
}

static uint64_t round_up(const struct store *store, uint64_t bytes)
{
    return (bytes + store->super.block_bytes - 1) / store->super.block_bytes *
           store->super.block_bytes;
}

/* Applies what stands in a commit whose checksum is right. */
static void replay(struct store *store, const unsigned char *at, size_t bytes)
{
    struct operation_header operation;

    while (bytes >= sizeof(operation)) {
        memcpy(&operation, at, sizeof(operation));
        at += sizeof(operation);
        bytes -= sizeof(operation);
        bool deleted = operation.value_bytes == DELETED;
        size_t value_bytes = deleted ? 0 : operation.value_bytes;
        if (operation.key_bytes > bytes || value_bytes > bytes - operation.key_bytes)
            die("a commit with a sound checksum makes no sense");
        const char *key = (const char *)at, *value = key + operation.key_bytes;
        set(store, key, operation.key_bytes, deleted ? NULL : value, value_bytes);
        at += operation.key_bytes + value_bytes;
        bytes -= operation.key_bytes + value_bytes;
    }
}

/* Takes the next commit of the log; false at its end: whatever is there was not acknowledged. */
static bool take_commit(struct store *store)
{
    unsigned char *data = store->pending;
    struct commit_header header;
    uint64_t at = half_at(store) + store->at;

    if (store->at + sizeof(header) > store->super.half_bytes ||
        !read_at(store, &header, sizeof(header), at))
        return false;
    if (header.generation != store->super.generation || header.before != store->before ||
        header.bytes > MAX_COMMIT_BYTES ||
        store->at + sizeof(header) + header.bytes > store->super.half_bytes ||
        !read_at(store, data, sizeof(header) + header.bytes, at) ||
        memcmp(data, &header, sizeof(header)) != 0 ||
        checksum(data + 4, sizeof(header) - 4 + header.bytes) != header.checksum)
        return false;
    replay(store, data + sizeof(header), header.bytes);
    store->before = header.checksum;
    store->number = header.number;
    store->at += round_up(store, sizeof(header) + header.bytes);
    return true;
}

/* Writes what is pending as a commit; it is durable with the next sync. */
static void write_commit(struct store *store, uint64_t number)
{
    struct commit_header header = {.before = store->before,
                                   .generation = store->super.generation,
                                   .number = number,
                                   .bytes = store->pending_bytes};
    size_t bytes = sizeof(header) + store->pending_bytes, padded = (size_t)round_up(store, bytes);
    unsigned char *data = calloc(1, padded);

    if (data == NULL)
        die("memory");
    memcpy(data, &header, sizeof(header));
    memcpy(data + sizeof(header), store->pending + sizeof(header), store->pending_bytes);
    header.checksum = checksum(data + 4, bytes - 4);
    memcpy(data, &header.checksum, sizeof(header.checksum));
    write_at(store, data, padded, half_at(store) + store->at);
    free(data);
    store->at += padded;
    store->before = header.checksum;
    store->pending_bytes = 0;
}

static bool fits(const struct store *store, uint32_t bytes)
{
    return round_up(store, store->at + sizeof(struct commit_header) + bytes) <=
           store->super.half_bytes;
}

/* False if the commit would be too long. */
static bool add(struct store *store, const char *key, const char *value)
{
    struct operation_header operation = {(uint32_t)strlen(key),
                                         value == NULL ? DELETED : (uint32_t)strlen(value)};
    size_t value_bytes = value == NULL ? 0 : operation.value_bytes;
    unsigned char *to = store->pending + sizeof(struct commit_header) + store->pending_bytes;

    if (sizeof(operation) + operation.key_bytes + value_bytes >
        MAX_COMMIT_BYTES - store->pending_bytes)
        return false;
    memcpy(to, &operation, sizeof(operation));
    memcpy(to + sizeof(operation), key, operation.key_bytes);
    if (value != NULL)
        memcpy(to + sizeof(operation) + operation.key_bytes, value, value_bytes);
    store->pending_bytes += (uint32_t)(sizeof(operation) + operation.key_bytes + value_bytes);
    return true;
}

static void write_superblock(struct store *store)
{
    unsigned char block[SUPERBLOCK_BYTES] = {0};

    store->super.checksum = checksum(&store->super, offsetof(struct superblock, checksum));
    memcpy(block, &store->super, sizeof(store->super));
    write_at(store, block, sizeof(block), store->super.generation % 2 * SUPERBLOCK_BYTES);
    sync_store(store);
}

static void flush_live(struct store *store)
{
    if (!fits(store, store->pending_bytes)) {
        errno = ENOSPC;
        die("the store is full");
    }
    write_commit(store, store->number);
}

/* Writes all that is alive to the other half. The old one counts until the superblock is written. */
static void move_log(struct store *store)
{
    static unsigned char kept[sizeof(store->pending)];
    uint32_t kept_bytes = store->pending_bytes;

    memcpy(kept, store->pending, sizeof(kept));
    store->pending_bytes = 0;
    store->super.generation++;
    store->super.half ^= 1;
    store->at = 0;
    store->before = first_before(store);
    for (const struct entry *entry = store->entries; entry != NULL; entry = entry->next) {
        if (add(store, entry->key, entry->value))
            continue;
        flush_live(store);
        (void)add(store, entry->key, entry->value); /* alone it always fits */
    }
    flush_live(store);
    sync_store(store);
    write_superblock(store);
    memcpy(store->pending, kept, sizeof(kept));
    store->pending_bytes = kept_bytes;
}

/* Everything added since the last one. When this returns it is durable. */
static void commit(struct store *store)
{
    unsigned char *data = store->pending + sizeof(struct commit_header);
    uint32_t bytes = store->pending_bytes;

    if (!fits(store, bytes))
        move_log(store);
    if (!fits(store, bytes)) {
        errno = ENOSPC;
        die("the store is full");
    }
    write_commit(store, store->number + 1);
    sync_store(store);
    store->number++;
    replay(store, data, bytes);
}

/* ---------------------------------------------------------------- opening */

static bool read_superblock(const struct store *store, unsigned slot, struct superblock *super)
{
    return read_at(store, super, sizeof(*super), slot * SUPERBLOCK_BYTES) &&
           super->magic == MAGIC &&
           super->checksum == checksum(super, offsetof(struct superblock, checksum)) &&
           super->generation % 2 == slot && super->half < 2 &&
           super->block_bytes >= LEAST_BLOCK_BYTES;
}

/* False if there is no store. */
static bool recover(struct store *store)
{
    struct superblock other;
    bool first = read_superblock(store, 0, &store->super),
         second = read_superblock(store, 1, &other);

    if (second && (!first || other.generation > store->super.generation))
        store->super = other;
    if (!first && !second)
        return false;
    store->before = first_before(store);
    while (take_commit(store))
        ;
    store->pending_bytes = 0;
    sync_store(
        store); /* what is found may not be durable yet: a program may have ended, not the machine */
    return true;
}

static void format(struct store *store)
{
    uint64_t bytes = (uint64_t)lseek(store->file, 0, SEEK_END),
             generation = store->super.generation + 1;
    unsigned block_bytes = 0;

    if (ioctl(store->file, BLKPBSZGET, &block_bytes) != 0 || block_bytes < LEAST_BLOCK_BYTES)
        block_bytes = LEAST_BLOCK_BYTES;
    store->super =
        (struct superblock){.magic = MAGIC, .generation = generation, .block_bytes = block_bytes};
    store->super.half_bytes = bytes < 2 * SUPERBLOCK_BYTES ? 0 : (bytes - 2 * SUPERBLOCK_BYTES) / 2;
    store->super.half_bytes -= store->super.half_bytes % block_bytes;
    store->before = first_before(store);
    while (store->entries != NULL)
        set(store, store->entries->key, strlen(store->entries->key), NULL, 0);
    store->at = store->number = 0;
    write_superblock(store);
}

/* ---------------------------------------------------------------- the workload */

static uint32_t random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*state >> 33);
}

/* The operations of a commit: of its number and the seed alone, so that they are the same in whatever run. */
static void add_work(struct store *store, uint64_t seed, uint64_t number)
{
    uint64_t state = seed * 1000003 + number;
    char key[16], value[512];

    (void)random_next(&state);
    for (unsigned n = 1 + random_next(&state) % 6; n > 0; n--) {
        snprintf(key, sizeof(key), "key%u", random_next(&state) % 60);
        bool deletes = random_next(&state) % 5 == 0;
        size_t length = random_next(&state) % 400;
        for (size_t i = 0; i < length; i++)
            value[i] = (char)('a' + random_next(&state) % 26);
        value[length] = '\0';
        (void)add(store, key, deletes ? NULL : value);
    }
}

static void work(struct store *store, uint64_t seed, unsigned n_commits)
{
    for (unsigned i = 0; i < n_commits; i++) {
        add_work(store, seed, store->number + 1);
        commit(store);
        printf("commit %llu syncs %u\n", (unsigned long long)store->number, store->n_syncs);
    }
}

/* ---------------------------------------------------------------- commands */

static void list(const struct store *store)
{
    printf("commit %llu\n", (unsigned long long)store->number);
    for (const struct entry *entry = store->entries; entry != NULL; entry = entry->next)
        printf("%s %s\n", entry->key, entry->value);
}

static int run(struct store *store, const char *command, int n, char **words)
{
    const struct entry *entry;

    if (strcmp(command, "list") == 0 && n == 0) {
        list(store);
    } else if (strcmp(command, "get") == 0 && n == 1) {
        entry = get(store, words[0]);
        if (entry == NULL)
            return 1;
        printf("%s\n", entry->value);
    } else if ((strcmp(command, "put") == 0 && n == 2) ||
               (strcmp(command, "delete") == 0 && n == 1)) {
        if (!add(store, words[0], words[1]))
            return 1;
        commit(store);
    } else if (strcmp(command, "workload") == 0 && n == 2) {
        work(store, strtoull(words[0], NULL, 0), (unsigned)atoi(words[1]));
    } else {
        fprintf(stderr, "usage: kv DISK format | put KEY VALUE | get KEY | delete KEY | list | "
                        "workload SEED COMMITS\n");
        return 2;
    }
    return 0;
}

int main(int n, char **words)
{
    static struct store store;

    if (n < 3)
        return run(&store, "", 0, words);
    bool reads = strcmp(words[2], "list") == 0 || strcmp(words[2], "get") == 0;
    store.file = open(words[1], reads ? O_RDONLY : O_RDWR);
    if (store.file < 0)
        die(words[1]);
    bool found = recover(&store), formats = strcmp(words[2], "format") == 0;
    if (!found && reads) {
        fprintf(stderr, "kv: %s holds no store\n", words[1]);
        return 3;
    }
    if (!found || formats)
        format(&store);
    int status = formats ? 0 : run(&store, words[2], n - 3, words + 3);
    while (store.entries != NULL)
        set(&store, store.entries->key, strlen(store.entries->key), NULL, 0);
    if (close(store.file) != 0)
        die("close");
    return status;
}
