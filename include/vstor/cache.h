/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/cache.h: a block cache of fixed memory, for whoever reads and writes bytes: file systems,
 * POSIX files, a boot loader.
 *
 * The life of a cache:
 *
 *     bytes = vst_cache_bytes(&device->limits, n_lines)   (or any amount from vst_cache_min_bytes)
 *     vst_cache_open(&cache, &config)                     (config.memory: the caller's, until closed)
 *     vst_cache_read, write, zero, discard, flush         (any byte; each waits until it has ended)
 *     vst_cache_rest(cache)                               (nothing is in flight any more)
 *     vst_cache_close(cache)                              (flushes, waits; the memory is the caller's)
 *
 * or, several at once, vst_cache_submit / kick / poll as with vst_block_submit / kick / poll.
 *
 * One cache stands on one queue of one device, and belongs to that queue's CPU. So nothing here takes
 * a lock, an error and a flush concern one device, and no disk takes memory from another. Who has
 * several devices divides the memory; who has several CPUs has one of them do what goes through the
 * cache. While a cache is open nobody else writes to its device, or the cache may go on to give the
 * old data: see vst_cache_invalidate.
 *
 * What it keeps: lines of 4 KiB, or of one logical block where that is larger, and of each line which
 * blocks it has. A byte range that cuts a block costs a read of that block unless it is there.
 *
 * Which lines stay is decided by 2Q (Johnson and Shasha, 1994), with CLOCK in place of its LRU. What
 * is read for the first time goes through a queue of a quarter of the lines; only what is asked for
 * again after it has left that queue, while its number is still remembered (half as many as there are
 * lines), is kept among the frequent ones. Hence a scan of any length costs a quarter of the cache and
 * no more; the eight reads of 512 bytes that walk through one line count as one, which neither LRU nor
 * CLOCK nor ARC can tell from eight uses; and read-ahead has a place of its own size. ARC adapts the
 * quarter, but moves a line in a list at each hit, where this stores one byte; CLOCK-Pro has that too,
 * for three hands and more rules than a small cache repays.
 *
 * What is read at random and never again is not worth a place: if of as many misses as there are lines
 * fewer than one in 32 were of use, for a while only one line in 16 of those that blocking calls read
 * whole is kept, and the others go straight to the reader. Now and then all are kept again, to see.
 *
 * Reading ahead: up to eight streams are told apart by where their next line would be. From the second
 * line in a row on, lines are asked for ahead of the reader, doubling up to a window of a quarter of the
 * lines, less a request, or up to 1.5 MiB where neither frequent lines nor other streams fill a small
 * cache: in requests of an eleventh or a seventh of that, 256 KiB at most. From 1 MiB of memory on that
 * is 128 KiB and more, five of them in flight at most; from 2 MiB on nine. The window shrinks when lines
 * leave unread. What does not go on is not a stream, so random reads read nothing but their own line.
 *
 * Reads of 128 KiB and more go straight to the reader where nobody has the lines, in requests of as
 * much, up to 1 MiB, and several at once, and are not kept; unless they are of a stream and less than
 * half of what can be ahead of it. So readers' buffers are to be reachable for the device like all
 * buffers.
 *
 * What is promised about writes. "Durable" is what outlives a loss of power.
 *
 *     write-through  A write that has ended well has been written by the device. It is durable after
 *                    a flush (or at once where the device has no write cache).
 *     write-back     A write ends when the cache has it. It goes to the device some time later, in
 *                    any order with other writes since the same flush; one block goes whole.
 *     flush          When it ends well, all writes that had ended before it was submitted are
 *                    durable. No write that was submitted after a flush reaches the device before that
 *                    flush has ended: so if anything written after a flush is found after a power
 *                    cut, everything from before it is, too.
 *     durable write  A write and a flush in one: all from before it becomes durable as well.
 *     errors         What could not be written stays in the cache, is read from there, and is tried
 *                    again by each flush; a flush that fails to write it reports the lowest place.
 *                    Write-through tells the writer besides. If the device fails the flush itself, what
 *                    was written since the last good one counts as unwritten again.
 *     loss           If dirty data can't reach the device any more (medium changed, device gone, cut
 *                    shorter; or a flush failed after written lines had left the cache) each flush
 *                    reports that until vst_cache_accept_loss.
 *
 * After a failed flush the order across it is not promised: who goes on has been told.
 *
 * A device that changes: when the medium does, or the device is gone, all lines are dropped; when it
 * shrinks, those beyond the end. A request that finds this out behaves as one to the device does
 * (VST_ERR_MEDIUM_CHANGED, VST_ERR_GONE, ...).
 *
 * Between calls requests of the cache may be in flight (read-ahead, write-back). The queue may be used
 * by others meanwhile, on the same CPU; but a request of the cache that another's vst_block_poll
 * returns is lost: while the cache is open, poll by vst_cache_poll, or use the blocking calls of
 * vstor/block.h, which give back what is not theirs.
 */
#ifndef VSTOR_CACHE_H
#define VSTOR_CACHE_H

#include <vstor/block.h>

VST_BEGIN_C

/** When writes reach the device: before the call ends, or with the next flush at the latest. */
enum vst_cache_mode { VST_CACHE_WRITE_THROUGH, VST_CACHE_WRITE_BACK };

/** What a cache is made of. Only read by vst_cache_open. */
struct vst_cache_config {
    struct vst_block_queue *queue; /**< of a device that is in service and has a medium */
    void *memory;                  /**< any address; reachable for the device like all buffers */
    size_t memory_bytes;           /**< at least vst_cache_min_bytes */
    enum vst_cache_mode mode;
    uint32_t max_ahead_bytes; /**< most that is read ahead for one stream; 0: as described above */
    bool no_ahead;            /**< nothing is read ahead */
    /**
     * Called over and over while a blocking call has to wait; returns, within a second, when
     * vst_block_ready(queue) may be true: to sleep until an interrupt, for instance. It may be true
     * already, and the cache is not to be used from there. NULL: the platform's relax.
     */
    void (*wait)(void *wait_ctx, struct vst_block_queue *queue);
    void *wait_ctx;
};

/** Counters since open. Lines are of line_bytes. */
struct vst_cache_stats {
    uint64_t hits;         /**< lines asked for and found (a read of n lines counts n) */
    uint64_t misses;       /**< lines that had to be waited for, by reading or because in flight */
    uint64_t read_lines;   /**< lines read from the device, the next three included */
    uint64_t ahead_lines;  /**< of these, before anybody asked */
    uint64_t ahead_unread; /**< of these, dropped before anybody did */
    uint64_t straight_lines; /**< of these, straight to a reader, and not kept */
    uint64_t reads, writes;  /**< requests to the device */
    uint64_t flushes;        /**< flushes of the device */
    uint64_t written_lines;  /**< lines, or parts of them, written back */
    uint64_t evicted;        /**< lines dropped to make room */
    uint64_t reused;         /**< lines that came back while their number was remembered */
    uint64_t read_errors, write_errors; /**< requests to the device that failed */
    uint64_t lost_bytes;                /**< dirty data that will never reach the device */
    uint64_t in_flight_sum; /**< of the requests to the device: how many were in flight then, itself
                               included */
    uint32_t max_in_flight;
};

/** What vst_cache_look tells: sizes are fixed while the cache is open. */
struct vst_cache_state {
    uint32_t line_bytes, n_lines, n_cached, n_dirty, n_failed, n_in_flight;
    uint32_t n_first, n_frequent, n_remembered; /**< lines of 2Q's queues A1in, Am, A1out */
    uint32_t max_ahead_lines;                   /**< the window now */
    uint32_t max_request_bytes;
    bool write_back;
};

struct vst_cache;

/** Bytes of a line on such a device: 4096, or a logical block if that is larger. */
uint32_t vst_cache_line_bytes(const struct vst_block_limits *limits);
/** Bytes that a cache of so many lines (at least 8) needs, wherever they begin. */
size_t vst_cache_bytes(const struct vst_block_limits *limits, uint32_t n_lines);
/** Fewest bytes that vst_cache_open takes: below 64 KiB for logical blocks of at most 4 KiB. */
size_t vst_cache_min_bytes(const struct vst_block_limits *limits);

/**
 * Makes a cache in the memory given, as large as fits. Does not block, allocates nothing.
 * VST_ERR_NO_MEMORY: less than vst_cache_min_bytes; VST_ERR_UNSUPPORTED: write-back on a host-managed
 * zoned device, whose writes have an order of their own.
 */
enum vst_status vst_cache_open(struct vst_cache **cache,
                               const struct vst_cache_config *config) VST_MUST_USE;

/**
 * Flushes if there is anything dirty, then waits for what is in flight. The cache is closed whatever
 * it returns; an error is that of the flush, and what could not be written is lost.
 */
enum vst_status vst_cache_close(struct vst_cache *cache) VST_MUST_USE;

/*
 * Blocking calls. Any byte range; one that does not lie wholly on the device is refused before
 * anything is done (VST_ERR_RANGE). On an error *error_offset, if not NULL, is the byte offset of what
 * failed. On the queue's CPU; bounded like vst_block_execute, for each request to the device.
 */

/** Reads; what is cached, dirty or not, is what is there. */
enum vst_status vst_cache_read(struct vst_cache *cache, uint64_t offset_bytes, void *buffer,
                               size_t bytes, uint64_t *error_offset) VST_MUST_USE;
/** Write-back: VST_ERR_IO and the like if there is no room because nothing can be written back. */
enum vst_status vst_cache_write(struct vst_cache *cache, uint64_t offset_bytes, const void *buffer,
                                size_t bytes, uint64_t *error_offset) VST_MUST_USE;
/** Writes back all that is dirty, then flushes the device. Reports what was lost since the last one. */
enum vst_status vst_cache_flush(struct vst_cache *cache, uint64_t *error_offset) VST_MUST_USE;
/**
 * The bytes read as zeroes: by the device's own command where there is one and the range is made of
 * whole blocks, else written like others.
 */
enum vst_status vst_cache_zero(struct vst_cache *cache, uint64_t offset_bytes, uint64_t bytes,
                               uint64_t *error_offset) VST_MUST_USE;
/**
 * The data are of no use any more: nothing of them is written back, and the device is told. Whole
 * logical blocks, else VST_ERR_INVALID. VST_ERR_UNSUPPORTED where the device has no such command: then
 * nothing has happened.
 */
enum vst_status vst_cache_discard(struct vst_cache *cache, uint64_t offset_bytes, uint64_t bytes,
                                  uint64_t *error_offset) VST_MUST_USE;

/** Waits until nothing is in flight, and rests the queue (vst_block_rest). */
void vst_cache_rest(struct vst_cache *cache);

/**
 * Waits for what is in flight and drops every line, dirty ones too, which counts as loss: for when
 * others have written to the device. Flush first. Nothing may be submitted and unended.
 */
void vst_cache_invalidate(struct vst_cache *cache);

/** VST_OK, or why dirty data are lost: what each flush reports until then is reported no more. */
enum vst_status vst_cache_accept_loss(struct vst_cache *cache);

/** Counters; valid until the cache is closed. */
const struct vst_cache_stats *vst_cache_stats(const struct vst_cache *cache);
/** What it holds just now. */
struct vst_cache_state vst_cache_look(const struct vst_cache *cache);

/*
 * Several requests at once.
 */

/**
 * One request. The caller fills the first part, and owns it and the buffer again when poll has
 * returned it. Two requests that are under way at once and overlap take effect in any order.
 */
struct vst_cache_request {
    enum vst_block_op op; /**< READ, WRITE, WRITE_DURABLE, FLUSH, and DISCARD, WRITE_ZEROES,
                             WRITE_ZEROES_KEEP, SECURE_ERASE of whole logical blocks */
    uint64_t offset_bytes;
    void *buffer;   /**< READ, WRITE, WRITE_DURABLE; to write from, NULL is zeroes */
    uint64_t bytes; /**< 0 for a flush */
    void *user;     /**< the caller's own */

    enum vst_status status; /**< outcome */
    uint64_t error_offset;  /**< valid if status is not VST_OK */

    /** The cache's own; no need to initialise. */
    struct vst_cache_request_private {
        struct vst_cache_request *next;
        uint64_t done_bytes;
        uint64_t waits_for; /**< number of the line */
        uint8_t phase;
        bool careful;  /**< what it waited for failed together with other lines: it asks alone */
        bool retried;  /**< for want of room it has had tried again what could not be written */
        bool issued;   /**< the request to the device that it waits for is its own */
        bool straight; /**< a large read, not through lines where nobody has them */
        bool again;    /**< what went straight has failed: all from again_bytes on by lines */
        uint16_t n_straight; /**< requests to the device that read into the buffer */
        uint64_t again_bytes;
    } priv;
};

/**
 * Gives a request to the cache; it has ended when poll returns it, which may be at once.
 * VST_ERR_INVALID, VST_ERR_RANGE, VST_ERR_READ_ONLY, VST_ERR_UNSUPPORTED: nothing has happened.
 */
enum vst_status vst_cache_submit(struct vst_cache *cache,
                                 struct vst_cache_request *request) VST_MUST_USE;
/** Rings the device's doorbell for what has been asked of it since the last one. */
void vst_cache_kick(struct vst_cache *cache);
/**
 * Helps everything on: takes what the device has ended, starts what waited for it, rings the doorbell.
 * Stores up to `max` requests that have ended; returns how many. To be called at least once a second
 * while anything is in flight (vst_cache_look), as vstor/block.h asks of queues.
 */
size_t vst_cache_poll(struct vst_cache *cache, struct vst_cache_request **done, size_t max);

VST_END_C

#endif
