/* SPDX-License-Identifier: BSD-2-Clause */
/* Who a unit is: INQUIRY and its pages, one question after the other. (SPC-4, 6.6, 7.8) */
#include <vstor/log.h>

#include "scsi/cdb.h"
#include "scsi/units.h"

#define PAGE_BYTES 255u /* all that most pages have, and old units know */
#define MOST_BYTES 4096u

/* ------------------------------------------------------------------ a unit */

struct unit *vst_scsi_unit_create(struct vst_scsi_hba *hba, uint8_t target,
                                  const struct vst_scsi_lun *lun, enum vst_status *status)
{
    const struct vst_platform *platform = hba->platform;
    const struct vst_scsi_hba_limits *limits = &hba->limits;
    struct vst_scsi_nexus nexus;

    *status = VST_ERR_INVALID;
    if (target > limits->max_target || (lun->n_levels == 1 && lun->number > limits->max_lun) ||
        vst_scsi_nexus_encode(target, lun, nexus.bytes) != VST_OK)
        return NULL;
    *status = VST_ERR_NO_MEMORY;
    struct unit *unit = platform->alloc(platform->ctx, sizeof(*unit), 64, VST_MEMORY_PRIVATE, NULL);
    if (unit == NULL)
        return NULL;
    unit->base.hba = hba;
    unit->base.target = target;
    unit->base.lun = *lun;
    unit->base.nexus = nexus;
    vst_format(unit->base.path, sizeof(unit->base.path), "%s-scsi-0:0:%u:%lu", hba->path, target,
               (unsigned long)lun->number);
    vst_format(unit->base.hctl, sizeof(unit->base.hctl), "%u:0:%u:%lu", hba->number, target,
               (unsigned long)lun->number);
    unit->base.identity = (struct vst_block_identity){
        .vendor = unit->base.vendor,
        .product = unit->base.product,
        .revision = unit->base.revision,
        .wwn = unit->base.wwn,
        .hctl = unit->base.hctl,
    };
    *status = VST_OK;
    return unit;
}

void vst_scsi_unit_free(struct unit *unit)
{
    const struct vst_platform *platform = unit->base.hba->platform;

    platform->free(platform->ctx, unit, sizeof(*unit), VST_MEMORY_PRIVATE);
}

/* ------------------------------------------------------------------ what it answers */

/** VST_ERR_NOT_FOUND: nobody stands there. */
static enum vst_status take_inquiry(struct unit *unit, struct scsi_view view)
{
    struct scsi_inquiry inquiry;
    enum vst_status status = vst_scsi_inquiry_parse(view, &inquiry);

    if (status != VST_OK)
        return status;
    if (inquiry.qualifier != SCSI_UNIT_PRESENT || inquiry.type == VST_SCSI_TYPE_NONE)
        return VST_ERR_NOT_FOUND;
    unit->base.type = inquiry.type;
    unit->base.version = inquiry.version;
    unit->base.port_groups = inquiry.port_groups;
    unit->base.removable = unit->base.identity.removable = inquiry.removable;
    unit->base.has_protection = inquiry.protection;
    __builtin_memcpy(unit->base.vendor, inquiry.vendor, sizeof(inquiry.vendor));
    __builtin_memcpy(unit->base.product, inquiry.product, sizeof(inquiry.product));
    __builtin_memcpy(unit->base.revision, inquiry.revision, sizeof(inquiry.revision));
    return VST_OK;
}

static void take_pages(struct unit *unit, struct scsi_view view)
{
    if (vst_scsi_pages_parse(view, &unit->pages) != VST_OK)
        unit->pages = (struct scsi_pages){{0}};
}

static void take_serial(struct unit *unit, struct scsi_view view)
{
    if (vst_scsi_serial_parse(view, unit->base.serial, sizeof(unit->base.serial)) != VST_OK)
        unit->base.serial[0] = '\0';
}

static void take_identification(struct unit *unit, struct scsi_view view)
{
    struct scsi_identification id;

    if (vst_scsi_identification_parse(view, &id) != VST_OK)
        return;
    __builtin_memcpy(unit->base.wwn, id.wwn, sizeof(id.wwn));
    unit->base.wwn_is_unique = id.is_unique;
    unit->base.has_port = id.has_port;
    unit->base.port = id.port;
    unit->base.has_port_group = id.has_port_group;
    unit->base.port_group = id.port_group;
}

static void take_limits(struct unit *unit, struct scsi_view view)
{
    if (vst_scsi_block_limits_parse(view, &unit->limits) != VST_OK)
        unit->limits = (struct scsi_block_limits){0};
}

static void take_characteristics(struct unit *unit, struct scsi_view view)
{
    if (vst_scsi_characteristics_parse(view, &unit->characteristics) != VST_OK)
        unit->characteristics = (struct scsi_characteristics){.rotational = true};
    unit->base.identity.rotational = unit->characteristics.rotational;
}

static void take_provisioning(struct unit *unit, struct scsi_view view)
{
    if (vst_scsi_provisioning_parse(view, &unit->provisioning) != VST_OK)
        unit->provisioning = (struct scsi_provisioning){0};
}

/* ------------------------------------------------------------------ the questions, in order */

