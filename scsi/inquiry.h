/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What INQUIRY tells: the standard data and the vital product data pages. (SPC-4, 6.6, 7.8; SBC-3,
 * 6.6)
 *
 * A parser gets the bytes that were received, of memory that no device can write any more. It
 * returns VST_ERR_MALFORMED where they are too short to mean anything, or are not the page that was
 * asked for; fields that were not received are 0.
 */
#ifndef VSTOR_SCSI_INQUIRY_H
#define VSTOR_SCSI_INQUIRY_H

#include <vstor/scsi_types.h>

#include "scsi/bytes.h"

/** Enough for all that is looked at. */
#define SCSI_INQUIRY_BYTES 96u

/** PERIPHERAL QUALIFIER (6.6.2) */
enum scsi_qualifier {
    SCSI_UNIT_PRESENT = 0,
    SCSI_UNIT_NOT_CONNECTED = 1, /**< there could be one of that type, but now there is none */
    SCSI_UNIT_IMPOSSIBLE = 3,    /**< never one at that number */
};

struct scsi_inquiry {
    uint8_t qualifier;   /**< enum scsi_qualifier, 4 to 7 the vendor's */
    uint8_t type;        /**< enum vst_scsi_device_type */
    uint8_t version;     /**< 5: SPC-3, 6: SPC-4; 0: none claimed */
    uint8_t port_groups; /**< TPGS: states of ways to the unit: 1 implicit, 2 explicit, 3 both */
    bool removable;
    bool queueing; /**< CMDQUE: more than one command at a time */
    bool protection;
    bool multiport;
    bool deep_luns; /**< HISUP: it numbers units by the methods of SAM-5, 4.7 */
    char vendor[9], product[17], revision[5]; /**< printable, without spaces around */
};

enum vst_status vst_scsi_inquiry_parse(struct scsi_view bytes,
                                       struct scsi_inquiry *inquiry) VST_MUST_USE;

/* ------------------------------------------------------------------ pages */

enum scsi_page {
    SCSI_PAGE_SUPPORTED = 0x00,
    SCSI_PAGE_SERIAL = 0x80,
    SCSI_PAGE_IDENTIFICATION = 0x83,
    SCSI_PAGE_BLOCK_LIMITS = 0xb0,
    SCSI_PAGE_BLOCK_CHARACTERISTICS = 0xb1,
    SCSI_PAGE_PROVISIONING = 0xb2,
};

#define SCSI_PAGE_HEADER_BYTES 4u

/**
 * Length of the whole page as its header tells it, to ask again if there was no room; 0 if this is
 * not that page: some units answer every INQUIRY with the standard data.
 */
uint32_t vst_scsi_page_bytes(struct scsi_view bytes, uint8_t page);

/** A bit for each page that a unit has. */
struct scsi_pages {
    uint32_t bits[8];
};
enum vst_status vst_scsi_pages_parse(struct scsi_view bytes, struct scsi_pages *pages) VST_MUST_USE;
bool vst_scsi_has_page(const struct scsi_pages *pages, uint8_t page);

/** Page 80h into `serial`, cut to fit; VST_ERR_NOT_FOUND if it is blank. */
enum vst_status vst_scsi_serial_parse(struct scsi_view bytes, char *serial,
                                      size_t serial_bytes) VST_MUST_USE;

/* ------------------------------------------------------------------ identification (7.8.6) */

/** DESIGNATOR TYPE */
enum scsi_designator_type {
    SCSI_ID_VENDOR = 0, /**< whatever the vendor likes: not unique in the world */
    SCSI_ID_T10 = 1,    /**< a vendor's registered name, then whatever that vendor likes */
    SCSI_ID_EUI64 = 2,
    SCSI_ID_NAA = 3,
    SCSI_ID_RELATIVE_PORT = 4,
    SCSI_ID_PORT_GROUP = 5,
    SCSI_ID_UNIT_GROUP = 6,
    SCSI_ID_MD5 = 7,
    SCSI_ID_NAME = 8, /**< "naa.", "eui.", "iqn." and more, in UTF-8 */
};

enum scsi_association {
    SCSI_ID_OF_UNIT = 0,
    SCSI_ID_OF_PORT = 1,
    SCSI_ID_OF_TARGET = 2,
};

struct scsi_designator {
    uint8_t type;        /**< enum scsi_designator_type */
    uint8_t association; /**< enum scsi_association */
    uint8_t code_set;    /**< 1 binary, 2 ASCII, 3 UTF-8 */
    struct scsi_view id; /**< inside the page, whole */
};

/**
 * Takes the designator at *at, which starts at 0, and goes on behind it. False: no more, or it
 * reaches beyond what was received or what the page says.
 */
bool vst_scsi_next_designator(struct scsi_view page, size_t *at,
                              struct scsi_designator *designator);

/** Room for the longest: "t10." and 251 characters. */
#define SCSI_WWN_BYTES VST_SCSI_WWN_BYTES

struct scsi_identification {
    /**
     * The best that the page says of the unit itself, as text that is the same by every way to it:
     * "0x5000c500a1b2c3d4" (NAA), "eui.0025385b71b00001", "t10.ATA_DISK_1", a SCSI name as it is,
     * or "vendor.drive0"; "" if it has none.
     */
    char wwn[SCSI_WWN_BYTES];
    bool is_unique; /**< in the world: not the vendor's alone, not locally assigned */
    bool has_port, has_port_group;
    uint16_t port;       /**< relative target port, of the way by which the page came */
    uint16_t port_group; /**< target port group of that */
};

enum vst_status vst_scsi_identification_parse(struct scsi_view bytes,
                                              struct scsi_identification *id) VST_MUST_USE;

/* ------------------------------------------------------------------ pages of block devices */

/** In logical blocks; 0 where the unit states no limit or does not do that. */
struct scsi_block_limits {
    bool same_nonzero; /**< WSNZ: WRITE SAME of 0 blocks does not mean all */
    uint8_t max_compare_and_write;
    uint16_t optimal_granularity;
    uint32_t max_transfer, optimal_transfer;
    uint32_t max_unmap, max_unmap_descriptors;
    uint32_t unmap_granularity;
    uint32_t unmap_alignment; /**< of the first granule; below unmap_granularity */
    uint64_t max_write_same;
};
enum vst_status vst_scsi_block_limits_parse(struct scsi_view bytes,
                                            struct scsi_block_limits *limits) VST_MUST_USE;

struct scsi_characteristics {
    bool rotational; /**< also where nothing is said of it */
    uint16_t rpm;    /**< 0: not told */
    uint8_t zoned;   /**< 0 not told, 1 host aware, 2 device managed */
};
enum vst_status
vst_scsi_characteristics_parse(struct scsi_view bytes,
                               struct scsi_characteristics *characteristics) VST_MUST_USE;

struct scsi_provisioning {
    bool unmap, same_unmap_16, same_unmap_10; /**< commands that unmap */
    bool reads_zeroes;                        /**< LBPRZ: what is unmapped reads as zeroes */
    bool anchors;
    uint8_t type; /**< 0 not told, 1 resource, 2 thin */
};
enum vst_status vst_scsi_provisioning_parse(struct scsi_view bytes,
                                            struct scsi_provisioning *provisioning) VST_MUST_USE;

#endif
