/* SPDX-License-Identifier: BSD-2-Clause */
#include "json.h"

#include <inttypes.h>
#include <stdio.h>

#include "utf8.h"

/* In ASCII whatever it is: a character beyond it as JSON writes it, a byte that is none as if it were
 * one of Latin-1. */
static size_t put_character(const char *text)
{
    uint32_t rune;
    size_t n = utf8_take(text, &rune);

    if (n == 0)
        rune = (unsigned char)*text;
    if (rune == '"' || rune == '\\')
        printf("\\%c", (char)rune);
    else if (rune >= 0x20 && rune < 0x7f)
        putchar((char)rune);
    else if (rune < 0x10000)
        printf("\\u%04x", (unsigned)rune);
    else
        printf("\\u%04x\\u%04x", (unsigned)(0xd800 + ((rune - 0x10000) >> 10)),
               (unsigned)(0xdc00 + (rune & 0x3ff)));
    return n == 0 ? 1 : n;
}

static void put_text(const char *text)
{
    putchar('"');
    while (*text != '\0')
        text += put_character(text);
    putchar('"');
}

static void begin_member(struct json *json, const char *key)
{
    if (json->need_comma)
        putchar(',');
    if (key != NULL) {
        put_text(key);
        putchar(':');
    }
    json->need_comma = true;
}

static void begin_group(struct json *json, const char *key, char bracket)
{
    begin_member(json, key);
    putchar(bracket);
    json->need_comma = false;
}

static void end_group(struct json *json, char bracket)
{
    putchar(bracket);
    json->need_comma = true;
}

void json_open(struct json *json)
{
    putchar('{');
    json->need_comma = false;
}

void json_close(struct json *json)
{
    end_group(json, '}');
    putchar('\n');
}

void json_text(struct json *json, const char *key, const char *text)
{
    begin_member(json, key);
    put_text(text);
}

void json_u64(struct json *json, const char *key, uint64_t value)
{
    begin_member(json, key);
    printf("%" PRIu64, value);
}

void json_bool(struct json *json, const char *key, bool value)
{
    json_number(json, key, value ? "true" : "false");
}

void json_number(struct json *json, const char *key, const char *number)
{
    begin_member(json, key);
    fputs(number, stdout);
}

void json_array_open(struct json *json, const char *key)
{
    begin_group(json, key, '[');
}

void json_array_close(struct json *json)
{
    end_group(json, ']');
}

void json_object_open(struct json *json, const char *key)
{
    begin_group(json, key, '{');
}

void json_object_close(struct json *json)
{
    end_group(json, '}');
}
