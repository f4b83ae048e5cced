/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_virtio_scsi.h"
#include "tests/unit/fake_scsi_disk.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { CONTROL, EVENT, REQUEST };

static struct fake_virtio_scsi *scsi_of(struct fake_virtio_blk *device)
{
    return (struct fake_virtio_scsi *)device; /* it comes first */
}

static bool has(const struct fake_virtio_scsi *scsi, unsigned bit)
{
    return (scsi->device.driver_features & 1ull << bit) != 0;
}

static uint32_t config32(const struct fake_virtio_scsi *scsi, unsigned at)
{
    uint32_t value;
    memcpy(&value, scsi->device.config + at, 4);
    return value;
}

static bool misuse(struct fake_virtio_scsi *scsi, const char *what)
{
    fake_virtio_blk_misuse(&scsi->device, what);
    return false;
}

static uint64_t be(const uint8_t *at, unsigned n)
{
    uint64_t value = 0;
    while (n-- > 0)
        value = value << 8 | *at++;
    return value;
}

static void put_be(uint8_t *at, uint64_t value, unsigned n)
{
    for (; n > 0; value >>= 8)
        at[--n] = (uint8_t)value;
}

/* ------------------------------------------------------------------ the pieces of a command */

/** A command as its chain holds it. */
struct command {
    uint8_t request[64];
    const uint8_t *cdb;
    const struct fake_piece *out, *in;
    unsigned n_out, n_in;
    uint8_t reply[12 + 256];
};

/** Bytes to or from a list of pieces, at most `bytes`; returns how many fitted. */
static size_t copy(const struct fake_piece *pieces, unsigned n, void *data, size_t bytes, bool out)
{
    size_t done = 0;

    for (unsigned i = 0; i < n && done < bytes; i++) {
        size_t left = bytes - done, part = pieces[i].bytes < left ? pieces[i].bytes : left;
        void *memory = (void *)(uintptr_t)pieces[i].addr;
        memcpy(out ? (uint8_t *)data + done : memory, out ? memory : (uint8_t *)data + done, part);
        done += part;
    }
    return done;
}

static unsigned sum(const struct fake_piece *pieces, unsigned n)
{
    unsigned bytes = 0;
    while (n-- > 0)
        bytes += pieces[n].bytes;
    return bytes;
}

static void set(struct command *command, uint8_t response, uint8_t status, uint32_t residual)
{
    memcpy(command->reply + 4, &residual, 4);
    command->reply[10] = status;
    command->reply[11] = response;
}

/** CHECK CONDITION with fixed format sense data. */
static void check(struct command *command, uint8_t key, uint8_t asc, uint8_t ascq)
{
    uint32_t n = 18;

    set(command, 0, 2, 0);
    memcpy(command->reply, &n, 4);
    memset(command->reply + 12, 0, 18);
    command->reply[12] = 0x70;
    command->reply[14] = key;
    command->reply[19] = 10;
    command->reply[24] = asc;
    command->reply[25] = ascq;
}

static void give(struct command *command, const void *data, size_t bytes, size_t asked)
{
    static uint8_t copy_of[1 << 17];
    size_t n = bytes < asked ? bytes : asked;

    if (n > sizeof(copy_of))
        n = sizeof(copy_of);
    memcpy(copy_of, data, n);
    size_t done = copy(command->in, command->n_in, copy_of, n, false);
    set(command, 0, 0, sum(command->in, command->n_in) - (uint32_t)done);
}

/* ------------------------------------------------------------------ what units do */

static void identification(struct command *command, const struct fake_unit *unit, size_t asked)
{
    uint8_t data[24] = {0, 0x83, 0, 20, 1, 3, 0, 8, [16] = 1, 0x15, 0, 4};

    put_be(data + 8, unit->naa, 8);
    put_be(data + 22, unit->port_group, 2);
    if (unit->alua == NULL)
        data[3] = 12;
    give(command, data, 4u + data[3], asked);
}

static void list_of_pages(struct command *command, const struct fake_unit *unit, size_t asked)
{
    uint8_t data[16] = {0, 0, 0, 2, 0x00, 0x80};
    size_t n = unit == NULL ? 6 : fake_disk_pages(unit, data);

    if (unit != NULL && unit->naa != 0)
        data[n++] = 0x83;
    data[3] = (uint8_t)(n - 4);
    give(command, data, n, asked);
}

