/* SPDX-License-Identifier: BSD-2-Clause */
/* Vital product data. (SPC-4, 7.8; SBC-3, 6.6) */
#include <vstor/log.h>

#include "scsi/inquiry.h"

uint32_t vst_scsi_page_bytes(struct scsi_view bytes, uint8_t page)
{
    if (!scsi_has(bytes, 0, SCSI_PAGE_HEADER_BYTES) || scsi_u8(bytes, 1) != page)
        return 0;
    return SCSI_PAGE_HEADER_BYTES + scsi_be16(bytes, 2);
}

/** Cuts to what both the header and the transfer say; false if it is not that page. */
static bool open_page(struct scsi_view *bytes, uint8_t page)
{
    uint32_t whole = vst_scsi_page_bytes(*bytes, page);

    *bytes = scsi_cut(*bytes, whole);
    return whole != 0;
}

/* ------------------------------------------------------------------ pages 00h, 80h */

enum vst_status vst_scsi_pages_parse(struct scsi_view bytes, struct scsi_pages *pages)
{
    /* 7.8.13: in ascending order. Standard data, which have 0 at the same place as a page code, have
     * a length there that is not 0. */
    if (!open_page(&bytes, SCSI_PAGE_SUPPORTED) || !scsi_has(bytes, SCSI_PAGE_HEADER_BYTES, 1) ||
        scsi_u8(bytes, SCSI_PAGE_HEADER_BYTES) != SCSI_PAGE_SUPPORTED)
        return VST_ERR_MALFORMED;
    *pages = (struct scsi_pages){{0}};
    for (size_t i = SCSI_PAGE_HEADER_BYTES; i < bytes.bytes; i++)
        pages->bits[bytes.at[i] / 32] |= 1u << bytes.at[i] % 32;
    return VST_OK;
}

bool vst_scsi_has_page(const struct scsi_pages *pages, uint8_t page)
{
    return (pages->bits[page / 32] >> page % 32 & 1) != 0;
}

enum vst_status vst_scsi_serial_parse(struct scsi_view bytes, char *serial, size_t serial_bytes)
{
    if (!open_page(&bytes, SCSI_PAGE_SERIAL))
        return VST_ERR_MALFORMED;
    vst_scsi_text(scsi_part(bytes, SCSI_PAGE_HEADER_BYTES, bytes.bytes), serial, serial_bytes);
    return serial[0] != '\0' ? VST_OK : VST_ERR_NOT_FOUND;
}

/* ------------------------------------------------------------------ page 83h */

#define DESIGNATOR_HEADER_BYTES 4u

#define CODE_SET_BINARY 1u

#define NAA_LOCAL 3u

/** The designator at *at of the bytes of an opened page. */
static bool next_designator(struct scsi_view page, size_t *at, struct scsi_designator *designator)
{
    size_t bytes = scsi_u8(page, *at + 3);

    if (!scsi_has(page, *at, DESIGNATOR_HEADER_BYTES + bytes))
        return false;
    *designator = (struct scsi_designator){
        .code_set = scsi_u8(page, *at) & 0x0f,
        .association = scsi_u8(page, *at + 1) >> 4 & 3,
        .type = scsi_u8(page, *at + 1) & 0x0f,
        .id = scsi_part(page, *at + DESIGNATOR_HEADER_BYTES, bytes),
    };
    *at += DESIGNATOR_HEADER_BYTES + bytes;
    return true;
}

bool vst_scsi_next_designator(struct scsi_view page, size_t *at, struct scsi_designator *designator)
{
    if (!open_page(&page, SCSI_PAGE_IDENTIFICATION))
        return false;
    if (*at == 0)
        *at = SCSI_PAGE_HEADER_BYTES;
    return next_designator(page, at, designator);
}

static uint8_t naa_of(const struct scsi_designator *designator)
{
    return scsi_u8(designator->id, 0) >> 4;
}

/** 7.8.6.6: how long a name of that kind is; 0 for what is none. */
static size_t naa_bytes(uint8_t naa)
{
    switch (naa) {
    case 2:
    case NAA_LOCAL:
    case 5:
        return 8;
    case 6:
        return 16;
    default:
        return 0;
    }
}

/**
 * How good a name is: 0 for none at all, above RANK_UNIQUE for those that are the unit's alone in
 * the world. Of two equally good ones the first is taken.
 */
enum { RANK_NONE, RANK_VENDOR, RANK_LOCAL, RANK_UNIQUE = RANK_LOCAL };
static unsigned rank_of(const struct scsi_designator *designator)
{
    size_t bytes = designator->id.bytes;

    if (designator->association != SCSI_ID_OF_UNIT || bytes == 0)
        return RANK_NONE;
    switch (designator->type) {
    case SCSI_ID_NAA:
        if (designator->code_set != CODE_SET_BINARY || bytes != naa_bytes(naa_of(designator)))
            return RANK_NONE;
        return naa_of(designator) == NAA_LOCAL ? RANK_LOCAL : bytes == 16 ? 9 : 8;
    case SCSI_ID_EUI64:
        if (designator->code_set != CODE_SET_BINARY)
            return RANK_NONE;
        return bytes == 16 ? 7 : bytes == 12 ? 6 : bytes == 8 ? 5 : RANK_NONE;
    case SCSI_ID_NAME:
        return 4;
    case SCSI_ID_T10:
        return bytes > 8 ? 3 : RANK_NONE;
    case SCSI_ID_VENDOR:
        return RANK_VENDOR;
    default:
        return RANK_NONE;
    }
}

