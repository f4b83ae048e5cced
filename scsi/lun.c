/* SPDX-License-Identifier: BSD-2-Clause */
/* Logical unit numbers. (SAM-5, 4.7) */
#include <vstor/scsi_types.h>

/* 4.7.7: the address method stands in the two upper bits of a level's first byte. */
#define METHOD_PERIPHERAL   0u
#define METHOD_FLAT         1u
#define METHOD_LOGICAL_UNIT 2u

/* 4.7.7.5: an extended address, its length and its method make up the whole byte. */
#define WELL_KNOWN    0xc1u
#define EXTENDED_FLAT 0xd2u

/* VIRTIO 1.2, 5.6.6.1 */
#define NEXUS_MARK 1u

enum vst_status vst_scsi_lun_of(uint32_t number, struct vst_scsi_lun *lun)
{
    if (number > VST_SCSI_MAX_LUN)
        return VST_ERR_RANGE;
    *lun = (struct vst_scsi_lun){
        .number = number,
        .method = number <= UINT8_MAX               ? VST_SCSI_LUN_PERIPHERAL
                  : number <= VST_SCSI_MAX_FLAT_LUN ? VST_SCSI_LUN_FLAT
                                                    : VST_SCSI_LUN_EXTENDED_FLAT,
        .n_levels = 1,
    };
    return VST_OK;
}

struct vst_scsi_lun vst_scsi_report_luns_lun(void)
{
    return (struct vst_scsi_lun){
        .number = VST_SCSI_REPORT_LUNS_UNIT, .method = VST_SCSI_LUN_WELL_KNOWN, .n_levels = 1};
}

bool vst_scsi_lun_equal(const struct vst_scsi_lun *a, const struct vst_scsi_lun *b)
{
    return a->number == b->number && a->n_levels == b->n_levels && a->bus == b->bus &&
           a->target == b->target &&
           (a->method == VST_SCSI_LUN_WELL_KNOWN) == (b->method == VST_SCSI_LUN_WELL_KNOWN);
}

/* ------------------------------------------------------------------ encode */

static bool fits(const struct vst_scsi_lun *lun)
{
    static const uint32_t most[] = {
        [VST_SCSI_LUN_PERIPHERAL] = UINT8_MAX, [VST_SCSI_LUN_FLAT] = VST_SCSI_MAX_FLAT_LUN,
        [VST_SCSI_LUN_LOGICAL_UNIT] = 31,      [VST_SCSI_LUN_EXTENDED_FLAT] = VST_SCSI_MAX_LUN,
        [VST_SCSI_LUN_WELL_KNOWN] = UINT8_MAX,
    };

    if (lun->method >= VST_ARRAY_LENGTH(most) || lun->number > most[lun->method])
        return false;
    if (lun->n_levels == 2)
        return lun->bus >= 1 && lun->bus <= 63 && lun->method <= VST_SCSI_LUN_FLAT;
    if (lun->n_levels != 1)
        return false;
    if (lun->method == VST_SCSI_LUN_LOGICAL_UNIT)
        return lun->bus <= 7 && lun->target <= 63;
    return lun->bus == 0 && lun->target == 0;
}

/** One level's 2 bytes, or 4 of an extended address. */
static void put_level(const struct vst_scsi_lun *lun, uint8_t *to)
{
    switch (lun->method) {
    case VST_SCSI_LUN_FLAT:
        to[0] = (uint8_t)(METHOD_FLAT << 6 | lun->number >> 8);
        break;
    case VST_SCSI_LUN_LOGICAL_UNIT:
        to[0] = (uint8_t)(METHOD_LOGICAL_UNIT << 6 | lun->target);
        to[1] = (uint8_t)(lun->bus << 5 | lun->number);
        return;
    case VST_SCSI_LUN_EXTENDED_FLAT:
        to[0] = EXTENDED_FLAT;
        to[1] = (uint8_t)(lun->number >> 16);
        to[2] = (uint8_t)(lun->number >> 8);
        to[3] = (uint8_t)lun->number;
        return;
    case VST_SCSI_LUN_WELL_KNOWN:
        to[0] = WELL_KNOWN;
        break;
    default: /* peripheral: the first byte, method and bus, is 0 */
        break;
    }
    to[1] = (uint8_t)lun->number;
}

static void encode(const struct vst_scsi_lun *lun, uint8_t bytes[VST_SCSI_LUN_BYTES])
{
    __builtin_memset(bytes, 0, VST_SCSI_LUN_BYTES);
    if (lun->n_levels == 2) {
        bytes[0] = lun->bus;
        bytes[1] = lun->target;
    }
    put_level(lun, bytes + 2 * (lun->n_levels - 1));
}

enum vst_status vst_scsi_lun_encode(const struct vst_scsi_lun *lun,
                                    uint8_t bytes[VST_SCSI_LUN_BYTES])
{
    if (!fits(lun))
        return VST_ERR_INVALID;
    encode(lun, bytes);
    return VST_OK;
}

/* ------------------------------------------------------------------ decode */