static void inquiry(struct command *command, const struct fake_unit *unit)
{
    uint8_t data[96] = {0};
    size_t asked = be(command->cdb + 3, 2);

    if (command->cdb[1] == 0) {
        data[0] = unit == NULL ? 0x7f : unit->type;
        data[2] = 5;
        data[4] = 91;
        if (unit != NULL && unit->alua != NULL)
            data[5] = (uint8_t)(unit->alua->tpgs << 4);
        memcpy(data + 8, "FAKE    DISK            1.0 ", 28);
        if (unit != NULL && unit->product != 0)
            data[20] = (uint8_t)unit->product;
        if (unit != NULL && unit->restless)
            data[20] = (uint8_t)('a' + unit->n_commands % 26);
        give(command, data, sizeof(data), asked);
    } else if (command->cdb[2] == 0) {
        list_of_pages(command, unit, asked);
    } else if (command->cdb[2] == 0x80 && unit != NULL && unit->serial != NULL) {
        data[1] = 0x80;
        data[3] = (uint8_t)strlen(unit->serial);
        memcpy(data + 4, unit->serial, data[3]);
        give(command, data, 4u + data[3], asked);
    } else if (command->cdb[2] == 0x80 && unit != NULL) {
        data[1] = 0x80;
        data[3] = 8;
        memcpy(data + 4, "fake-", 5);
        data[9] = (uint8_t)('0' + unit->target % 10);
        data[10] = '-';
        data[11] = (uint8_t)('0' + unit->lun % 10);
        give(command, data, 12, asked);
    } else if (command->cdb[2] == 0x83 && unit != NULL && unit->naa != 0) {
        identification(command, unit, asked);
    } else if (unit != NULL && fake_disk_page(unit, command->cdb[2], data)) {
        give(command, data, 64, asked);
    } else {
        check(command, 5, 0x24, 0);
    }
}

/* ------------------------------------------------------------------ how well ports serve */

static void report_port_groups(struct command *command, struct fake_alua *alua)
{
    uint8_t data[4 + 8 * 8] = {0};

    alua->n_reported++;
    if (alua->raw != NULL) {
        give(command, alua->raw, alua->raw_bytes, be(command->cdb + 6, 4));
        return;
    }
    put_be(data, 8 * alua->n, 4);
    for (unsigned i = 0; i < alua->n; i++) {
        uint8_t *group = data + 4 + 8 * i;
        group[0] = (uint8_t)(alua->groups[i].state | (alua->groups[i].preferred ? 0x80 : 0));
        put_be(group + 2, alua->groups[i].number, 2);
    }
    give(command, data, 4 + 8 * alua->n, be(command->cdb + 6, 4));
}

/** 6.45: one descriptor is all that anybody sends. */
static void set_port_groups(struct command *command, struct fake_alua *alua)
{
    uint8_t list[8];

    if (copy(command->out, command->n_out, list, 8, true) != 8 || be(command->cdb + 6, 4) != 8 ||
        alua->refuses == 255) {
        check(command, 5, 0x26, 0);
        return;
    }
    if (alua->refuses > 0) {
        alua->refuses--;
        check(command, 6, 0x29, 0);
        return;
    }
    alua->n_set++;
    for (unsigned i = 0; i < alua->n; i++)
        if (alua->groups[i].number == be(list + 6, 2))
            alua->groups[i].state = list[4] & 0x0f;
    set(command, 0, 0, 0);
}

/** False: the port serves that. */
static bool serve_port(struct command *command, struct fake_unit *unit)
{
    struct fake_alua *alua = unit->alua;
    uint8_t operation = command->cdb[0], state = 0;

    if (operation == 0xa3)
        report_port_groups(command, alua);
    else if (operation == 0xa4)
        set_port_groups(command, alua);
    if (operation == 0xa3 || operation == 0xa4)
        return true;
    for (unsigned i = 0; i < alua->n; i++)
        if (alua->groups[i].number == unit->port_group)
            state = alua->groups[i].state;
    if (state < 2 || operation == 0x12 || operation == 0xa0 || operation == 0x9e)
        return false;
    check(command, 2, 4, state == 2 ? 0x0b : state == 3 ? 0x0c : 0x0a);
    return true;
}

