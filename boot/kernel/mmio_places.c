/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "boot/kernel/log.h"
#include "boot/kernel/mmio_places.h"
#include "boot/kernel/option_words.h"

#define PREFIX "virtio_mmio.device="

/* Registers up to the device's configuration, and no more than anybody gives a device. */
#define MIN_BYTES 0x100u
#define MAX_BYTES 0x100000u

void mmio_places_add(struct mmio_places *places, struct mmio_place place)
{
    size_t at = 0;

    while (at < places->n && places->places[at].physical < place.physical)
        at++;
    if (at < places->n && places->places[at].physical == place.physical)
        return;
    if (place.bytes < MIN_BYTES || place.bytes > MAX_BYTES || place.physical % 4 != 0 ||
        place.physical > UINT64_MAX - place.bytes || places->n == MMIO_MAX_PLACES) {
        log_printf(VST_LOG_WARNING,
                   "virtio-mmio: 0x%llx bytes at 0x%llx make no sense, or too many",
                   (unsigned long long)place.bytes, (unsigned long long)place.physical);
        return;
    }
    memmove(&places->places[at + 1], &places->places[at],
            (places->n - at) * sizeof(places->places[0]));
    places->places[at] = place;
    places->n++;
}

/* ---------------------------------------------------------------- the command line */

/* A number at *text, which moves behind it; false if there is none. */
static bool take_number(const char **text, uint64_t *number)
{
    char *end;

    if (**text < '0' || **text > '9')
        return false;
    *number = strtoull(*text, &end, 0);
    *text = end;
    return *number != UINT64_MAX;
}

static bool take_char(const char **text, char c)
{
    bool found = **text == c;

    *text += found;
    return found;
}

/* Suffixes of Linux's memparse, as far as they make sense here. */
static void take_suffix(const char **text, uint64_t *number)
{
    static const char suffixes[] = "KkMmGg";
    const char *found = **text != '\0' ? strchr(suffixes, **text) : NULL;

    if (found == NULL)
        return;
    *number = vst_mul_saturated_u64(*number, 1ull << (10 * ((found - suffixes) / 2 + 1)));
    (*text)++;
}

static void take_word(void *ctx, char *word)
{
    const char *at = word + strlen(PREFIX);
    struct mmio_place place = {0};
    uint64_t interrupt, id;

    bool right = take_number(&at, &place.bytes);
    take_suffix(&at, &place.bytes);
    right = right && take_char(&at, '@') && take_number(&at, &place.physical) &&
            take_char(&at, ':') && take_number(&at, &interrupt) && interrupt <= UINT32_MAX;
    if (right && take_char(&at, ':'))
        right = take_number(&at, &id);
    if (!right || *at != '\0') {
        log_printf(VST_LOG_WARNING, "%s makes no sense here", word);
        return;
    }
    place.interrupt = (uint32_t)interrupt;
    mmio_places_add(ctx, place);
}

void mmio_places_take(struct mmio_places *places, char *line)
{
    option_words_cut(line, PREFIX, take_word, places);
}

/* ---------------------------------------------------------------- ACPI (6.4: 6.4, 20.2) */

static const char hardware_id[] = "LNRO0005"; /* with its end mark, as it stands in the byte code */
static const char resources_name[] = "_CRS";

enum { AML_BUFFER = 0x11, AML_BYTE = 0x0a, AML_WORD = 0x0b };
enum { RESOURCE_END = 0x79, RESOURCE_MEMORY32_FIXED = 0x86, RESOURCE_INTERRUPT = 0x89 };

/* How far behind the hardware id the name of the resources may stand. */
#define MAX_DISTANCE 256u

struct bytes {
    const uint8_t *at, *end;
};

static size_t left(const struct bytes *bytes)
{
    return (size_t)(bytes->end - bytes->at);
}

static uint32_t little_endian(const uint8_t *at, size_t bytes)
{
    uint32_t value = 0;

    for (size_t i = 0; i < bytes; i++)
        value |= (uint32_t)at[i] << 8 * i;
    return value;
}

/* Moves behind the next occurrence of `text` within `max` bytes; false if there is none. */
static bool skip_to(struct bytes *bytes, const char *text, size_t length, size_t max)
{
    for (size_t i = 0; i < max && left(bytes) >= length; i++, bytes->at++) {
        if (memcmp(bytes->at, text, length) == 0) {
            bytes->at += length;
            return true;
        }
    }
    return false;
}

/* Buffer (size) { bytes } becomes those bytes; the size is a constant. */
static bool open_buffer(struct bytes *bytes)
{
    if (left(bytes) < 2 || bytes->at[0] != AML_BUFFER)
        return false;
    size_t skipped =
        2 + (size_t)(bytes->at[1] >> 6); /* opcode; length, the upper bits count more */
    if (left(bytes) < skipped + 3)
        return false;
    bytes->at += skipped;
    size_t width = bytes->at[0] == AML_BYTE ? 1 : bytes->at[0] == AML_WORD ? 2 : 0;
    size_t size = little_endian(bytes->at + 1, width);
    bytes->at += 1 + width;
    if (width == 0 || size > left(bytes))
        return false;
    bytes->end = bytes->at + size;
    return true;
}

static void take_resource(struct mmio_place *place, uint8_t tag, const uint8_t *data, size_t bytes)
{
    if (tag == RESOURCE_MEMORY32_FIXED && bytes >= 9 && place->bytes == 0) {
        place->physical = little_endian(data + 1, 4);
        place->bytes = little_endian(data + 5, 4);
    }
    if (tag == RESOURCE_INTERRUPT && bytes >= 6 && data[1] >= 1)
        place->interrupt = little_endian(data + 2, 4);
}

/* 6.4.2, 6.4.3: small resources have their length in the tag, large ones in the two bytes behind. */
static struct mmio_place read_resources(struct bytes list)
{
    struct mmio_place place = {0};

    while (left(&list) >= 3 && list.at[0] != RESOURCE_END) {
        uint8_t tag = list.at[0];
        bool large = (tag & 0x80) != 0;
        size_t bytes = large ? little_endian(list.at + 1, 2) : tag & 7u;
        list.at += large ? 3 : 1;
        if (bytes > left(&list))
            break;
        take_resource(&place, tag, list.at, bytes);
        list.at += bytes;
    }
    return place;
}

void mmio_places_search(struct mmio_places *places, const uint8_t *aml, size_t bytes)
{
    struct bytes rest = {aml, aml + bytes};

    while (skip_to(&rest, hardware_id, sizeof(hardware_id), bytes)) {
        struct bytes device = rest, next = rest;
        /* What stands behind the next such device is not this one's. */
        if (skip_to(&next, hardware_id, sizeof(hardware_id), bytes))
            device.end = next.at;
        if (!skip_to(&device, resources_name, sizeof(resources_name) - 1, MAX_DISTANCE) ||
            !open_buffer(&device))
            continue;
        struct mmio_place place = read_resources(device);
        if (place.bytes != 0)
            mmio_places_add(places, place);
    }
}
