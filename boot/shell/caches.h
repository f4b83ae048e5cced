/* SPDX-License-Identifier: BSD-2-Clause */
/* What caches have done, as `stats` shows it: those that are open, and those that are closed again. */
#ifndef VSTOR_SHELL_CACHES_H
#define VSTOR_SHELL_CACHES_H

#include "command.h"

/** Counters of one cache, or of all that stood on a queue. */
struct cache_counters {
    uint64_t n_open; /* caches */
    uint64_t hits, misses, device_reads, read_bytes, ahead_bytes, ahead_unread_bytes,
        straight_bytes, device_writes, written_bytes, flushes, reused, write_errors;
    uint64_t dirty_bytes; /* now */
    uint64_t lost_bytes;
};

/** Counters of a cache, as of now. */
struct cache_counters caches_count(const struct vst_cache *cache);

/**
 * A cache has been opened there: its counters are shown until caches_close closes it, and remembered
 * from then on. Without memory for that they are not shown.
 */
void caches_opened(const struct vst_block_queue *queue, const struct vst_cache *cache);
enum vst_status caches_close(const struct vst_block_queue *queue, struct vst_cache *cache);

/** A table of the caches that were ever used on the command's device or on all; none if none was. */
void caches_table(const struct shell_context *context);
/** The members that stand for these counters. */
void caches_json_counters(struct json *json, const struct cache_counters *counters);
/** The member "cache"; left out if there never was one. */
void caches_json(struct json *json, const struct vst_block_queue *queue);

#endif