/** `target` below 256; else the well-known unit's answer, whose entries name targets. */
static void report_luns(struct fake_virtio_scsi *scsi, struct command *command, unsigned target)
{
    static uint8_t data[8 + 8 * FAKE_SCSI_MAX_UNITS];
    uint32_t n = 0;

    if (scsi->told_luns != NULL) {
        give(command, scsi->told_luns, scsi->told_luns_bytes, be(command->cdb + 6, 4));
        return;
    }
    memset(data, 0, sizeof(data));
    for (unsigned i = 0; i < scsi->n_units; i++) {
        const struct fake_unit *unit = &scsi->units[i];
        uint8_t *entry = data + 8 + 8 * n;
        if (unit->away || (target < 256 && unit->target != target))
            continue;
        n++;
        put_be(entry, unit->lun < 256 ? unit->lun : unit->lun | 0x4000u, 2);
        if (target > 255) {
            entry[0] = 1;
            entry[1] = unit->target;
            put_be(entry + 2, unit->lun | 0x4000u, 2);
        }
    }
    put_be(data, 8 * n, 4);
    give(command, data, 8 + 8 * n, be(command->cdb + 6, 4));
}

static void capacity(struct command *command, const struct fake_unit *unit)
{
    uint8_t data[32] = {0};

    if (command->cdb[0] == 0x25) {
        put_be(data, unit->n_blocks > UINT32_MAX ? UINT32_MAX : unit->n_blocks - 1, 4);
        put_be(data + 4, unit->block_bytes, 4);
        give(command, data, 8, 8);
    } else if (unit->knows_no_16) {
        check(command, 5, 0x20, 0);
    } else {
        put_be(data, unit->n_blocks - 1, 8);
        put_be(data + 8, unit->block_bytes, 4);
        fake_disk_capacity(unit, data);
        give(command, data, 32, be(command->cdb + 10, 4));
    }
}

static void mode_sense(struct command *command, const struct fake_unit *unit)
{
    uint8_t data[28] = {0};
    size_t n = fake_disk_mode(unit, command->cdb, data);

    if (n == 0)
        check(command, 5, 0x20, 0);
    else
        give(command, data, n, command->cdb[0] == 0x5a ? be(command->cdb + 7, 2) : command->cdb[4]);
}

/** What fake_scsi_disk.c knows, with the data that it is sent. */
static void serve_disk(struct fake_virtio_scsi *scsi, struct command *command,
                       struct fake_unit *unit)
{
    static uint8_t data[2 * 65536];
    struct fake_disk_sense sense = {0};

    if (command->n_in > 0) { /* none of them has data to give */
        check(command, 5, 0x20, 0);
        return;
    }
    size_t n = copy(command->out, command->n_out, data, sizeof(data), true);
    fake_disk_serve(unit, command->cdb, data, n, &sense);
    if (sense.misuse != NULL)
        misuse(scsi, sense.misuse);
    set(command, 0, 0, 0);
    if (sense.key != 0)
        check(command, sense.key, sense.asc, 0);
    if (sense.has_block) {
        command->reply[12] |= 0x80;
        put_be(command->reply + 15, sense.block, 4);
    }
}

/** 5.6.6.1 and SBC-3, 5.8: eight bytes of each block if RDPROTECT or WRPROTECT says so. */
static uint32_t protection_bytes(struct fake_virtio_scsi *scsi, const struct command *command,
                                 bool write, uint64_t n_blocks)
{
    uint8_t flags = command->cdb[0] == 0x7f ? command->cdb[10] : command->cdb[1];
    uint32_t asked = flags >> 5 == 0 ? 0 : 8 * (uint32_t)n_blocks;

    if ((write ? scsi->last_pi_out : scsi->last_pi_in) != asked ||
        (write ? scsi->last_pi_in : scsi->last_pi_out) != 0)
        misuse(scsi, "protection information that does not fit the CDB");
    return asked;
}

/** Protection information stands before all data, wherever pieces begin and end. */
static void copy_protected(struct fake_virtio_scsi *scsi, const struct fake_piece *pieces,
                           unsigned n_pieces, uint64_t block, uint32_t protection, uint8_t *data,
                           uint64_t bytes, bool write)
{
    static uint8_t all[520 * FAKE_UNIT_SECTORS];
    uint8_t *kept = scsi->protection + 8 * block;

    memcpy(all, kept, protection);
    memcpy(all + protection, data, bytes);
    copy(pieces, n_pieces, all, protection + bytes, write);
    if (!write)
        return;
    memcpy(kept, all, protection);
    memcpy(data, all + protection, bytes);
}

