/* SPDX-License-Identifier: BSD-2-Clause */
/* What units tell, asked for and said in words, for people. (SPC-4, 6.6, 6.33, 7.8; SBC-3, 6.6) */
#include <vstor/log.h>

#include "scsi/capacity.h"
#include "scsi/cdb.h"
#include "scsi/units.h"

#define PATIENCE_MS 2000u

/* ------------------------------------------------------------------ asking */

enum vst_status vst_scsi_unit_inquire(struct vst_scsi_unit *unit, int page, void *data,
                                      size_t max_bytes, size_t *bytes)
{
    uint16_t most = (uint16_t)(max_bytes < 4096 ? max_bytes : 4096);
    struct scsi_talk *talk = vst_scsi_talk_open(unit->hba);
    struct scsi_view view;

    if (talk == NULL)
        return VST_ERR_NO_MEMORY;
    talk->nexus = unit->nexus;
    enum vst_status status =
        vst_scsi_ask(talk,
                     page == VST_SCSI_STANDARD_INQUIRY ? vst_scsi_inquiry(most)
                                                       : vst_scsi_inquiry_page((uint8_t)page, most),
                     most, PATIENCE_MS, &view);
    *bytes = view.bytes;
    if (status == VST_OK)
        __builtin_memcpy(data, view.at, view.bytes);
    vst_scsi_unit_look_again(unit, talk->signs);
    vst_scsi_talk_close(talk);
    return status;
}

enum vst_status vst_scsi_target_luns(struct vst_scsi_hba *hba, uint8_t target,
                                     struct vst_scsi_lun *luns, uint32_t max, uint32_t *n)
{
    const struct vst_scsi_lun zero = {.n_levels = 1};
    struct scsi_talk *talk = vst_scsi_talk_open(hba);
    struct scsi_view view;
    struct scsi_luns list;

    *n = 0;
    if (talk == NULL)
        return VST_ERR_NO_MEMORY;
    enum vst_status status = vst_scsi_talk_to(talk, target, &zero);
    if (status == VST_OK)
        status = vst_scsi_ask(talk, vst_scsi_report_luns(SCSI_LUNS_ADDRESSABLE, SCSI_TALK_BYTES),
                              SCSI_TALK_BYTES, PATIENCE_MS, &view);
    if (status == VST_OK)
        status = vst_scsi_luns_parse(view, &list);
    for (uint32_t i = 0; status == VST_OK && i < list.n_entries && *n < max; i++)
        if (vst_scsi_luns_entry(&list, i, &luns[*n]) == VST_OK)
            (*n)++;
    vst_scsi_talk_close(talk);
    return status;
}

/* ------------------------------------------------------------------ saying it */

struct teller {
    void (*tell)(void *ctx, const char *name, const char *value);
    void *ctx;
};

static void tell(const struct teller *teller, const char *name, const char *value)
{
    teller->tell(teller->ctx, name, value);
}

static void tell_number(const struct teller *teller, const char *name, uint64_t value)
{
    char text[24];

    vst_format(text, sizeof(text), "%lu", (unsigned long)value);
    tell(teller, name, text);
}

static void tell_yes(const struct teller *teller, const char *name, bool yes)
{
    tell(teller, name, yes ? "yes" : "no");
}

static enum vst_status tell_standard(const struct teller *teller, struct scsi_view view)
{
    struct scsi_inquiry inquiry;
    enum vst_status status = vst_scsi_inquiry_parse(view, &inquiry);

    if (status != VST_OK)
        return status;
    tell_number(teller, "qualifier", inquiry.qualifier);
    tell(teller, "type", vst_scsi_type_name(inquiry.type));
    tell(teller, "vendor", inquiry.vendor);
    tell(teller, "product", inquiry.product);
    tell(teller, "revision", inquiry.revision);
    tell_number(teller, "version", inquiry.version);
    tell_yes(teller, "removable", inquiry.removable);
    tell_yes(teller, "queueing", inquiry.queueing);
    tell_yes(teller, "protection", inquiry.protection);
    tell_yes(teller, "multiport", inquiry.multiport);
    tell_number(teller, "port_groups", inquiry.port_groups);
    return VST_OK;
}

static enum vst_status tell_supported(const struct teller *teller, struct scsi_view view)
{
    struct scsi_pages pages;
    enum vst_status status = vst_scsi_pages_parse(view, &pages);
    char text[8];

    for (unsigned page = 0; status == VST_OK && page < 256; page++) {
        if (!vst_scsi_has_page(&pages, (uint8_t)page))
            continue;
        vst_format(text, sizeof(text), "0x%02x", page);
        tell(teller, "page", text);
    }
    return status;
}

static enum vst_status tell_serial(const struct teller *teller, struct scsi_view view)
{
    char serial[256];
    enum vst_status status = vst_scsi_serial_parse(view, serial, sizeof(serial));

    if (status == VST_OK || status == VST_ERR_NOT_FOUND)
        tell(teller, "serial", status == VST_OK ? serial : "");
    return status == VST_ERR_MALFORMED ? status : VST_OK;
}

