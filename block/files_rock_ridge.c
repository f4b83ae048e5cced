/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rock Ridge: what the system use area of a directory record says. (SUSP 1.12, RRIP 1.12)
 *
 * The area may go on elsewhere, and from there elsewhere again; after so many times it ends.
 */
#include "block/files.h"

#define HEAD_BYTES         4u /* signature, length, version */
#define MAX_CONTINUATIONS  32u
#define XA_BYTES           14u
#define FLAG_CONTINUES     0x01u
#define FLAG_OWN           0x02u
#define FLAG_PARENT        0x04u
#define FLAG_ROOT          0x08u
#define TIME_CREATED       0x01u
#define TIME_MODIFIED      0x02u
#define TIME_LONG          0x80u
#define SHORT_TIME_BYTES   7u
#define LONG_TIME_BYTES    17u
#define MIN_ENTRY(payload) (HEAD_BYTES + (payload))

/** A walk over the entries. */
struct susp {
    struct vst_files *files;
    uint64_t offset; /* of what is left of the area */
    size_t left;
    struct susp_area next; /* where it goes on */
    unsigned n_continuations;
    uint8_t entry[256]; /* the current one; its length is checked */
};

static struct susp susp_begin(struct vst_files *files, struct susp_area area)
{
    return (struct susp){.files = files, .offset = area.offset, .left = area.bytes};
}

static bool susp_is(const struct susp *susp, const char *signature, unsigned least_bytes)
{
    return files_same(susp->entry, signature, 2) && susp->entry[2] >= least_bytes;
}

/** Goes on elsewhere. False if there is no more. */
static bool go_on(struct susp *susp)
{
    if (susp->next.bytes < HEAD_BYTES || susp->n_continuations == MAX_CONTINUATIONS)
        return false;
    susp->n_continuations++;
    susp->offset = susp->next.offset;
    susp->left = susp->next.bytes;
    susp->next.bytes = 0;
    return true;
}

static enum vst_status read_entry(struct susp *susp)
{
    enum vst_status status =
        vst_files_copy(susp->files, susp->n_continuations > 0 ? WINDOW_DATA : WINDOW_MAP,
                       susp->offset, susp->entry, HEAD_BYTES);
    const uint8_t bytes = susp->entry[2];

    if (status != VST_OK)
        return status;
    if (bytes < HEAD_BYTES || bytes > susp->left) {
        susp->left = 0; /* padding, or nonsense */
        return VST_ERR_NOT_FOUND;
    }
    status = vst_files_copy(susp->files, susp->n_continuations > 0 ? WINDOW_DATA : WINDOW_MAP,
                            susp->offset, susp->entry, bytes);
    susp->entry[2] = bytes;
    susp->offset += bytes;
    susp->left -= bytes;
    return status;
}

/** The next entry; VST_ERR_NOT_FOUND: there is none. An area beyond the volume's end is none. */
static enum vst_status susp_next(struct susp *susp)
{
    for (;;) {
        if (!files_step(susp->files))
            return VST_ERR_MALFORMED;
        if (susp->left < HEAD_BYTES && !go_on(susp))
            return VST_ERR_NOT_FOUND;
        enum vst_status status = read_entry(susp);
        if (status == VST_ERR_NOT_FOUND)
            continue;
        if (status != VST_OK)
            return status == VST_ERR_RANGE ? VST_ERR_NOT_FOUND : status;
        if (susp_is(susp, "ST", HEAD_BYTES)) {
            susp->left = 0;
        } else if (susp_is(susp, "CE", 28)) {
            susp->next.offset =
                (uint64_t)files_le32(susp->entry + 4) * susp->files->iso.block_bytes +
                files_le32(susp->entry + 12);
            susp->next.bytes = files_le32(susp->entry + 20);
        } else {
            return VST_OK;
        }
    }
}

/* ------------------------------------------------------------------ is it there */

/** The first entry must be SP (SUSP 5.3); behind it RRIP names itself or uses its own entries. */
static bool found_at(struct vst_files *files, struct susp_area area, uint8_t *skip)
{
    struct susp susp = susp_begin(files, area);

    if (susp_next(&susp) != VST_OK || !susp_is(&susp, "SP", 7) || susp.entry[4] != 0xbe ||
        susp.entry[5] != 0xef)
        return false;
    *skip = susp.entry[6];
    while (susp_next(&susp) == VST_OK)
        if (susp_is(&susp, "PX", MIN_ENTRY(8)) || susp_is(&susp, "RR", MIN_ENTRY(1)) ||
            (susp_is(&susp, "ER", 12) &&
             (files_same(susp.entry + 8, "RRIP", 4) || files_same(susp.entry + 8, "IEEE", 4))))
            return true;
    return false;
}

bool vst_rock_ridge_found(struct vst_files *files, struct susp_area area, uint8_t *skip)
{
    const struct susp_area behind_xa = {area.offset + XA_BYTES,
                                        area.bytes > XA_BYTES ? area.bytes - XA_BYTES : 0};

    return found_at(files, area, skip) || found_at(files, behind_xa, skip);
}