static void transfer(struct fake_virtio_scsi *scsi, struct command *command, struct fake_unit *unit)
{
    const uint8_t *cdb = command->cdb;
    bool by_32 = cdb[0] == 0x7f, is_long = cdb[0] >= 0x80;
    bool write = ((by_32 ? cdb[9] : cdb[0]) & 2) != 0;
    uint64_t block = by_32 ? be(cdb + 12, 8) : is_long ? be(cdb + 2, 8) : be(cdb + 2, 4);
    uint64_t n = by_32 ? be(cdb + 28, 4) : is_long ? be(cdb + 10, 4) : be(cdb + 7, 2);
    const struct fake_piece *pieces = write ? command->out : command->in;
    unsigned n_pieces = write ? command->n_out : command->n_in;

    if (!fake_disk_takes(unit, cdb)) {
        check(command, 5, 0x20, 0);
        return;
    }
    if (block + n > unit->n_blocks) {
        check(command, 5, 0x21, 0);
        return;
    }
    if (block <= unit->bad_block && unit->bad_block < block + n) {
        check(command, 3, 0x11, 0);
        command->reply[12] |= 0x80; /* the information is valid: which block */
        put_be(command->reply + 15, unit->bad_block, 4);
        return;
    }
    uint32_t protection = protection_bytes(scsi, command, write, n);
    if (sum(pieces, n_pieces) != protection + n * unit->block_bytes ||
        (write ? command->n_in : command->n_out))
        misuse(scsi, "data that do not fit the CDB");
    uint64_t bytes = n * unit->block_bytes, at = block * unit->block_bytes;
    at %= FAKE_UNIT_SECTORS * 512; /* disks that are larger than what is behind them */
    if (protection > 0)
        copy_protected(scsi, pieces, n_pieces, block, protection, unit->data + at, bytes, write);
    else
        copy(pieces, n_pieces, unit->data + at, bytes, write);
    set(command, 0, 0, 0);
}

static bool is_end(const struct fake_script *line)
{
    return line->operation == 0 && line->n == 0 && line->key == 0 && line->data == NULL;
}

/** False: the script has nothing for this command. */
static bool serve_script(struct command *command, struct fake_unit *unit)
{
    for (struct fake_script *line = unit->script; !is_end(line); line++) {
        if (line->operation != command->cdb[0] || line->n == UINT_MAX)
            continue;
        if (line->n > 0 && --line->n == 0)
            line->n = UINT_MAX; /* used up */
        if (line->key != 0)
            check(command, line->key, line->asc, line->ascq);
        else
            give(command, line->data, line->bytes, line->bytes);
        return true;
    }
    return false;
}

static void serve_unit(struct fake_virtio_scsi *scsi, struct command *command,
                       struct fake_unit *unit)
{
    unit->n_commands++;
    unit->n_seen[command->cdb[0]]++;
    memcpy(unit->last_seen[command->cdb[0]], command->cdb, 16);
    if (unit->response != 0) {
        set(command, unit->response, 0, 0);
        return;
    }
    if (serve_script(command, unit) || (unit->alua != NULL && serve_port(command, unit)))
        return;
    if (unit->attention && command->cdb[0] != 0x12 && command->cdb[0] != 0xa0) {
        unit->attention = false;
        check(command, 6, 0x29, 0);
        return;
    }
    switch (command->cdb[0]) {
    case 0x00:
        set(command, 0, 0, 0);
        break;
    case 0x12:
        inquiry(command, unit);
        break;
    case 0x1b:
        unit->n_starts++;
        set(command, 0, 0, 0);
        break;
    case 0x25:
    case 0x9e:
        capacity(command, unit);
        break;
    case 0x28:
    case 0x2a:
    case 0x88:
    case 0x8a:
    case 0x7f:
        transfer(scsi, command, unit);
        break;
    case 0x35: /* the form of 16 bytes it does not know, as QEMU */
        unit->n_flushes++;
        set(command, 0, 0, 0);
        break;
    case 0x5a:
    case 0x1a:
        mode_sense(command, unit);
        break;
    default:
        serve_disk(scsi, command, unit);
    }
}

static struct fake_unit *unit_at(struct fake_virtio_scsi *scsi, const uint8_t *lun)
{
    uint16_t number = (uint16_t)(be(lun + 2, 2) & 0x3fff);

