/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/scsi_types.h: the words of SCSI that host adapters, the SCSI layer and embedders share.
 * (SAM-5, SPC-4)
 */
#ifndef VSTOR_SCSI_TYPES_H
#define VSTOR_SCSI_TYPES_H

#include <vstor/types.h>

VST_BEGIN_C

/** How a command ended, as its target says. (SAM-5, 5.3.1) */
enum vst_scsi_status {
    VST_SCSI_GOOD = 0x00,
    VST_SCSI_CHECK_CONDITION = 0x02,
    VST_SCSI_CONDITION_MET = 0x04,
    VST_SCSI_BUSY = 0x08,
    VST_SCSI_RESERVATION_CONFLICT = 0x18,
    VST_SCSI_TASK_SET_FULL = 0x28,
    VST_SCSI_ACA_ACTIVE = 0x30,
    VST_SCSI_TASK_ABORTED = 0x40,
};

/**
 * Whether a command got to its target and back, as the host adapter says; only with OK is there a
 * status.
 */
enum vst_scsi_response {
    VST_SCSI_RESPONSE_OK,
    VST_SCSI_RESPONSE_OVERRUN, /**< it was to transfer more than its buffers hold */
    VST_SCSI_RESPONSE_ABORTED, /**< by a task management function */
    VST_SCSI_RESPONSE_BAD_TARGET,
    VST_SCSI_RESPONSE_RESET,             /**< of the unit, the target or the adapter */
    VST_SCSI_RESPONSE_BUSY,              /**< the adapter has no room now */
    VST_SCSI_RESPONSE_TRANSPORT_FAILURE, /**< the way to the target is broken */
    VST_SCSI_RESPONSE_TARGET_FAILURE,    /**< another way would help nothing */
    VST_SCSI_RESPONSE_NEXUS_FAILURE,     /**< another way may do */
    VST_SCSI_RESPONSE_FAILURE,           /**< any other */
    VST_SCSI_RESPONSE_TIMEOUT,   /**< no answer in time; the adapter has let go of the command */
    VST_SCSI_RESPONSE_MALFORMED, /**< an answer that makes no sense, or none was written */
    VST_SCSI_N_RESPONSES
};

/** (SPC-4, 4.5.6) */
enum vst_scsi_sense_key {
    VST_SCSI_NO_SENSE,
    VST_SCSI_RECOVERED_ERROR,
    VST_SCSI_NOT_READY,
    VST_SCSI_MEDIUM_ERROR,
    VST_SCSI_HARDWARE_ERROR,
    VST_SCSI_ILLEGAL_REQUEST,
    VST_SCSI_UNIT_ATTENTION,
    VST_SCSI_DATA_PROTECT,
    VST_SCSI_BLANK_CHECK,
    VST_SCSI_VENDOR_SPECIFIC,
    VST_SCSI_COPY_ABORTED,
    VST_SCSI_ABORTED_COMMAND,
    VST_SCSI_KEY_RESERVED,
    VST_SCSI_VOLUME_OVERFLOW,
    VST_SCSI_MISCOMPARE,
    VST_SCSI_COMPLETED,
    VST_SCSI_N_KEYS
};

/** What a logical unit is. (SPC-4, 6.6.2) */
enum vst_scsi_device_type {
    VST_SCSI_TYPE_DISK = 0x00,
    VST_SCSI_TYPE_TAPE = 0x01,
    VST_SCSI_TYPE_CD = 0x05,
    VST_SCSI_TYPE_CHANGER = 0x08,
    VST_SCSI_TYPE_CONTROLLER = 0x0c, /**< storage array controller */
    VST_SCSI_TYPE_ENCLOSURE = 0x0d,
    VST_SCSI_TYPE_ZONED_DISK = 0x14,
    VST_SCSI_TYPE_WELL_KNOWN = 0x1e,
    VST_SCSI_TYPE_NONE = 0x1f,
};

/** "disk", "cd/dvd", "tape", ...: as lsscsi calls them; "unknown" for others. */
const char *vst_scsi_type_name(uint8_t type);

/** Longest name of a unit (page 83h), the end mark included. */
#define VST_SCSI_WWN_BYTES 264u

/**
 * A CDB of 6, 10, 12 or 16 bytes, zeroes behind it, as it lies in memory: two words that go into
 * the adapter's memory as they are. Passed by value it travels in two registers.
 */
struct vst_scsi_cdb {
    union {
        uint64_t words[2];
        uint8_t bytes[16];
    };
};
VST_STATIC_ASSERT(sizeof(struct vst_scsi_cdb) == 16, "two registers");

/** Longest command that is sent. */
#define VST_SCSI_LONG_CDB_BYTES 32u

/** Most bytes of sense data that a target returns. (SPC-4, 4.5.1) */
#define VST_SCSI_SENSE_BYTES 252u

/** How a logical unit number is written. (SAM-5, 4.7) */
enum vst_scsi_lun_method {
    VST_SCSI_LUN_PERIPHERAL,    /**< 0 to 255 */
    VST_SCSI_LUN_FLAT,          /**< 0 to 16383 */
    VST_SCSI_LUN_LOGICAL_UNIT,  /**< 0 to 31 at a bus and target behind the device */
    VST_SCSI_LUN_EXTENDED_FLAT, /**< 0 to 2^24 - 1 */
    VST_SCSI_LUN_WELL_KNOWN,
};

