/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CD and DVD drives: their medium comes and goes. What is in the drive is looked at when it is
 * attached, when a command meets that it has changed, and when the drive tells so itself, for which
 * it is asked every second. (MMC-6)
 */
#include "scsi/disk.h"

#include <vstor/log.h>

#include "scsi/cdb.h"
#include "scsi/media.h"

#define SPIN_UP_MS    15000u
#define ASK_EVERY_NS  1000000000ull
#define MOST_CHANGES  5u         /* while it is looked at; then later again */
#define MAX_BYTES     (1u << 20) /* of one command: what all drives take */
#define CD_SECTORS    (SCSI_CD_BLOCK_BYTES / VST_SECTOR_BYTES)
#define PROFILE_BYTES SCSI_CONFIGURATION_HEADER_BYTES
#define OF_MEDIUM     ((uint32_t)(VST_SCSI_LOOK_MEDIUM | VST_SCSI_LOOK_CAPACITY))

/** Whether who polls has met that the medium is another; forgets it. */
static bool take_signs(struct disk *disk)
{
    uint32_t signs = __atomic_fetch_and(&disk->unit->base.look_again, ~OF_MEDIUM, __ATOMIC_ACQUIRE);

    return (signs & OF_MEDIUM) != 0;
}

static bool has_signs(const struct disk *disk)
{
    return (__atomic_load_n(&disk->unit->base.look_again, __ATOMIC_ACQUIRE) & OF_MEDIUM) != 0;
}

/** What the answer says of the medium is the caller's to see; the rest is looked at by others. */
static enum vst_status ask(struct disk *disk, struct vst_scsi_cdb cdb, uint32_t bytes,
                           uint32_t patience_ms, struct scsi_view *view)
{
    struct scsi_talk *talk = disk->cd.talk;
    enum vst_status status = vst_scsi_ask(talk, cdb, bytes, patience_ms, view);

    if ((talk->signs & ~OF_MEDIUM) != 0)
        vst_scsi_unit_look_again(&disk->unit->base, talk->signs & ~OF_MEDIUM);
    talk->signs = 0;
    return status;
}

/* ------------------------------------------------------------------ the medium */

/**
 * Asks past what the drive has to tell of earlier media: there may be several such answers, and if
 * there is one it is another medium now.
 */
static enum vst_status ask_ready(struct disk *disk, uint32_t patience_ms, bool *is_new)
{
    enum vst_status before, status = VST_ERR_MEDIUM_CHANGED;
    struct scsi_view view;
    unsigned n = 0;

    /* "No medium" may be news of a moment ago; said twice it is how things are. */
    do {
        before = status;
        status = ask(disk, vst_scsi_test_unit_ready(), 0, patience_ms, &view);
        *is_new |= status == VST_ERR_MEDIUM_CHANGED;
    } while (++n < MOST_CHANGES && (status == VST_ERR_MEDIUM_CHANGED ||
                                    (status == VST_ERR_NO_MEDIUM && before != status)));
    return status;
}

static enum vst_status ask_capacity(struct disk *disk, uint32_t patience_ms, uint64_t *n_sectors)
{
    struct scsi_view view;
    uint64_t n_blocks;
    enum vst_status status = ask(disk, vst_scsi_read_capacity_10(), 8, patience_ms, &view);

    if (status == VST_OK)
        status = vst_scsi_cd_capacity_parse(view, &n_blocks);
    if (status == VST_OK)
        *n_sectors = n_blocks * CD_SECTORS;
    return status;
}

/** A drive that knows no tables of contents, or none of this medium, is believed to have data. */
static void ask_tracks(struct disk *disk)
{
    struct scsi_view view;
    struct scsi_toc toc;

    if (ask(disk, vst_scsi_read_toc(1, SCSI_TOC_BYTES), SCSI_TOC_BYTES, 0, &view) != VST_OK ||
        vst_scsi_toc_parse(view, &toc) != VST_OK)
        return;
    for (unsigned i = 0; i < toc.n_entries; i++) {
        struct scsi_track track = vst_scsi_toc_track(&toc, i);
        if (track.number < toc.first_track || track.number > toc.last_track)
            continue;
        disk->cd.medium.n_tracks++;
        disk->cd.medium.n_data_tracks += track.is_data;
    }
}

static void ask_profile(struct disk *disk)
{
    struct scsi_configuration configuration;
    struct scsi_view view;

    if (ask(disk, vst_scsi_get_configuration(0, PROFILE_BYTES), PROFILE_BYTES, 0, &view) ==
            VST_OK &&
        vst_scsi_configuration_parse(view, &configuration) == VST_OK)
        disk->cd.medium.profile = vst_scsi_profile_name(configuration.profile);
}