    for (unsigned i = 0; i < scsi->n_units; i++)
        if (scsi->units[i].target == lun[1] && scsi->units[i].lun == number)
            return &scsi->units[i];
    return NULL;
}

static void serve(struct fake_virtio_scsi *scsi, struct command *command)
{
    const uint8_t *lun = command->request;
    uint16_t number = (uint16_t)(be(lun + 2, 2) & 0x3fff);
    struct fake_unit *unit = NULL, *neighbour = NULL;

    if (lun[0] == 0xc1) {
        if (scsi->has_well_known && command->cdb[0] == 0xa0)
            report_luns(scsi, command, 256);
        else
            set(command, 3, 0, 0);
        return;
    }
    for (unsigned i = 0; i < scsi->n_units; i++) {
        if (scsi->units[i].target != lun[1] || scsi->units[i].away)
            continue;
        neighbour = &scsi->units[i];
        if (scsi->units[i].lun == number)
            unit = &scsi->units[i];
    }
    if (neighbour == NULL)
        set(command, 3, 0, 0); /* BAD_TARGET */
    else if (command->cdb[0] == 0xa0 && !neighbour->knows_no_luns)
        report_luns(scsi, command, lun[1]);
    else if (unit != NULL)
        serve_unit(scsi, command, unit);
    else if (command->cdb[0] == 0x12)
        inquiry(command, NULL);
    else
        check(command, 5, 0x25, 0);
}

/** Instead of the true answer, where that is wanted. */
static void answer_otherwise(struct fake_virtio_scsi *scsi, struct command *command)
{
    const struct fake_scsi_answer *answer = &scsi->answer;

    if (scsi->n_commands <= answer->after || scsi->n_commands > answer->after + answer->n)
        return;
    set(command, answer->response, answer->status, answer->residual);
    memcpy(command->reply, &answer->sense_bytes, 4);
    memcpy(command->reply + 8, &answer->qualifier, 2);
    memcpy(command->reply + 12, answer->sense, sizeof(answer->sense));
}

/* ------------------------------------------------------------------ requests (5.6.6.1) */

/** 5.6.6.1: the only format that every device knows. */
static void check_lun(struct fake_virtio_scsi *scsi, const uint8_t *lun)
{
    bool well_known = lun[0] == 0xc1 && lun[1] == 1;

    if (scsi->any_lun)
        return;
    if (!well_known && (lun[0] != 1 || (lun[2] & 0xc0) != 0x40))
        misuse(scsi, "LUN neither target and flat number nor the well-known one");
    for (unsigned i = well_known ? 2 : 4; i < 8; i++)
        if (lun[i] != 0)
            misuse(scsi, "LUN with more levels");
}

static bool cut(struct fake_virtio_scsi *scsi, struct command *command,
                const struct fake_piece *pieces, unsigned n, uint64_t *reply_at)
{
    unsigned head = (has(scsi, 3) ? 27 : 19), i = 0;
    uint32_t cdb_size = config32(scsi, 24), sense_size = config32(scsi, 20);

    if (n < 2 || pieces[0].bytes != head + cdb_size || pieces[0].writable)
        return misuse(scsi, "no request of the right length");
    memcpy(command->request, (void *)(uintptr_t)pieces[0].addr, pieces[0].bytes);
    command->cdb = command->request + head;
    for (i = 1; i < n && !pieces[i].writable; i++)
        ;
    command->out = pieces + 1;
    command->n_out = i - 1;
    if (i == n || pieces[i].bytes != 12 + sense_size)
        return misuse(scsi, "no response of the right length");
    *reply_at = pieces[i].addr;
    if (((const uint8_t *)(uintptr_t)pieces[i].addr)[11] <= 9)
        misuse(scsi, "response not preset to what is none");
    command->in = pieces + i + 1;
    command->n_in = n - i - 1;
    if (command->n_out > 0 && command->n_in > 0 && !has(scsi, 0))
        misuse(scsi, "data both ways without INOUT");
    return true;
}