/** What a logical unit number takes. */
#define VST_SCSI_LUN_BYTES    8u
#define VST_SCSI_MAX_FLAT_LUN 16383u    /**< VST_SCSI_LUN_FLAT */
#define VST_SCSI_MAX_LUN      0xffffffu /**< VST_SCSI_LUN_EXTENDED_FLAT */

/** Number of the well-known logical unit that answers REPORT LUNS. (SPC-4, 8.2) */
#define VST_SCSI_REPORT_LUNS_UNIT 1u

/** A logical unit's number, decoded and checked. */
struct vst_scsi_lun {
    uint32_t number;     /**< of the last level */
    uint8_t method;      /**< enum vst_scsi_lun_method, of the last level */
    uint8_t n_levels;    /**< 1, or 2: behind a device that `bus`, not 0, and `target` name */
    uint8_t bus, target; /**< 0 where one level and no LOGICAL_UNIT */
};

/** The usual way to write a number: peripheral, flat, extended. VST_ERR_RANGE: more than 24 bits. */
enum vst_status vst_scsi_lun_of(uint32_t number, struct vst_scsi_lun *lun) VST_MUST_USE;

/** The well-known logical unit that answers REPORT LUNS, whatever else a target has. */
struct vst_scsi_lun vst_scsi_report_luns_lun(void);

/** Whether two name the same unit, however they are written. */
bool vst_scsi_lun_equal(const struct vst_scsi_lun *a, const struct vst_scsi_lun *b);

/** Into the 8 bytes of REPORT LUNS (SAM-5, 4.7). VST_ERR_INVALID: no such number by that method. */
enum vst_status vst_scsi_lun_encode(const struct vst_scsi_lun *lun,
                                    uint8_t bytes[VST_SCSI_LUN_BYTES]) VST_MUST_USE;

/**
 * From the 8 bytes of REPORT LUNS. VST_ERR_UNSUPPORTED: more levels, or a method that is not known;
 * such a unit can't be reached.
 */
enum vst_status vst_scsi_lun_decode(const uint8_t bytes[VST_SCSI_LUN_BYTES],
                                    struct vst_scsi_lun *lun) VST_MUST_USE;

/**
 * Target and unit in the 8 bytes that an adapter with targets 0 to 255 on one bus is told: 1,
 * target, the number in up to 6 bytes, flat where it can be; the well-known unit stands alone.
 * (VIRTIO 1.2, 5.6.6.1) VST_ERR_INVALID as above.
 */
enum vst_status vst_scsi_nexus_encode(uint8_t target, const struct vst_scsi_lun *lun,
                                      uint8_t bytes[VST_SCSI_LUN_BYTES]) VST_MUST_USE;

/** The other way, for what adapters report. VST_ERR_MALFORMED: not of that form. */
enum vst_status vst_scsi_nexus_decode(const uint8_t bytes[VST_SCSI_LUN_BYTES], uint8_t *target,
                                      struct vst_scsi_lun *lun) VST_MUST_USE;

/** Sense data, parsed and checked; what was not told is 0. (SPC-4, 4.5) */
struct vst_scsi_sense {
    bool valid;         /**< there are sense data of a known format */
    bool deferred;      /**< of an earlier command; the one that brought it was not carried out */
    bool is_descriptor; /**< descriptor format, else fixed */
    uint8_t key;        /**< enum vst_scsi_sense_key */
    uint8_t asc, ascq;
    bool filemark, end_of_medium, incorrect_length;
    bool overflow; /**< the target had more sense data than there was room for */
    bool has_information;
    uint64_t information; /**< of a medium error: the failing logical block */
    bool has_specific;
    uint64_t specific; /**< command-specific information */
    bool has_progress;
    uint16_t progress; /**< in 65536ths */
    bool has_field;    /**< ILLEGAL REQUEST: what was wrong with the request */
    bool field_in_cdb; /**< else in the parameter list */
    uint16_t field;    /**< byte */
    bool has_retries;
    uint16_t retries;  /**< that the target has made */
    uint8_t unit_code; /**< field replaceable unit, 0: not told */
};

/**
 * Parses what a command brought, all of it or its beginning: `bytes` is how many were received.
 * VST_ERR_MALFORMED (and sense->valid false): too short to hold a sense key, or no known format.
 */
enum vst_status vst_scsi_sense_parse(const void *data, size_t bytes,
                                     struct vst_scsi_sense *sense) VST_MUST_USE;

/** "MEDIUM ERROR"; "unknown" for what is no key. */
const char *vst_scsi_sense_key_name(unsigned key);

/** "unrecovered read error"; NULL where asc and ascq are not known. */
const char *vst_scsi_asc_text(uint8_t asc, uint8_t ascq);

/** "RESERVATION CONFLICT"; "unknown status" for what is none. */
const char *vst_scsi_status_name(unsigned status);

/** "transport failure"; "unknown response" for what is none. */
const char *vst_scsi_response_name(unsigned response);

/** Longest text of vst_scsi_sense_text, the end mark included. */
#define VST_SCSI_SENSE_TEXT_BYTES 112u

/**
 * "MEDIUM ERROR, unrecovered read error (03/11/00)" into `text`, cut at `bytes`. Returns the length
 * that it has or would have had.
 */
size_t vst_scsi_sense_text(const struct vst_scsi_sense *sense, char *text, size_t bytes);

VST_END_C

#endif
