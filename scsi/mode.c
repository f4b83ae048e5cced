/* SPDX-License-Identifier: BSD-2-Clause */
#include "scsi/mode.h"

#define PAGE_HEADER_BYTES    2u
#define SUBPAGE_HEADER_BYTES 4u

#define HEADER_6_BYTES  4u
#define HEADER_10_BYTES 8u

#define PAGE_SAVEABLE 0x80u
#define PAGE_HAS_SUB  0x40u
#define PAGE_CODE     0x3fu
#define CACHING_WCE   0x04u
#define CACHING_RCD   0x01u
#define DEVICE_WP     0x80u
#define DEVICE_DPOFUA 0x10u

/** 7.5.7: the page at `at`, whole; empty where there is none or it is cut. */
static struct scsi_view page_at(struct scsi_view pages, size_t at)
{
    bool has_sub = scsi_u8(pages, at) & PAGE_HAS_SUB;
    size_t header_bytes = has_sub ? SUBPAGE_HEADER_BYTES : PAGE_HEADER_BYTES;
    size_t bytes = has_sub ? scsi_be16(pages, at + 2) : scsi_u8(pages, at + 1);

    if (!scsi_has(pages, at, header_bytes + bytes))
        bytes = header_bytes = 0;
    return scsi_part(pages, at, header_bytes + bytes);
}

static void find_caching(struct scsi_mode *mode)
{
    struct scsi_view page;

    for (size_t at = 0; (page = page_at(mode->pages, at)).bytes != 0; at += page.bytes) {
        /* WCE and RCD stand in the third byte: a page without it tells nothing. */
        if ((scsi_u8(page, 0) & (PAGE_CODE | PAGE_HAS_SUB)) != SCSI_MODE_PAGE_CACHING ||
            !scsi_has(page, 2, 1))
            continue;
        mode->has_caching = true;
        mode->write_cache = scsi_u8(page, 2) & CACHING_WCE;
        mode->read_cache = (scsi_u8(page, 2) & CACHING_RCD) == 0;
        mode->caching = page;
        return;
    }
}

enum vst_status vst_scsi_mode_parse(struct scsi_view bytes, enum scsi_mode_form form,
                                    struct scsi_mode *mode)
{
    bool is_10 = form == SCSI_MODE_10;
    uint8_t header_bytes = is_10 ? HEADER_10_BYTES : HEADER_6_BYTES;

    if (!scsi_has(bytes, 0, header_bytes))
        return VST_ERR_MALFORMED;
    /* 7.5.5: the length counts what follows it. */
    bytes = scsi_cut(bytes, is_10 ? scsi_be16(bytes, 0) + 2u : scsi_u8(bytes, 0) + 1u);
    uint8_t device = scsi_u8(bytes, is_10 ? 3 : 2);
    size_t descriptor_bytes = is_10 ? scsi_be16(bytes, 6) : scsi_u8(bytes, 3);
    if (!scsi_has(bytes, header_bytes, descriptor_bytes))
        return VST_ERR_MALFORMED;
    *mode = (struct scsi_mode){
        .write_protected = device & DEVICE_WP,
        .can_fua = device & DEVICE_DPOFUA,
        .header_bytes = header_bytes,
        .pages = scsi_part(bytes, header_bytes + descriptor_bytes, bytes.bytes),
    };
    find_caching(mode);
    return VST_OK;
}

enum vst_status vst_scsi_mode_put_write_cache(const struct scsi_mode *mode, bool on, uint8_t *list,
                                              size_t max_bytes, size_t *list_bytes)
{
    size_t bytes = mode->header_bytes + mode->caching.bytes;
    uint8_t *page = list + mode->header_bytes;

    if (!mode->has_caching)
        return VST_ERR_UNSUPPORTED;
    if (bytes > max_bytes)
        return VST_ERR_TOO_LARGE;
    /* 7.5.5: no block descriptors; lengths and what the unit says of itself are reserved here. */
    __builtin_memset(list, 0, mode->header_bytes);
    __builtin_memcpy(page, mode->caching.at, mode->caching.bytes);
    page[0] &= (uint8_t)~PAGE_SAVEABLE;
    page[2] = (uint8_t)(on ? page[2] | CACHING_WCE : page[2] & ~CACHING_WCE);
    *list_bytes = bytes;
    return VST_OK;
}