static void note(struct fake_virtio_scsi *scsi, const struct command *command)
{
    const uint8_t *request = command->request;

    memcpy(scsi->last_lun, request, 8);
    memcpy(&scsi->last_tag, request + 8, 8);
    scsi->last_attribute = request[16];
    scsi->last_priority = request[17];
    scsi->last_crn = request[18];
    if (has(scsi, 3)) {
        memcpy(&scsi->last_pi_out, request + 19, 4);
        memcpy(&scsi->last_pi_in, request + 23, 4);
    }
    memcpy(scsi->last_cdb, command->cdb, config32(scsi, 24));
    scsi->n_out_bytes = sum(command->out, command->n_out);
    scsi->n_in_bytes = sum(command->in, command->n_in);
}

static void check_tag(struct fake_virtio_scsi *scsi, uint64_t tag)
{
    for (unsigned i = REQUEST; i < FAKE_BLK_MAX_QUEUES; i++)
        for (unsigned k = 0; k < scsi->device.queues[i].n_held; k++)
            if (scsi->device.queues[i].held[k].tag == tag)
                misuse(scsi, "a tag that is in flight already");
}

static bool take_command(struct fake_virtio_scsi *scsi, struct fake_held *held,
                         const struct fake_piece *pieces, unsigned n)
{
    struct command command = {0};

    if (!cut(scsi, &command, pieces, n, &held->status_address))
        return false;
    note(scsi, &command);
    check_lun(scsi, command.request);
    check_tag(scsi, scsi->last_tag);
    scsi->n_commands++;
    serve(scsi, &command);
    answer_otherwise(scsi, &command);
    held->tag = scsi->last_tag;
    held->target = command.request[1];
    held->lun = (uint16_t)(be(command.request + 2, 2) & 0x3fff);
    struct fake_unit *unit = unit_at(scsi, command.request);
    held->kept = unit != NULL && unit->silent && !(unit->answers_checks && command.cdb[0] == 0x00);
    if (held->kept)
        unit->n_kept++;
    held->reply_bytes = 12 + config32(scsi, 20);
    held->reply = calloc(1, held->reply_bytes + sizeof(command.reply));
    assert(held->reply != NULL);
    memcpy(held->reply, command.reply, sizeof(command.reply));
    held->status_at = 11;
    return true;
}

/* ------------------------------------------------------------------ functions (5.6.6.2) */

static bool is_named(const struct fake_virtio_scsi *scsi, const struct fake_held *held)
{
    const uint8_t *lun = scsi->last_function_lun;
    bool whole_target = scsi->last_function == 4;

    if (scsi->last_function == 0)
        return held->tag == scsi->last_function_tag;
    return held->target == lun[1] &&
           (whole_target || held->lun == (uint16_t)(be(lun + 2, 2) & 0x3fff));
}

/** By an IN_ORDER device those that come before them first. */
static void answer_ended(struct fake_virtio_scsi *scsi, struct fake_blk_queue *q)
{
    for (unsigned k = 0; k < q->n_held;) {
        if (q->held[k].ended)
            fake_virtio_blk_answer_one(q, k);
        else if (has(scsi, 35))
            return;
        else
            k++;
    }
}

/** Commands that are kept and that the function names end with ABORTED, or RESET. */
static void end_named(struct fake_virtio_scsi *scsi)
{
    for (unsigned i = REQUEST; i < FAKE_BLK_MAX_QUEUES; i++) {
        struct fake_blk_queue *q = &scsi->device.queues[i];
        for (unsigned k = 0; k < q->n_held; k++) {
            if (!is_named(scsi, &q->held[k]))
                continue;
            memset(q->held[k].reply, 0, 12);
            q->held[k].reply[11] = scsi->last_function == 4 || scsi->last_function == 5 ? 4 : 2;
            q->held[k].ended = true;
        }
        answer_ended(scsi, q);
    }
}

static bool is_held(const struct fake_virtio_scsi *scsi, uint64_t tag)
{
    for (unsigned i = REQUEST; i < FAKE_BLK_MAX_QUEUES; i++)
        for (unsigned k = 0; k < scsi->device.queues[i].n_held; k++)
            if (scsi->device.queues[i].held[k].tag == tag)
                return true;
    return false;
}

/** The true answers of what the unit has. */
static void answer_kept(struct fake_virtio_scsi *scsi, const struct fake_unit *unit)
{
    for (unsigned i = REQUEST; i < FAKE_BLK_MAX_QUEUES; i++) {
        struct fake_blk_queue *q = &scsi->device.queues[i];
        for (unsigned k = 0; k < q->n_held;)
            if (q->held[k].kept && q->held[k].target == unit->target && q->held[k].lun == unit->lun)
                fake_virtio_blk_answer_one(q, k);
            else
                k++;
    }
}

