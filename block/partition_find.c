/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding partitions by their names, or by what their tables call them. */
#include "block/partitions.h"

#define PART_SUFFIX "-part"
#define NUMBER_MOST 99999u /* more than any table has entries */

/* ------------------------------------------------------------------ text */

static size_t text_length(const char *text)
{
    size_t n = 0;

    while (text[n] != '\0')
        n++;
    return n;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/** What follows `prefix`; NULL if the text begins otherwise. */
static const char *after(const char *text, const char *prefix)
{
    size_t n = text_length(prefix);

    return text_length(text) >= n && __builtin_memcmp(text, prefix, n) == 0 ? text + n : NULL;
}

/** Hexadecimal digits in either case. */
static bool uuid_equal(const char *a, const char *b)
{
    size_t i = 0;

    for (; a[i] != '\0' && b[i] != '\0'; i++) {
        char c = b[i] >= 'A' && b[i] <= 'F' ? (char)(b[i] + ('a' - 'A')) : b[i];
        if (a[i] != c)
            return false;
    }
    return a[i] == b[i];
}

/** 0: it is no number from 1 on, written as we write it. */
static uint32_t number_of(const char *digits)
{
    uint32_t number = 0;

    if (*digits == '0')
        return 0;
    for (; *digits != '\0'; digits++) {
        if (!is_digit(*digits) || number > NUMBER_MOST / 10)
            return 0;
        number = number * 10 + (uint32_t)(*digits - '0');
    }
    return number;
}

static char *put_number(char *to, uint32_t number, unsigned base, unsigned least_digits)
{
    static const char digits[] = "0123456789abcdef";
    char reversed[10];
    unsigned n = 0;

    for (; number != 0 || n < least_digits; number /= base)
        reversed[n++] = digits[number % base];
    while (n > 0)
        *to++ = reversed[--n];
    *to = '\0';
    return to;
}

const char *vst_partition_device_name(const struct vst_block_device *device, uint32_t number,
                                      char text[VST_PARTITION_DEVICE_NAME_BYTES])
{
    size_t n = text_length(device->name);

    __builtin_memcpy(text, device->name, n);
    if (n > 0 && is_digit(device->name[n - 1]))
        text[n++] = 'p';
    put_number(text + n, number, 10, 1);
    return text;
}

const char *vst_partition_uuid_text(const struct vst_partition_table *table,
                                    const struct vst_partition *partition,
                                    char text[VST_GUID_TEXT_BYTES])
{
    text[0] = '\0';
    if (table->scheme == VST_PARTITIONS_GPT)
        return vst_guid_text(partition->id, text);
    if (table->scheme == VST_PARTITIONS_MBR && table_le32(table->id) != 0) {
        char *end = put_number(text, table_le32(table->id), 16, 8);
        *end++ = '-';
        put_number(end, partition->number, 16, 2);
    }
    return text;
}

struct vst_extent vst_extent_of(struct vst_block_device *device)
{
    return (struct vst_extent){
        .device = device,
        .bytes = vst_mul_saturated_u64(device->limits.n_sectors, VST_SECTOR_BYTES),
    };
}

/* ------------------------------------------------------------------ one device's table */

/** What is looked for: one of them. */
struct wish {
    uint32_t number;
    const char *uuid, *label;
};

static bool is_wanted(const void *ctx, const struct vst_partition_table *table,
                      const struct vst_partition *partition)
{
    const struct wish *wish = ctx;
    char text[VST_GUID_TEXT_BYTES];

    if (wish->uuid != NULL)
        return uuid_equal(vst_partition_uuid_text(table, partition, text), wish->uuid);
    if (wish->label != NULL)
        return vst_text_equal(partition->name, wish->label);
    return partition->number == wish->number;
}

/** VST_ERR_NOT_FOUND: none is, or several are. */
static enum vst_status find_on(struct vst_block_device *device, const struct wish *wish,
                               void *memory, struct vst_extent *extent)
{
    struct vst_partition found;
    struct vst_partition_table table;
    struct partition_list list = {
        .partitions = &found, .max = 1, .table = &table, .wanted = is_wanted, .ctx = wish};

    if (device->n_queues == 0)
        return VST_ERR_NOT_FOUND;
    enum vst_status status =
        vst_partitions_read_list(device->queues[0], memory, &list, vst_partitions_parse);
    if (status != VST_OK)
        return status;
    if (table.n == 0 || (table.flaws & VST_PARTITIONS_TOO_MANY) != 0)
        return VST_ERR_NOT_FOUND;
    *extent = (struct vst_extent){device, found.offset_bytes, found.bytes, found.number};
    return VST_OK;
}

/* ------------------------------------------------------------------ all devices */

/** The number in a name that is the device's and a partition's; 0: it is not. */
static uint32_t number_on(const struct vst_block_device *device, const char *name)
{
    const char *rest = after(name, device->name);
    size_t n = text_length(device->name);

    if (rest == NULL || n == 0)
        return 0;
    if (is_digit(device->name[n - 1]) && *rest++ != 'p')
        return 0;
    return number_of(rest);
}

/** "serial=X-part1": the device before the suffix, and the number behind it. */
static struct vst_block_device *find_before_suffix(const struct vst_block_registry *registry,
                                                   const char *name, uint32_t *number)
{
    char whole[128];
    size_t n = text_length(name);

    while (n > 0 && is_digit(name[n - 1]))
        n--;
    *number = number_of(name + n);
    size_t suffix = sizeof(PART_SUFFIX) - 1;
    if (*number == 0 || n <= suffix || n - suffix >= sizeof(whole) ||
        __builtin_memcmp(name + n - suffix, PART_SUFFIX, suffix) != 0)
        return NULL;
    __builtin_memcpy(whole, name, n - suffix);
    whole[n - suffix] = '\0';
    return vst_block_find(registry, whole);
}

static enum vst_status find_by_name(const struct vst_block_registry *registry, const char *name,
                                    void *memory, struct vst_extent *extent)
{
    struct wish wish = {0};
    struct vst_block_device *device = find_before_suffix(registry, name, &wish.number);

    if (device != NULL)
        return find_on(device, &wish, memory, extent);
    for (device = registry->first; device != NULL; device = device->next) {
        wish.number = number_on(device, name);
        if (wish.number != 0)
            return find_on(device, &wish, memory, extent);
    }
    return VST_ERR_NOT_FOUND;
}

/** On whatever device: a disk that was copied is there twice, and then nobody is meant. */
static enum vst_status find_anywhere(const struct vst_block_registry *registry,
                                     const struct wish *wish, void *memory,
                                     struct vst_extent *extent)
{
    unsigned n_found = 0;

    for (struct vst_block_device *d = registry->first; d != NULL; d = d->next)
        if (!d->broken && d->medium == VST_OK && find_on(d, wish, memory, extent) == VST_OK)
            n_found++;
    return n_found == 1 ? VST_OK : VST_ERR_NOT_FOUND;
}

enum vst_status vst_partition_find(const struct vst_block_registry *registry, const char *name,
                                   void *memory, struct vst_extent *extent)
{
    struct vst_block_device *device = vst_block_find(registry, name);
    struct wish wish = {.uuid = after(name, "partuuid="), .label = after(name, "partlabel=")};

    if (device != NULL) {
        *extent = vst_extent_of(device);
        return VST_OK;
    }
    if (wish.uuid == NULL && wish.label == NULL)
        return find_by_name(registry, name, memory, extent);
    /* An MBR has no labels, and some partitions have no uuid: nothing is not a name. */
    if ((wish.uuid != NULL && *wish.uuid == '\0') || (wish.label != NULL && *wish.label == '\0'))
        return VST_ERR_NOT_FOUND;
    return find_anywhere(registry, &wish, memory, extent);
}
