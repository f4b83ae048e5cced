/* SPDX-License-Identifier: BSD-2-Clause */
/* Which units there are behind an adapter. (SPC-4, 6.33; SAM-5, 4.7) */
#include "scsi/capacity.h"
#include "scsi/cdb.h"
#include "scsi/inquiry.h"
#include "scsi/run.h"

#define PATIENCE_MS 2000u
/* Where a target can't say which it has: after so many that are not there no more are tried. */
#define MOST_TRIED 8u

struct scan {
    struct scsi_talk *talk;
    void (*found)(void *ctx, const struct vst_scsi_found *unit);
    void *ctx;
    uint8_t target;
    uint8_t list[SCSI_TALK_BYTES]; /**< of REPORT LUNS: what is asked next overwrites the talk's */
};

/** VST_ERR_NOT_FOUND: there is no such unit. */
static enum vst_status look_at(struct scan *scan, const struct vst_scsi_lun *lun, bool tell)
{
    struct vst_scsi_found unit = {.target = scan->target, .lun = *lun};
    struct scsi_inquiry inquiry;
    struct scsi_view view;
    enum vst_status status = vst_scsi_talk_to(scan->talk, scan->target, lun);

    if (status == VST_OK)
        status = vst_scsi_ask(scan->talk, vst_scsi_inquiry(SCSI_INQUIRY_BYTES), SCSI_INQUIRY_BYTES,
                              PATIENCE_MS, &view);
    if (status == VST_OK)
        status = vst_scsi_inquiry_parse(view, &inquiry);
    if (status != VST_OK)
        return status == VST_ERR_BROKEN ? status : VST_ERR_NOT_FOUND;
    if (inquiry.qualifier != SCSI_UNIT_PRESENT || inquiry.type == VST_SCSI_TYPE_NONE)
        return tell ? VST_ERR_NOT_FOUND : VST_OK;
    unit.type = inquiry.type;
    unit.removable = inquiry.removable;
    __builtin_memcpy(unit.vendor, inquiry.vendor, sizeof(unit.vendor));
    __builtin_memcpy(unit.product, inquiry.product, sizeof(unit.product));
    __builtin_memcpy(unit.revision, inquiry.revision, sizeof(unit.revision));
    if (tell)
        scan->found(scan->ctx, &unit);
    return VST_OK;
}

static enum vst_status look_one_after_the_other(struct scan *scan)
{
    uint32_t max_lun = scan->talk->queue->hba->limits.max_lun;
    unsigned n_missing = 0;

    for (uint32_t number = 0; number <= max_lun && n_missing < MOST_TRIED; number++) {
        struct vst_scsi_lun lun;
        if (vst_scsi_lun_of(number, &lun) != VST_OK)
            break;
        enum vst_status status = look_at(scan, &lun, true);
        if (status == VST_ERR_BROKEN)
            return status;
        n_missing = status == VST_OK ? 0 : n_missing + 1;
    }
    return VST_OK;
}

/** Asks the target which units it has. */
static enum vst_status ask_luns(struct scan *scan, struct scsi_luns *luns)
{
    const struct vst_scsi_lun zero = {.n_levels = 1};
    struct scsi_view view;
    enum vst_status status = vst_scsi_talk_to(scan->talk, scan->target, &zero);

    if (status == VST_OK)
        status =
            vst_scsi_ask(scan->talk, vst_scsi_report_luns(SCSI_LUNS_ADDRESSABLE, SCSI_TALK_BYTES),
                         SCSI_TALK_BYTES, PATIENCE_MS, &view);
    if (status != VST_OK)
        return status;
    __builtin_memcpy(scan->list, view.at, view.bytes);
    return vst_scsi_luns_parse(scsi_view_of(scan->list, view.bytes), luns);
}

static enum vst_status look_at_target(struct scan *scan)
{
    const struct vst_scsi_lun zero = {.n_levels = 1};
    struct vst_scsi_lun lun;
    struct scsi_luns luns;
    enum vst_status status = look_at(scan, &zero, false);

    if (status != VST_OK) /* nobody answers at LUN 0: SPC-4 wants that somebody does */
        return status == VST_ERR_BROKEN ? status : VST_OK;
    status = ask_luns(scan, &luns);
    if (status != VST_OK)
        return status == VST_ERR_BROKEN ? status : look_one_after_the_other(scan);
    for (uint32_t i = 0; i < luns.n_entries; i++)
        if (vst_scsi_luns_entry(&luns, i, &lun) == VST_OK &&
            look_at(scan, &lun, true) == VST_ERR_BROKEN)
            return VST_ERR_BROKEN;
    return VST_OK;
}

enum vst_status vst_scsi_scan(struct vst_scsi_hba *hba,
                              void (*found)(void *ctx, const struct vst_scsi_found *unit),
                              void *ctx)
{
    const struct vst_platform *platform = hba->platform;
    struct scan *scan = platform->alloc(platform->ctx, sizeof(*scan), 64, VST_MEMORY_PRIVATE, NULL);
    struct scsi_talk *talk = scan != NULL ? vst_scsi_talk_open(hba) : NULL;
    enum vst_status status = talk != NULL ? VST_OK : VST_ERR_NO_MEMORY;

    /* max_target is inclusive (kvm-guest-drivers-windows#1442). */
    for (uint32_t target = 0; status == VST_OK && target <= hba->limits.max_target; target++) {
        scan->talk = talk;
        scan->found = found;
        scan->ctx = ctx;
        scan->target = (uint8_t)target;
        status = look_at_target(scan);
    }
    if (talk != NULL)
        vst_scsi_talk_close(talk);
    if (scan != NULL)
        platform->free(platform->ctx, scan, sizeof(*scan), VST_MEMORY_PRIVATE);
    return status;
}
