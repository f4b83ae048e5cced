/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON Lines on stdout: one object a line, written as it goes; nothing is kept. */
#ifndef VSTOR_SHELL_JSON_H
#define VSTOR_SHELL_JSON_H

#include <stdbool.h>
#include <stdint.h>

struct json {
    bool need_comma;
};

/** Begins and ends the line's object. */
void json_open(struct json *json);
void json_close(struct json *json);

/* Members; key NULL inside an array. A text can hold anything: what JSON forbids is escaped. */
void json_text(struct json *json, const char *key, const char *text);
void json_u64(struct json *json, const char *key, uint64_t value);
void json_bool(struct json *json, const char *key, bool value);
/** A number that is already text, such as "12.5". */
void json_number(struct json *json, const char *key, const char *number);

void json_array_open(struct json *json, const char *key);
void json_array_close(struct json *json);
void json_object_open(struct json *json, const char *key);
void json_object_close(struct json *json);

#endif