/** Stores how many sectors there are. An error says why there is nothing to read. */
static enum vst_status ask_medium(struct disk *disk, uint32_t patience_ms, uint64_t *n_sectors,
                                  bool *is_new)
{
    struct vst_scsi_medium *medium = &disk->cd.medium;
    enum vst_status status = ask_ready(disk, patience_ms, is_new);

    *n_sectors = 0;
    *medium = (struct vst_scsi_medium){.profile = ""};
    if (status == VST_OK)
        status = ask_capacity(disk, patience_ms, n_sectors);
    if (status != VST_OK)
        return status;
    ask_profile(disk);
    ask_tracks(disk);
    if (medium->n_tracks > 0 && medium->n_data_tracks == 0) {
        *n_sectors = 0;
        return VST_ERR_UNSUPPORTED; /* music */
    }
    return VST_OK;
}

/* ------------------------------------------------------------------ events */

static void note_eject_wanted(struct disk *disk)
{
    vst_block_note(&disk->base, VST_BLOCK_EVENT_EJECT_WANTED, ++disk->cd.n_ejects);
}

/** Whether the drive has another medium, or *perhaps: it may have one, or none any more. */
static bool has_other(struct disk *disk, bool *perhaps)
{
    enum vst_status known = disk->base.medium;
    struct scsi_media_status media;
    struct scsi_view view;
    enum vst_status status =
        ask(disk, vst_scsi_get_event_status(SCSI_EVENTS_MEDIA, SCSI_EVENT_STATUS_BYTES),
            SCSI_EVENT_STATUS_BYTES, 0, &view);

    if (status == VST_OK)
        status = vst_scsi_media_status_parse(view, &media);
    if (status == VST_ERR_UNSUPPORTED)
        disk->cd.knows_no_events = true;
    if (status != VST_OK)
        return false;
    if (media.event == SCSI_MEDIA_EJECT_WANTED)
        note_eject_wanted(disk);
    *perhaps = media.present != (known == VST_OK) && (media.present || known != VST_ERR_NO_MEDIUM);
    return media.event == SCSI_MEDIA_NEW || media.event == SCSI_MEDIA_REMOVED ||
           media.event == SCSI_MEDIA_CHANGED;
}

/* ------------------------------------------------------------------ looking */

/** While somebody uses it the medium stays in; drives that can't are left alone. */
static void lock_in(struct disk *disk, bool lock)
{
    struct scsi_view view;

    (void)!ask(disk, vst_scsi_prevent_removal(lock), 0, 0, &view);
}

static enum vst_status look(struct disk *disk, uint32_t patience_ms, bool is_new)
{
    struct vst_block_device *device = &disk->base;
    uint64_t n_sectors;
    bool ignored;

    /* What the drive has not yet told is of the medium that is looked at now, not of a later one. */
    if (!disk->cd.knows_no_events)
        (void)has_other(disk, &ignored);
    enum vst_status status = ask_medium(disk, patience_ms, &n_sectors, &is_new);

    if (status == VST_ERR_BROKEN)
        return status;
    /* It changes faster than it can be looked at: then next time. */
    if (status == VST_ERR_MEDIUM_CHANGED) {
        vst_scsi_unit_look_again(&disk->unit->base, VST_SCSI_LOOK_MEDIUM);
        vst_block_medium_lost(device);
        return status;
    }
    if (status != VST_OK && status != VST_ERR_NO_MEDIUM && status != device->medium)
        vst_log(device->platform, VST_LOG_WARNING, "%s: its medium: %s", device->path,
                vst_status_text(status));
    vst_block_medium_found(device, status, n_sectors, is_new);
    /* What was met by others since then is of a later medium. */
    if (has_signs(disk))
        vst_block_medium_lost(device);
    if (device->n_holders > 0)
        lock_in(disk, true); /* a drive that was reset has forgotten that */
    return status;
}

/** As has_other, of a drive that tells no events. Its answer may be the only one that says so. */
static bool seems_other(struct disk *disk, bool *perhaps)
{
    enum vst_status known = disk->base.medium;
    struct scsi_view view;
    enum vst_status status = ask(disk, vst_scsi_test_unit_ready(), 0, 0, &view);

    *perhaps = status != known;
    return status == VST_ERR_MEDIUM_CHANGED || (status == VST_ERR_NO_MEDIUM && known == VST_OK);
}

static bool is_time(struct disk *disk)
{
    const struct vst_platform *platform = disk->base.platform;
    uint64_t now_ns = platform->time_ns(platform->ctx);

    if (now_ns < disk->cd.look_ns)
        return false;
    disk->cd.look_ns = now_ns + ASK_EVERY_NS;
    return true;
}