static const struct question {
    uint8_t page;
    bool of_blocks; /* of disks alone */
    void (*take)(struct unit *unit, struct scsi_view view);
} questions[] = {
    {SCSI_PAGE_SUPPORTED, false, take_pages},
    {SCSI_PAGE_SERIAL, false, take_serial},
    {SCSI_PAGE_IDENTIFICATION, false, take_identification},
    {SCSI_PAGE_BLOCK_LIMITS, true, take_limits},
    {SCSI_PAGE_BLOCK_CHARACTERISTICS, true, take_characteristics},
    {SCSI_PAGE_PROVISIONING, true, take_provisioning},
};

/* struct scsi_call.step: the standard data, then the questions from 1 on. */
#define STEP_STANDARD 0u
#define STEP_BRIEFLY  0x100u

static bool has_blocks(const struct unit *unit)
{
    return unit->base.type == VST_SCSI_TYPE_DISK || unit->base.type == VST_SCSI_TYPE_ZONED_DISK;
}

static bool is_worth_asking(const struct unit *unit, const struct question *question)
{
    if (question->page == SCSI_PAGE_SUPPORTED)
        return true;
    return vst_scsi_has_page(&unit->pages, question->page) &&
           (!question->of_blocks || has_blocks(unit));
}

static void ask_page(struct scsi_call *call, const struct unit *unit, uint8_t page, uint16_t bytes)
{
    vst_scsi_call_ask(call, &unit->base.nexus, vst_scsi_inquiry_page(page, bytes), bytes);
}

/** False: there is no more to ask. */
static bool ask_next(struct scsi_call *call, const struct unit *unit)
{
    while (call->step < VST_ARRAY_LENGTH(questions)) {
        const struct question *question = &questions[call->step++];
        if (!is_worth_asking(unit, question))
            continue;
        ask_page(call, unit, question->page, PAGE_BYTES);
        return true;
    }
    return false;
}

void vst_scsi_identify(struct scsi_call *call, struct unit *unit, bool briefly)
{
    unit->base.identity.rotational = true; /* where nothing is said of it */
    call->topic = unit;
    call->step = briefly ? STEP_BRIEFLY : STEP_STANDARD;
    vst_scsi_call_ask(call, &unit->base.nexus, vst_scsi_inquiry(SCSI_INQUIRY_BYTES),
                      SCSI_INQUIRY_BYTES);
}

/** A page that is longer than was asked for is asked for again, once. */
static bool ask_for_all(struct scsi_call *call, const struct unit *unit, uint8_t page,
                        struct scsi_view view)
{
    uint32_t whole = vst_scsi_page_bytes(view, page);

    if (call->segment.bytes > PAGE_BYTES || whole <= view.bytes)
        return false;
    ask_page(call, unit, page, (uint16_t)(whole < MOST_BYTES ? whole : MOST_BYTES));
    return true;
}

static bool is_first(const struct scsi_call *call)
{
    return (call->command.cdb[1] & 1) == 0; /* EVPD */
}

bool vst_scsi_identify_goes_on(struct scsi_call *call, enum vst_status status,
                               struct scsi_view view, enum vst_status *found)
{
    struct unit *unit = call->topic;

    *found = VST_OK;
    if (is_first(call)) {
        *found = status == VST_OK         ? take_inquiry(unit, view)
                 : status == VST_ERR_GONE ? VST_ERR_NOT_FOUND
                                          : status;
        return *found == VST_OK && call->step != STEP_BRIEFLY && ask_next(call, unit);
    }
    const struct question *question = &questions[call->step - 1];
    if (status == VST_OK && ask_for_all(call, unit, question->page, view))
        return true;
    if (status == VST_OK)
        question->take(unit, view);
    return ask_next(call, unit);
}

/* ------------------------------------------------------------------ one unit alone */

struct alone {
    struct unit *unit;
    bool begun;
    enum vst_status found;
};

static bool begin_alone(struct scsi_crowd *crowd, struct scsi_call *call)
{
    struct alone *alone = crowd->ctx;

    if (alone->begun)
        return false;
    alone->begun = true;
    vst_scsi_identify(call, alone->unit, false);
    return true;
}

static void answered_alone(struct scsi_crowd *crowd, struct scsi_call *call, enum vst_status status,
                           struct scsi_view view)
{
    struct alone *alone = crowd->ctx;

    (void)!vst_scsi_identify_goes_on(call, status, view, &alone->found);
}

enum vst_status vst_scsi_identify_one(struct unit *unit)
{
    struct scsi_crowd *crowd = vst_scsi_crowd_open(unit->base.hba, 1, MOST_BYTES);
    struct alone alone = {.unit = unit};

    if (crowd == NULL)
        return VST_ERR_NO_MEMORY;
    crowd->begin = begin_alone;
    crowd->answered = answered_alone;
    crowd->ctx = &alone;
    enum vst_status status = vst_scsi_crowd_run(crowd);
    vst_scsi_crowd_close(crowd);
    return status == VST_OK ? alone.found : status;
}

bool vst_scsi_is_same_unit(const struct unit *known, const struct unit *seen, bool briefly)
{
    const struct vst_scsi_unit *a = &known->base, *b = &seen->base;

    if (a->type != b->type || !vst_text_equal(a->vendor, b->vendor) ||
        !vst_text_equal(a->product, b->product))
        return false;
    return briefly || (vst_text_equal(a->serial, b->serial) && vst_text_equal(a->wwn, b->wwn));
}