/* ------------------------------------------------------------------ what is said of a file */

/** The time of change, else that of creation, of short or long dates. (4.1.6) */
static void take_time(const uint8_t *entry, struct rock_ridge *rock)
{
    const uint8_t flags = entry[4];
    const unsigned bytes = (flags & TIME_LONG) != 0 ? LONG_TIME_BYTES : SHORT_TIME_BYTES;
    const unsigned before =
        (flags & (TIME_CREATED | TIME_MODIFIED)) == (TIME_CREATED | TIME_MODIFIED)
            ? bytes
            : 0; /* the creation's stands first */
    const uint8_t *at = entry + 5 + before;

    if ((flags & (TIME_CREATED | TIME_MODIFIED)) == 0 || 5 + before + bytes > entry[2])
        return;
    if ((flags & TIME_LONG) == 0) {
        rock->has_time = vst_iso9660_seconds(at, &rock->time_s);
        return;
    }
    unsigned numbers[6] = {0};
    for (unsigned i = 0; i < 14; i++) {
        unsigned *number = &numbers[i < 4 ? 0 : (i - 2) / 2];
        *number = *number * 10 + (at[i] - '0') % 10u;
    }
    const struct files_date date = {numbers[0], numbers[1], numbers[2],
                                    numbers[3], numbers[4], numbers[5]};
    rock->has_time = vst_files_seconds(&date, &rock->time_s);
    rock->time_s -= (int8_t)at[16] * 15 * 60;
}

/** A part of the name (4.1.4); the entries "." and ".." are told by their records. */
static void take_name(const uint8_t *entry, struct files_text *name)
{
    if ((entry[4] & (FLAG_OWN | FLAG_PARENT)) == 0)
        vst_files_put_bytes(name, entry + 5, files_length(entry + 5, entry[2] - 5u));
}

enum vst_status vst_rock_ridge_read(struct vst_files *files, struct susp_area area,
                                    struct rock_ridge *rock)
{
    struct susp susp = susp_begin(files, area);
    struct files_text name = files_text_begin(rock->name, sizeof(rock->name));
    enum vst_status status;

    while ((status = susp_next(&susp)) == VST_OK) {
        const uint8_t *entry = susp.entry;
        if (susp_is(&susp, "NM", 5))
            take_name(entry, &name);
        else if (susp_is(&susp, "PX", MIN_ENTRY(8)))
            rock->mode = files_le32(entry + 4);
        else if (susp_is(&susp, "TF", 5))
            take_time(entry, rock);
        else if (susp_is(&susp, "CL", MIN_ENTRY(8)))
            rock->child_block = files_le32(entry + 4);
        else if (susp_is(&susp, "RE", HEAD_BYTES))
            rock->relocated = true;
        else if (susp_is(&susp, "ZF", 16))
            rock->compressed = true;
    }
    if (name.full) /* a name without its end is another name */
        rock->name[0] = '\0';
    return status == VST_ERR_NOT_FOUND ? VST_OK : status;
}

/* ------------------------------------------------------------------ links */

/** The path that a link's components make. */
struct link_path {
    struct files_text text;
    bool joined; /* the next component goes on with the last one's text, or is the first */
    bool rooted;
};

/** The components of one entry. (4.1.3.1) */
static void take_components(const uint8_t *entry, struct link_path *path)
{
    unsigned at = 5;

    while (at + 2 <= entry[2] && at + 2 + entry[at + 1] <= entry[2]) {
        const uint8_t flags = entry[at], bytes = entry[at + 1];
        if (!path->joined)
            vst_files_put_bytes(&path->text, "/", 1);
        path->joined = (flags & FLAG_CONTINUES) != 0;
        if ((flags & FLAG_ROOT) != 0) {
            path->joined = false; /* its '/' is that before the next one */
            path->rooted = true;
        } else if ((flags & FLAG_OWN) != 0) {
            vst_files_put_bytes(&path->text, ".", 1);
        } else if ((flags & FLAG_PARENT) != 0) {
            vst_files_put_bytes(&path->text, "..", 2);
        } else {
            vst_files_put_bytes(&path->text, entry + at + 2, files_length(entry + at + 2, bytes));
        }
        at += 2u + bytes;
    }
}

enum vst_status vst_rock_ridge_link(struct vst_files *files, struct susp_area area, char *text,
                                    size_t text_bytes)
{
    struct susp susp = susp_begin(files, area);
    struct link_path path = {files_text_begin(text, text_bytes), true, false};
    enum vst_status status;

    while ((status = susp_next(&susp)) == VST_OK)
        if (susp_is(&susp, "SL", 5))
            take_components(susp.entry, &path);
    if (status != VST_ERR_NOT_FOUND)
        return status;
    if (text[0] == '\0' && path.rooted) /* the root alone */
        vst_files_put_bytes(&path.text, "/", 1);
    if (path.text.full)
        return VST_ERR_TOO_LARGE;
    return text[0] == '\0' ? VST_ERR_MALFORMED : VST_OK;
}
