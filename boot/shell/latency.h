/* SPDX-License-Identifier: BSD-2-Clause */
/* How long requests take, as `stats` has it measured and shows it. */
#ifndef VSTOR_SHELL_LATENCY_H
#define VSTOR_SHELL_LATENCY_H

#include "command.h"

/** Does what latency= asks for, to the command's device or to all. False, having said why not. */
bool shell_latency_turn(const struct shell_context *context);

/** A table of what was measured on the command's device or on all; none if nothing was. */
void shell_latency_table(const struct shell_context *context);

/** The member "lat_ns", with one for each kind of request that was measured; left out if none was. */
void shell_json_latency(struct json *json, const struct vst_block_queue *queue);

#endif