static const char *designator_name(uint8_t type)
{
    static const char *const names[] = {
        [SCSI_ID_VENDOR] = "vendor",
        [SCSI_ID_T10] = "t10",
        [SCSI_ID_EUI64] = "eui",
        [SCSI_ID_NAA] = "naa",
        [SCSI_ID_RELATIVE_PORT] = "port",
        [SCSI_ID_PORT_GROUP] = "port_group",
        [SCSI_ID_UNIT_GROUP] = "unit_group",
        [SCSI_ID_MD5] = "md5",
        [SCSI_ID_NAME] = "name",
    };

    return type < VST_ARRAY_LENGTH(names) ? names[type] : "designator";
}

static void tell_designator(const struct teller *teller, const struct scsi_designator *designator)
{
    static const char *const of[] = {"unit", "port", "target", "reserved"};
    char text[2 * 256 + 16];
    size_t n = vst_format(text, sizeof(text), "%s ", of[designator->association]);

    if (designator->code_set == 1) /* binary */
        for (size_t i = 0; i < designator->id.bytes; i++)
            n += vst_format(text + n, sizeof(text) - n, "%02x", designator->id.at[i]);
    else
        vst_scsi_text(designator->id, text + n, sizeof(text) - n);
    tell(teller, designator_name(designator->type), text);
}

static enum vst_status tell_identification(const struct teller *teller, struct scsi_view view)
{
    struct scsi_designator designator;
    struct scsi_identification id;
    enum vst_status status = vst_scsi_identification_parse(view, &id);
    size_t at = 0;

    if (status != VST_OK)
        return status;
    while (vst_scsi_next_designator(view, &at, &designator))
        tell_designator(teller, &designator);
    tell(teller, "wwn", id.wwn);
    return VST_OK;
}

static enum vst_status tell_limits(const struct teller *teller, struct scsi_view view)
{
    struct scsi_block_limits limits;
    enum vst_status status = vst_scsi_block_limits_parse(view, &limits);

    if (status != VST_OK)
        return status;
    tell_number(teller, "max_transfer", limits.max_transfer);
    tell_number(teller, "optimal_transfer", limits.optimal_transfer);
    tell_number(teller, "optimal_granularity", limits.optimal_granularity);
    tell_number(teller, "max_compare_and_write", limits.max_compare_and_write);
    tell_number(teller, "max_unmap", limits.max_unmap);
    tell_number(teller, "max_unmap_descriptors", limits.max_unmap_descriptors);
    tell_number(teller, "unmap_granularity", limits.unmap_granularity);
    tell_number(teller, "unmap_alignment", limits.unmap_alignment);
    tell_number(teller, "max_write_same", limits.max_write_same);
    tell_yes(teller, "write_same_nonzero", limits.same_nonzero);
    return VST_OK;
}

static enum vst_status tell_characteristics(const struct teller *teller, struct scsi_view view)
{
    struct scsi_characteristics characteristics;
    enum vst_status status = vst_scsi_characteristics_parse(view, &characteristics);

    if (status != VST_OK)
        return status;
    tell_yes(teller, "rotational", characteristics.rotational);
    tell_number(teller, "rpm", characteristics.rpm);
    tell_number(teller, "zoned", characteristics.zoned);
    return VST_OK;
}

static enum vst_status tell_provisioning(const struct teller *teller, struct scsi_view view)
{
    struct scsi_provisioning provisioning;
    enum vst_status status = vst_scsi_provisioning_parse(view, &provisioning);

    if (status != VST_OK)
        return status;
    tell_yes(teller, "unmap", provisioning.unmap);
    tell_yes(teller, "write_same_16_unmaps", provisioning.same_unmap_16);
    tell_yes(teller, "write_same_10_unmaps", provisioning.same_unmap_10);
    tell_yes(teller, "reads_zeroes", provisioning.reads_zeroes);
    tell_yes(teller, "anchors", provisioning.anchors);
    tell_number(teller, "provisioning", provisioning.type);
    return VST_OK;
}

enum vst_status
vst_scsi_inquiry_describe(int page, const void *data, size_t bytes,
                          void (*what)(void *ctx, const char *name, const char *value), void *ctx)
{
    static const struct {
        int page;
        enum vst_status (*tell)(const struct teller *teller, struct scsi_view view);
    } tellers[] = {
        {VST_SCSI_STANDARD_INQUIRY, tell_standard},
        {SCSI_PAGE_SUPPORTED, tell_supported},
        {SCSI_PAGE_SERIAL, tell_serial},
        {SCSI_PAGE_IDENTIFICATION, tell_identification},
        {SCSI_PAGE_BLOCK_LIMITS, tell_limits},
        {SCSI_PAGE_BLOCK_CHARACTERISTICS, tell_characteristics},
        {SCSI_PAGE_PROVISIONING, tell_provisioning},
    };
    const struct teller teller = {what, ctx};

    for (size_t i = 0; i < VST_ARRAY_LENGTH(tellers); i++)
        if (tellers[i].page == page)
            return tellers[i].tell(&teller, scsi_view_of(data, bytes));
    return VST_ERR_UNSUPPORTED;
}
