/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/types.h: the words every room of the house shares.
 *
 * Freestanding: needs only the compiler's own headers. Units stand in names: `_bytes`, `_sectors`
 * (always 512 bytes),
 * `_blocks` (logical blocks of a device), `_ns`, `n_` for counts. `bus_addr` is an address as the
 * device sees it, never a pointer.
 */
#ifndef VSTOR_TYPES_H
#define VSTOR_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define VST_STATIC_ASSERT(condition, text) static_assert(condition, text)
#define VST_BEGIN_C                        extern "C" {
#define VST_END_C                          }
#else
#define VST_STATIC_ASSERT(condition, text) _Static_assert(condition, text) /**< checked when compiled */
#define VST_BEGIN_C                        /**< what follows is C, for C++ too */
#define VST_END_C                          /**< the end of it */
#endif

VST_BEGIN_C

/**
 * Bytes of a sector. Requests and capacities count sectors of this size whatever a device's
 * logical block is.
 */
#define VST_SECTOR_BYTES 512u
/** Its binary logarithm. */
#define VST_SECTOR_SHIFT 9u

/**
 * What a function says of its success. Every function that returns one must have its answer looked
 * at.
 */
enum vst_status {
    VST_OK = 0,
    VST_ERR_INVALID,     /**< the caller's argument is wrong (alignment, sum of segments, unknown
                            operation) */
    VST_ERR_FULL,        /**< no room now: poll, then try again */
    VST_ERR_TOO_LARGE,   /**< never fits, whatever completes */
    VST_ERR_RANGE,       /**< reaches beyond the end of the device */
    VST_ERR_READ_ONLY,   /**< a write to a read-only device */
    VST_ERR_UNSUPPORTED, /**< the device or this library does not do that */
    VST_ERR_NOT_FOUND,   /**< no such device, function or structure */
    VST_ERR_NO_MEMORY,   /**< the platform gave no memory */
    VST_ERR_IO,          /**< the device reports that the transfer failed */
    VST_ERR_TIMEOUT, /**< no answer in time; the device (or the queue) was reset before this was said */
    VST_ERR_BROKEN, /**< the device broke the protocol, and was reset before this was said; or it is
                        out of service */
    VST_ERR_MALFORMED, /**< data from a device, firmware or disk makes no sense */
    VST_ERR_RESET,     /**< the device was reset meanwhile: whether it took effect is not known */
    VST_ERR_MEDIUM,    /**< the medium can't be read or written there; other places may be sound */
    VST_ERR_NO_MEDIUM, /**< there is none in the drive */
    VST_ERR_MEDIUM_CHANGED, /**< it is another one than before: what is known of it does not hold */
    VST_ERR_NOT_READY,      /**< the device is there but takes no such commands now */
    VST_ERR_RESERVED,       /**< somebody else has reserved it */
    VST_ERR_NO_SPACE,       /**< its store is full: the write would need room that there is not */
    VST_ERR_MISCOMPARE,     /**< the data are not those to compare with; nothing was written */
    VST_ERR_ZONE_INVALID,   /**< the zone's type or state does not allow that, or it reaches beyond
                                 what can be written of the zone (vstor/zoned.h) */
    VST_ERR_ZONE_POINTER,   /**< a write that does not begin at the zone's write pointer */
    VST_ERR_ZONE_MANY_OPEN, /**< no more zones can be open at once: close or finish one */
    VST_ERR_ZONE_MANY_ACTIVE, /**< no more zones can be active at once: finish or reset one */
    VST_ERR_GONE,             /**< the device was taken away: whether it took effect is not known */
    VST_N_STATUS
};

/** Fixed English text of a status, e.g. "read-only device". Never NULL, also for unknown values. */
const char *vst_status_text(enum vst_status status);

/** Short lower-case word of a status for programs, e.g. "read_only". Never NULL. */
const char *vst_status_name(enum vst_status status);

/** The answer must be looked at. */
#define VST_MUST_USE __attribute__((warn_unused_result))

/**
 * Formats checked like printf: FMT is the number of the format argument, ARGS of the first value.
 */
#define VST_PRINTF(FMT, ARGS) __attribute__((format(printf, FMT, ARGS)))

#define VST_LIKELY(x)   __builtin_expect(!!(x), 1) /**< as a rule it is true */
#define VST_UNLIKELY(x) __builtin_expect(!!(x), 0) /**< as a rule it is false */

/** Elements of an array (not of a pointer). */
#define VST_ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/** The structure of TYPE whose MEMBER is at pointer P. */
#define VST_CONTAINER_OF(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

/*
 * Byte order lives in the type: a value in foreign order is a structure, so that it cannot be used
 * as a number by mistake. get converts to a number, the maker converts from one. All compile to
 * nothing or to one instruction.
 */
/** Little-endian, 16 bits. */
typedef struct {
    uint16_t raw;
} vst_le16;
/** Little-endian, 32 bits. */
typedef struct {
    uint32_t raw;
} vst_le32;
/** Little-endian, 64 bits. */
typedef struct {
    uint64_t raw;
} vst_le64;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define VST_LE16_(x) (x) /**< the library's own */
#define VST_LE32_(x) (x) /**< the library's own */
#define VST_LE64_(x) (x) /**< the library's own */
#else
#define VST_LE16_(x) __builtin_bswap16(x)
#define VST_LE32_(x) __builtin_bswap32(x)
#define VST_LE64_(x) __builtin_bswap64(x)
#endif

/** As a number. */
static inline uint16_t vst_le16_get(vst_le16 v)
{
    return VST_LE16_(v.raw);
}
/** As a number. */
static inline uint32_t vst_le32_get(vst_le32 v)
{
    return VST_LE32_(v.raw);
}
/** As a number. */
static inline uint64_t vst_le64_get(vst_le64 v)
{
    return VST_LE64_(v.raw);
}
/** Of a number. */
static inline vst_le16 vst_le16_of(uint16_t n)
{
    return (vst_le16){VST_LE16_(n)};
}
/** Of a number. */
static inline vst_le32 vst_le32_of(uint32_t n)
{
    return (vst_le32){VST_LE32_(n)};
}
/** Of a number. */
static inline vst_le64 vst_le64_of(uint64_t n)
{
    return (vst_le64){VST_LE64_(n)};
}

/** a + b, or the largest value where that does not fit. */
static inline uint64_t vst_add_saturated_u64(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/** a * b, or the largest value where that does not fit. */
static inline uint64_t vst_mul_saturated_u64(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/** The lesser one. */
static inline uint32_t vst_min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}
/** The lesser one. */
static inline uint64_t vst_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/** Whether two texts, both ended by NUL, are the same. */
static inline bool vst_text_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/** 0 is none. */
static inline bool vst_is_power_of_two(uint64_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/** The largest power of two that is at most n; n > 0. */
static inline uint16_t vst_power_of_two_below(uint16_t n)
{
    uint16_t power = 1;

    while (power <= n / 2)
        power = (uint16_t)(power * 2);
    return power;
}

VST_END_C

#endif
