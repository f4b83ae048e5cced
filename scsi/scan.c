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

/** The list lies in the talk's memory, which the next question overwrites: it is asked for again. */
static enum vst_status entry(struct scan *scan, uint32_t index, struct vst_scsi_lun *lun,
                             uint32_t *n)
{
    const struct vst_scsi_lun zero = {.n_levels = 1};
    struct scsi_view view;
    struct scsi_luns luns;
    enum vst_status status = vst_scsi_talk_to(scan->talk, scan->target, &zero);

    if (status == VST_OK)
        status =
            vst_scsi_ask(scan->talk, vst_scsi_report_luns(SCSI_LUNS_ADDRESSABLE, SCSI_TALK_BYTES),
                         SCSI_TALK_BYTES, PATIENCE_MS, &view);
    if (status == VST_OK)
        status = vst_scsi_luns_parse(view, &luns);
    if (status != VST_OK)
        return status;
    *n = luns.n_entries;
    return index < luns.n_entries ? vst_scsi_luns_entry(&luns, index, lun) : VST_ERR_NOT_FOUND;
}

static enum vst_status look_at_target(struct scan *scan)
{
    const struct vst_scsi_lun zero = {.n_levels = 1};
    struct vst_scsi_lun lun;
    uint32_t n = 1;
    enum vst_status status = look_at(scan, &zero, false);

    if (status != VST_OK) /* nobody answers at LUN 0: SPC-4 wants that somebody does */
        return status == VST_ERR_BROKEN ? status : VST_OK;
    for (uint32_t i = 0; i < n; i++) {
        status = entry(scan, i, &lun, &n);
        if (status == VST_ERR_BROKEN)
            return status;
        if (i == 0 && status != VST_OK && status != VST_ERR_UNSUPPORTED)
            return look_one_after_the_other(scan);
        if (status == VST_OK && look_at(scan, &lun, true) == VST_ERR_BROKEN)
            return VST_ERR_BROKEN;
    }
    return VST_OK;
}

enum vst_status vst_scsi_scan(struct vst_scsi_hba *hba,
                              void (*found)(void *ctx, const struct vst_scsi_found *unit),
                              void *ctx)
{
    struct scan scan = {.talk = vst_scsi_talk_open(hba), .found = found, .ctx = ctx};
    enum vst_status status = VST_OK;

    if (scan.talk == NULL)
        return VST_ERR_NO_MEMORY;
    /* max_target is inclusive (kvm-guest-drivers-windows#1442). */
    for (uint32_t target = 0; target <= hba->limits.max_target && status == VST_OK; target++) {
        scan.target = (uint8_t)target;
        status = look_at_target(&scan);
    }
    vst_scsi_talk_close(scan.talk);
    return status;
}