void fake_virtio_scsi_awake(struct fake_virtio_scsi *scsi, struct fake_unit *unit)
{
    unit->silent = false;
    answer_kept(scsi, unit);
}

static uint8_t serve_function(struct fake_virtio_scsi *scsi)
{
    struct fake_unit *unit = unit_at(scsi, scsi->last_function_lun);
    unsigned code = scsi->last_function;
    uint16_t bit = (uint16_t)(1u << (code & 15));

    if (unit != NULL && code < 8)
        unit->functions[code]++;
    if (scsi->function_response != 0)
        return scsi->function_response;
    if (unit != NULL && (unit->rejects & bit) != 0)
        return 11;
    if (unit != NULL && (unit->mended_by & bit) != 0)
        unit->silent = false;
    if (unit != NULL && unit->answers_before_abort)
        answer_kept(scsi, unit);
    switch (code) {
    case 0:
    case 1:
    case 3:
    case 4:
    case 5:
        if (!scsi->keeps_aborted && (unit == NULL || (unit->keeps & bit) == 0))
            end_named(scsi);
        return 0;
    case 2:
        return 0;
    case 6:
        return is_held(scsi, scsi->last_function_tag) ? 10 : 0;
    case 7:
        return scsi->device.queues[REQUEST].n_held > 0 ? 10 : 0;
    default:
        return 11;
    }
}

static bool take_control(struct fake_virtio_scsi *scsi, struct fake_held *held,
                         const struct fake_piece *pieces, unsigned n)
{
    const uint8_t *request = (const uint8_t *)(uintptr_t)pieces[0].addr;
    uint32_t actual = 0;

    if (n != 2 || pieces[0].writable || !pieces[1].writable)
        return misuse(scsi, "control request that is not two pieces");
    memcpy(&scsi->last_function_type, request, 4);
    bool note = scsi->last_function_type != 0;
    if (pieces[0].bytes != (note ? 16 : 24) || pieces[1].bytes != (note ? 5 : 1))
        return misuse(scsi, "control request of the wrong length");
    memcpy(scsi->last_function_lun, request + (note ? 4 : 8), 8);
    memcpy(note ? &scsi->last_classes : &scsi->last_function, request + (note ? 12 : 4), 4);
    if (!note)
        memcpy(&scsi->last_function_tag, request + 16, 8);
    check_lun(scsi, scsi->last_function_lun);
    scsi->n_functions++;
    held->status_address = pieces[1].addr;
    held->reply_bytes = pieces[1].bytes;
    held->status_at = held->reply_bytes - 1;
    held->reply = calloc(1, 8);
    assert(held->reply != NULL);
    actual = scsi->last_classes & 0x12;
    if (note)
        memcpy(held->reply, &actual, 4);
    const struct fake_unit *unit = unit_at(scsi, scsi->last_function_lun);
    held->kept = !note && unit != NULL && (unit->ignores >> (scsi->last_function & 15) & 1) != 0;
    held->reply[held->status_at] = note         ? scsi->function_response
                                   : held->kept ? 0
                                                : serve_function(scsi);
    return true;
}

/* ------------------------------------------------------------------ events (5.6.6.3) */

static bool take_buffer(struct fake_virtio_scsi *scsi, struct fake_held *held,
                        const struct fake_piece *pieces, unsigned n)
{
    if (n != 1 || !pieces[0].writable || pieces[0].bytes < config32(scsi, 16))
        return misuse(scsi, "event buffer too short, or not one piece");
    held->status_address = pieces[0].addr;
    scsi->n_event_buffers++;
    return true;
}

bool fake_virtio_scsi_event(struct fake_virtio_scsi *scsi, uint32_t event, const uint8_t *lun,
                            uint32_t reason)
{
    struct fake_blk_queue *q = &scsi->device.queues[EVENT];

    if (q->n_held == 0)
        return false;
    q->held[0].reply = calloc(1, 16);
    assert(q->held[0].reply != NULL);
    q->held[0].reply_bytes = 16;
    memcpy(q->held[0].reply, &event, 4);
    memcpy(q->held[0].reply + 4, lun, 8);
    memcpy(q->held[0].reply + 12, &reason, 4);
    fake_virtio_blk_answer_one(q, 0);
    scsi->n_event_buffers--;
    return true;
}

/* ------------------------------------------------------------------ the device */

