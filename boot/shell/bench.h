/* SPDX-License-Identifier: BSD-2-Clause */
/* What `bench` was asked for: made by bench_parse.c, and done in one of two ways: measured, or verified. */
#ifndef VSTOR_SHELL_BENCH_H
#define VSTOR_SHELL_BENCH_H

#include "command.h"

struct job {
    const char *rw;
    bool write, random;
    bool mixed;               /* randrw, rw: each I/O reads or writes, by chance */
    bool trim;                /* each I/O is a discard */
    uint64_t read_percent;    /* of a mixed job */
    uint64_t block_bytes;     /* the least, of which places are multiples */
    uint64_t max_block_bytes; /* the same unless bsrange= was given */
    uint64_t depth, n_ios, runtime_ns, offset, bytes, seed, n_jobs;
    uint64_t ramp_ns;   /* of the warm-up; 0: as long as seems good */
    uint64_t rate_iops; /* at most so many I/Os a second; 0: as many as can be */
    uint64_t think_ns;  /* a pause before each I/O; 0: none */
    bool verify, sync;
    uint64_t fsync;       /* writes between two flushes; 0: none */
    uint64_t n_segments;  /* pieces of memory that the data of one I/O lie in */
    uint64_t cache_bytes; /* 0: no cache */
    bool cache_through;
    bool cache_none; /* the calls that a cache would serve, without one */
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

/** Makes a job of the command's options. False, having said so, if they make no sense. */
bool bench_parse(const struct shell_context *context, struct job *job);

/** False, having said so, if a job that is complete can't be verified. */
bool bench_verify_check(const struct shell_context *context, const struct job *job);

/** Writes as the job says, reads all of it back, and tells of both. False, having said so, if
 * anything failed. */
bool bench_verify(const struct shell_context *context, const struct job *job);

#endif