static bool all_zero(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/** 4.7.7.5. Returns how many bytes it takes; 0: not known. */
static size_t decode_extended(const uint8_t *bytes, struct vst_scsi_lun *lun)
{
    switch (bytes[0]) {
    case WELL_KNOWN:
        lun->method = VST_SCSI_LUN_WELL_KNOWN;
        lun->number = bytes[1];
        return 2;
    case EXTENDED_FLAT:
        lun->method = VST_SCSI_LUN_EXTENDED_FLAT;
        lun->number = (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
        return 4;
    default:
        return 0;
    }
}

/** A level that is not extended: its method and what it names. */
static void decode_level(const uint8_t *bytes, struct vst_scsi_lun *lun)
{
    uint8_t low = bytes[0] & 0x3f;

    switch (bytes[0] >> 6) {
    case METHOD_FLAT:
        lun->method = VST_SCSI_LUN_FLAT;
        lun->number = (uint32_t)low << 8 | bytes[1];
        break;
    case METHOD_LOGICAL_UNIT:
        lun->method = VST_SCSI_LUN_LOGICAL_UNIT;
        lun->target = low;
        lun->bus = bytes[1] >> 5;
        lun->number = bytes[1] & 31;
        break;
    default:
        lun->method = VST_SCSI_LUN_PERIPHERAL;
        lun->number = bytes[1];
        break;
    }
}

/** 4.7.7.2: a bus that is not 0 leads to a device below, and the second level names a unit of it. */
static bool decode_below(const uint8_t *bytes, struct vst_scsi_lun *lun)
{
    uint8_t method = bytes[2] >> 6;

    if (method > METHOD_FLAT || (method == METHOD_PERIPHERAL && bytes[2] != 0))
        return false;
    decode_level(bytes + 2, lun);
    lun->n_levels = 2;
    lun->bus = bytes[0];
    lun->target = bytes[1];
    return true;
}

enum vst_status vst_scsi_lun_decode(const uint8_t bytes[VST_SCSI_LUN_BYTES],
                                    struct vst_scsi_lun *lun)
{
    struct vst_scsi_lun found = {.n_levels = 1};
    size_t n_bytes = 2;

    if (bytes[0] >> 6 > METHOD_LOGICAL_UNIT)
        n_bytes = decode_extended(bytes, &found);
    else if (bytes[0] >> 6 == METHOD_PERIPHERAL && bytes[0] != 0)
        n_bytes = decode_below(bytes, &found) ? 4 : 0;
    else
        decode_level(bytes, &found);
    if (n_bytes == 0 || !all_zero(bytes + n_bytes, VST_SCSI_LUN_BYTES - n_bytes))
        return VST_ERR_UNSUPPORTED;
    *lun = found;
    return VST_OK;
}

/* ------------------------------------------------------------------ target and unit */

enum vst_status vst_scsi_nexus_encode(uint8_t target, const struct vst_scsi_lun *lun,
                                      uint8_t bytes[VST_SCSI_LUN_BYTES])
{
    struct vst_scsi_lun plain = *lun;
    uint8_t encoded[VST_SCSI_LUN_BYTES];

    if (!fits(lun))
        return VST_ERR_INVALID;
    if (lun->method == VST_SCSI_LUN_WELL_KNOWN) {
        encode(lun, bytes);
        return lun->number == VST_SCSI_REPORT_LUNS_UNIT ? VST_OK : VST_ERR_INVALID;
    }
    /* As drivers do since the first of them, whatever REPORT LUNS wrote: devices need know no other. */
    if (lun->n_levels == 1 && lun->method == VST_SCSI_LUN_PERIPHERAL)
        plain.method = VST_SCSI_LUN_FLAT;
    encode(&plain, encoded);
    bytes[0] = NEXUS_MARK;
    bytes[1] = target;
    __builtin_memcpy(bytes + 2, encoded, VST_SCSI_LUN_BYTES - 2);
    return VST_OK;
}

enum vst_status vst_scsi_nexus_decode(const uint8_t bytes[VST_SCSI_LUN_BYTES], uint8_t *target,
                                      struct vst_scsi_lun *lun)
{
    uint8_t encoded[VST_SCSI_LUN_BYTES] = {0};
    struct vst_scsi_lun found;

    if (bytes[0] == WELL_KNOWN) {
        if (vst_scsi_lun_decode(bytes, &found) != VST_OK ||
            found.number != VST_SCSI_REPORT_LUNS_UNIT)
            return VST_ERR_MALFORMED;
        *target = 0;
        *lun = found;
        return VST_OK;
    }
    __builtin_memcpy(encoded, bytes + 2, VST_SCSI_LUN_BYTES - 2);
    if (bytes[0] != NEXUS_MARK || vst_scsi_lun_decode(encoded, &found) != VST_OK ||
        found.method == VST_SCSI_LUN_WELL_KNOWN)
        return VST_ERR_MALFORMED;
    *target = bytes[1];
    *lun = found;
    return VST_OK;
}