static bool take(struct fake_blk_queue *q, struct fake_held *held, const struct fake_piece *pieces,
                 unsigned n)
{
    struct fake_virtio_scsi *scsi = scsi_of(q->blk);

    switch (q - q->blk->queues) {
    case CONTROL:
        return take_control(scsi, held, pieces, n);
    case EVENT:
        return take_buffer(scsi, held, pieces, n);
    default:
        return take_command(scsi, held, pieces, n);
    }
}

static void write_config(struct fake_virtio_blk *device, uint64_t at, uint8_t width_bytes,
                         uint32_t value)
{
    struct fake_virtio_scsi *scsi = scsi_of(device);

    if (width_bytes != 4 || (at != 20 && at != 24) || (device->status & 4) != 0)
        misuse(scsi, "configuration written where it may not be");
    else if (!scsi->fixed_sizes)
        fake_virtio_blk_set_config32(device, (unsigned)at, value);
}

/** 5.6.4: both have their usual values again. */
static void reset(struct fake_virtio_blk *device)
{
    struct fake_virtio_scsi *scsi = scsi_of(device);

    scsi->n_event_buffers = 0;
    for (unsigned i = 0; i < scsi->n_units; i++)
        if ((scsi->units[i].mended_by >> FAKE_ADAPTER_RESET & 1) != 0)
            scsi->units[i].silent = false;
    if (scsi->fixed_sizes)
        return;
    fake_virtio_blk_set_config32(device, 20, 96);
    fake_virtio_blk_set_config32(device, 24, 32);
}

static const struct fake_virtio_kind kind = {take, write_config, reset};

struct fake_unit *fake_virtio_scsi_add(struct fake_virtio_scsi *scsi, uint8_t target, uint16_t lun)
{
    struct fake_unit *unit = &scsi->units[scsi->n_units++];

    assert(scsi->n_units <= FAKE_SCSI_MAX_UNITS);
    *unit = (struct fake_unit){.target = target,
                               .lun = lun,
                               .block_bytes = 512,
                               .n_blocks = FAKE_UNIT_SECTORS,
                               .bad_block = UINT64_MAX};
    unit->data = malloc(FAKE_UNIT_SECTORS * 512);
    assert(unit->data != NULL);
    for (size_t i = 0; i < FAKE_UNIT_SECTORS * 512; i++)
        unit->data[i] = (uint8_t)(i * 31 + (i >> 9) + target * 7u + lun);
    return unit;
}

void fake_virtio_scsi_offer_queues(struct fake_virtio_scsi *scsi, unsigned n, uint16_t size)
{
    fake_virtio_blk_set_config32(&scsi->device, 0, n);
    for (unsigned i = REQUEST; i < FAKE_BLK_MAX_QUEUES; i++)
        fake_virtio_blk_offer_queue(&scsi->device, i, i < REQUEST + n ? size : 0);
}

void fake_virtio_scsi_init(struct fake_virtio_scsi *scsi, struct fake_platform *platform)
{
    struct fake_virtio_blk *device = &scsi->device;
    static const uint32_t words[] = {1, 126, 0xffff, 128, 16, 96, 32};

    fake_virtio_blk_init(device, platform, 8);
    scsi->units = calloc(FAKE_SCSI_MAX_UNITS, sizeof(*scsi->units));
    assert(scsi->units != NULL);
    device->kind = &kind;
    device->function.device_id = 0x1048;
    device->offered_features = 1ull << 1 | 1ull << 2 | 1ull << 28 | 1ull << 29 | 1ull << 32;
    memset(device->config, 0, sizeof(device->config));
    memcpy(device->config, words, sizeof(words));
    memcpy(device->config + 30, &(uint16_t){255}, 2);
    fake_virtio_blk_set_config32(device, 32, 16383);
    fake_virtio_blk_offer_queue(device, CONTROL, 64);
    fake_virtio_blk_offer_queue(device, EVENT, 16);
    device->queues[EVENT].answers_nothing = true;
    fake_virtio_scsi_offer_queues(scsi, 1, 256);
}

void fake_virtio_scsi_destroy(struct fake_virtio_scsi *scsi)
{
    for (unsigned i = 0; i < scsi->n_units; i++)
        if (!scsi->units[i].shares_data)
            free(scsi->units[i].data);
    free(scsi->units);
    fake_virtio_blk_destroy(&scsi->device);
}
