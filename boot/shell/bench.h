/* SPDX-License-Identifier: BSD-2-Clause */
/* What `bench` was asked for, shared by its two ways: to measure, and to verify. */
#ifndef VSTOR_SHELL_BENCH_H
#define VSTOR_SHELL_BENCH_H

#include "command.h"

struct job {
    const char *rw;
    bool write, random;
    bool mixed;            /* randrw: each I/O reads or writes, by chance */
    uint64_t read_percent; /* of a mixed job */
    uint64_t block_bytes, depth, n_ios, runtime_ns, offset, bytes, seed, n_jobs;
    bool verify, sync;
    uint64_t fsync;       /* writes between two flushes; 0: none */
    uint64_t n_segments;  /* pieces of memory that the data of one I/O lie in */
    uint64_t cache_bytes; /* 0: no cache */
    bool cache_through;
};

/** Reads cache= and cachemode=. False, having said so, if they make no sense. */
bool bench_cache_parse(const struct shell_context *context, struct job *job);

/** Measures reads and writes through a cache. False, having said so, if anything failed. */
bool bench_cache(const struct shell_context *context, const struct job *job);

/**
 * A cache as the job says, and its memory, to be freed once it is closed. NULL, having said so, if
 * there is none.
 */
struct vst_cache *bench_cache_open(const struct shell_context *context, const struct job *job,
                                   void **memory);

/** The member "cache". */
void bench_cache_json(struct json *json, const struct vst_cache *cache);

/** Reads verify=, fsync=, sync= and segments= into a job that is complete otherwise. False, having said so, if
 * they make no sense. */
bool bench_verify_parse(const struct shell_context *context, struct job *job);

/** Writes as the job says, reads all of it back, and tells of both. False, having said so, if
 * anything failed. */
bool bench_verify(const struct shell_context *context, const struct job *job);

#endif