enum vst_status vst_scsi_cd_refresh(struct vst_block_device *device)
{
    struct disk *disk = scsi_disk_of(device);
    bool perhaps = false;

    if (take_signs(disk))
        return look(disk, 0, true) == VST_ERR_BROKEN ? VST_ERR_BROKEN : VST_OK;
    if (!is_time(disk))
        return VST_OK;
    bool other = disk->cd.knows_no_events ? seems_other(disk, &perhaps) : has_other(disk, &perhaps);
    if ((other || perhaps) && look(disk, 0, other) == VST_ERR_BROKEN)
        return VST_ERR_BROKEN;
    return VST_OK;
}

/* ------------------------------------------------------------------ holding and moving */

void vst_scsi_cd_held(struct vst_block_device *device, bool held)
{
    struct disk *disk = scsi_disk_of(device);

    if (device->broken || disk->hba->broken)
        return;
    lock_in(disk, held);
    /* Whoever begins is to see what is in the drive now. */
    if (held) {
        disk->cd.look_ns = 0;
        (void)!vst_scsi_cd_refresh(device);
    }
}

enum vst_status vst_scsi_cd_move(struct vst_block_device *device, bool load)
{
    struct disk *disk = scsi_disk_of(device);
    struct scsi_view view;

    lock_in(disk, false);
    enum vst_status status = ask(
        disk, vst_scsi_start_stop_unit(load ? SCSI_LOAD : SCSI_EJECT, load), 0, SPIN_UP_MS, &view);
    if (status != VST_OK && status != VST_ERR_NO_MEDIUM)
        return status;
    enum vst_status found = look(disk, load ? SPIN_UP_MS : 0, false);
    if (load)
        return found;
    return found == VST_OK ? VST_ERR_NOT_READY : status;
}

const struct vst_scsi_medium *vst_scsi_cd_medium(const struct vst_block_device *device)
{
    const struct disk *disk = (const struct disk *)device; /* base comes first */

    return device->n_queues > 0 && device->queues[0]->driver == &vst_scsi_cd_driver
               ? &disk->cd.medium
               : NULL;
}

/* ------------------------------------------------------------------ making a block device */

static enum vst_status fill_limits(struct disk *disk)
{
    uint32_t most = vst_min_u32(disk->hba->limits.max_sectors, MAX_BYTES / VST_SECTOR_BYTES);

    disk->base.read_only = true;
    disk->base.removable = true;
    return vst_scsi_disk_take_hba_limits(disk, SCSI_CD_BLOCK_BYTES, most / CD_SECTORS * CD_SECTORS)
               ? VST_OK
               : VST_ERR_MALFORMED;
}

static enum vst_status look_again(struct unit *unit, struct scsi_talk *talk, uint32_t what)
{
    struct disk *disk = scsi_disk_of_unit(&unit->base);
    enum vst_status status = look(disk, 0, (what & OF_MEDIUM) != 0);

    (void)talk; /* it has its own */
    return status == VST_ERR_BROKEN || status == VST_ERR_GONE ? status : VST_OK;
}

static const struct unit_driver cd_unit_driver = {
    .look_again = look_again,
    .unplug = vst_scsi_disk_unplug,
    .give_up = vst_scsi_disk_give_up,
    .is_idle = vst_scsi_disk_is_idle,
};

static enum vst_status make_device(struct disk *disk)
{
    enum vst_status status = fill_limits(disk);

    if (status != VST_OK)
        return status;
    vst_scsi_disk_make_queues(disk, &vst_scsi_cd_driver, false);
    status = look(disk, SPIN_UP_MS, true);
    (void)take_signs(disk); /* first contact is no change */
    return status == VST_ERR_BROKEN || status == VST_ERR_GONE ? status : VST_OK;
}

enum vst_status vst_scsi_cd_attach_unit(struct vst_scsi_unit *unit,
                                        struct vst_block_device **device)
{
    struct disk *disk = vst_scsi_disk_create(unit_of(unit));

    if (disk == NULL)
        return VST_ERR_NO_MEMORY;
    disk->cd.talk = vst_scsi_talk_open(unit->hba);
    if (disk->cd.talk != NULL)
        disk->cd.talk->nexus = unit->nexus;
    enum vst_status status = disk->cd.talk != NULL ? make_device(disk) : VST_ERR_NO_MEMORY;
    if (status == VST_OK) {
        unit->block = *device = &disk->base;
        unit_of(unit)->driver = &cd_unit_driver;
    } else {
        vst_scsi_disk_detach(&disk->base);
    }
    return status;
}
