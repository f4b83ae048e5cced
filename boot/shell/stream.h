/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Long byte ranges with several large requests in flight, handed to the caller's function in
 * ascending order. Any offset and length: what cuts a logical block is read around, or read,
 * changed and written back.
 */
#ifndef VSTOR_SHELL_STREAM_H
#define VSTOR_SHELL_STREAM_H

#include "command.h"

/** Takes the bytes read, or stores the bytes to be written. False ends the stream. */
typedef bool stream_function(void *user, uint64_t offset_bytes, uint8_t *data, size_t bytes);

enum stream_outcome {
    STREAM_DONE,
    STREAM_FAILED,  /* the stream has said why */
    STREAM_REFUSED, /* the function returned false; saying why is its caller's */
};

/* Both return only when nothing is in flight any more. */
enum stream_outcome stream_read(const struct shell_context *context, uint64_t offset_bytes,
                                uint64_t bytes, stream_function *consume, void *user);
enum stream_outcome stream_write(const struct shell_context *context, uint64_t offset_bytes,
                                 uint64_t bytes, stream_function *produce, void *user);

/** Room for the blocks that a range cuts; freed with free(). NULL, having said so, if there is no
 * memory. */
void *stream_allocate_bounce(const struct shell_context *context, size_t *bytes);

/** Ends the count of what the machine did from its start to the first bytes from a disk. */
void stream_mark_first_read(void);

#endif