static void hex_text(const char *prefix, struct scsi_view id, char *text)
{
    size_t n = vst_format(text, SCSI_WWN_BYTES, "%s", prefix);

    for (size_t i = 0; i < id.bytes && n + 3 <= SCSI_WWN_BYTES; i++)
        n += vst_format(text + n, SCSI_WWN_BYTES - n, "%02x", id.at[i]);
}

/** A name is one word: what stands between its parts becomes '_'. */
static void word_text(const char *prefix, struct scsi_view id, char *text)
{
    size_t n = vst_format(text, SCSI_WWN_BYTES, "%s", prefix), kept = n;

    vst_scsi_text(id, text + n, SCSI_WWN_BYTES - n);
    for (; text[n] != '\0'; n++)
        if (text[n] != ' ' || text[n + 1] != ' ')
            text[kept++] = text[n] == ' ' ? '_' : text[n];
    text[kept] = '\0';
}

static void take_name(const struct scsi_designator *designator, char *text)
{
    switch (designator->type) {
    case SCSI_ID_NAA:
        hex_text("0x", designator->id, text);
        break;
    case SCSI_ID_EUI64:
        hex_text("eui.", designator->id, text);
        break;
    case SCSI_ID_NAME:
        word_text("", designator->id, text);
        break;
    case SCSI_ID_T10:
        word_text("t10.", designator->id, text);
        break;
    default: /* the vendor's: bytes or text */
        if (designator->code_set == CODE_SET_BINARY)
            hex_text("vendor.", designator->id, text);
        else
            word_text("vendor.", designator->id, text);
        break;
    }
}

/** 7.8.6.7, 7.8.6.8: numbers of the port by which the page came. */
static void take_port(const struct scsi_designator *designator, struct scsi_identification *id)
{
    if (designator->association != SCSI_ID_OF_PORT || designator->code_set != CODE_SET_BINARY ||
        designator->id.bytes != 4)
        return;
    if (designator->type == SCSI_ID_RELATIVE_PORT) {
        id->has_port = true;
        id->port = scsi_be16(designator->id, 2);
    } else if (designator->type == SCSI_ID_PORT_GROUP) {
        id->has_port_group = true;
        id->port_group = scsi_be16(designator->id, 2);
    }
}

enum vst_status vst_scsi_identification_parse(struct scsi_view bytes,
                                              struct scsi_identification *id)
{
    struct scsi_designator designator;
    size_t at = SCSI_PAGE_HEADER_BYTES;
    unsigned best = RANK_NONE;

    if (!open_page(&bytes, SCSI_PAGE_IDENTIFICATION))
        return VST_ERR_MALFORMED;
    *id = (struct scsi_identification){.wwn = ""};
    while (next_designator(bytes, &at, &designator)) {
        take_port(&designator, id);
        if (rank_of(&designator) <= best)
            continue;
        best = rank_of(&designator);
        take_name(&designator, id->wwn);
    }
    id->is_unique = best > RANK_UNIQUE && id->wwn[0] != '\0';
    return VST_OK;
}

/* ------------------------------------------------------------------ pages B0h, B1h, B2h */

enum vst_status vst_scsi_block_limits_parse(struct scsi_view bytes,
                                            struct scsi_block_limits *limits)
{
    uint32_t alignment;

    if (!open_page(&bytes, SCSI_PAGE_BLOCK_LIMITS))
        return VST_ERR_MALFORMED;
    *limits = (struct scsi_block_limits){
        .same_nonzero = scsi_u8(bytes, 4) & 0x01,
        .max_compare_and_write = scsi_u8(bytes, 5),
        .optimal_granularity = scsi_be16(bytes, 6),
        .max_transfer = scsi_be32(bytes, 8),
        .optimal_transfer = scsi_be32(bytes, 12),
        .max_unmap = scsi_be32(bytes, 20),
        .max_unmap_descriptors = scsi_be32(bytes, 24),
        .unmap_granularity = scsi_be32(bytes, 28),
        .max_write_same = scsi_be64(bytes, 36),
    };
    alignment = scsi_be32(bytes, 32);
    if ((alignment & 0x80000000u) != 0 && limits->unmap_granularity != 0) /* UGAVALID */
        limits->unmap_alignment = (alignment & 0x7fffffffu) % limits->unmap_granularity;
    return VST_OK;
}

#define RATE_NOT_ROTATING 1u
#define RATE_LEAST        0x0401u
#define RATE_MOST         0xfffeu

enum vst_status vst_scsi_characteristics_parse(struct scsi_view bytes,
                                               struct scsi_characteristics *characteristics)
{
    uint16_t rate;

    if (!open_page(&bytes, SCSI_PAGE_BLOCK_CHARACTERISTICS))
        return VST_ERR_MALFORMED;
    rate = scsi_be16(bytes, 4);
    *characteristics = (struct scsi_characteristics){
        .rotational = rate != RATE_NOT_ROTATING,
        .rpm = rate >= RATE_LEAST && rate <= RATE_MOST ? rate : 0,
        .zoned = scsi_u8(bytes, 8) >> 4 & 3,
    };
    return VST_OK;
}

enum vst_status vst_scsi_provisioning_parse(struct scsi_view bytes,
                                            struct scsi_provisioning *provisioning)
{
    uint8_t bits;

    if (!open_page(&bytes, SCSI_PAGE_PROVISIONING))
        return VST_ERR_MALFORMED;
    bits = scsi_u8(bytes, 5);
    *provisioning = (struct scsi_provisioning){
        .unmap = bits & 0x80,
        .same_unmap_16 = bits & 0x40,
        .same_unmap_10 = bits & 0x20,
        /* Three bits in SBC-4, of which only this one promises zeroes. */
        .reads_zeroes = bits & 0x04,
        .anchors = bits & 0x02,
        .type = scsi_u8(bytes, 6) & 7,
    };
    return VST_OK;
}
