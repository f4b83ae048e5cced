/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands and functions on QEMU's own virtio-scsi: INQUIRY and reads by hand, a target and a unit
 * that are not there, all task management functions, a command that is aborted: the host's disk does
 * one request a second.
 */
#include <stdio.h>
#include <string.h>

#include "tests/qtest/options.h"

struct test {
    struct options options;
    struct machine *machine;
    struct vst_scsi_hba *hba;
    uint8_t *buffer;
};

#define BUFFER_BYTES 4096u

static struct vst_scsi_nexus nexus_of(uint8_t target, uint32_t number)
{
    struct vst_scsi_nexus nexus;
    struct vst_scsi_lun lun;

    CHECK_EQUAL(vst_scsi_lun_of(number, &lun), VST_OK);
    CHECK_EQUAL(vst_scsi_nexus_encode(target, &lun, nexus.bytes), VST_OK);
    return nexus;
}

static const struct vst_scsi_outcome *run(struct test *test, uint8_t target, uint32_t lun,
                                          const uint8_t *cdb, uint8_t cdb_bytes, size_t bytes)
{
    static struct vst_scsi_command command;
    const struct vst_block_segment in = {test->buffer, bytes};

    command = (struct vst_scsi_command){
        .nexus = nexus_of(target, lun),
        .cdb_bytes = cdb_bytes,
        .n_in = bytes > 0,
        .in = &in,
        .timeout_ns = 20000000000u,
    };
    memcpy(command.cdb, cdb, cdb_bytes);
    CHECK_EQUAL(vst_scsi_run(test->hba->queues[0], &command), VST_OK);
    return &command.outcome;
}

static void inquiry(struct test *test)
{
    const struct vst_scsi_outcome *outcome =
        run(test, 0, 0, (uint8_t[]){0x12, 0, 0, 0, 96, 0}, 6, 96);

    CHECK_EQUAL(outcome->response, VST_SCSI_RESPONSE_OK);
    CHECK_EQUAL(outcome->status, VST_SCSI_GOOD);
    CHECK(memcmp(test->buffer + 8, "QEMU    QEMU HARDDISK", 21) == 0);
    outcome = run(test, 0, 0, (uint8_t[]){0x12, 1, 0xee, 0, 96, 0}, 6, 96); /* no such page */
    CHECK_EQUAL(outcome->response, VST_SCSI_RESPONSE_OK);
    CHECK_EQUAL(outcome->status, VST_SCSI_CHECK_CONDITION);
    struct vst_scsi_sense sense;
    CHECK_EQUAL(vst_scsi_sense_parse(outcome->sense, outcome->sense_bytes, &sense), VST_OK);
    CHECK_EQUAL(sense.key, VST_SCSI_ILLEGAL_REQUEST);
    CHECK_EQUAL(sense.asc, 0x24);
}

/** The first command after a start brings a unit attention, the next one data. */
static void read_4k(struct test *test)
{
    const uint8_t cdb[10] = {0x28, 0, 0, 0, 0, 16, 0, 0, 8, 0};
    FILE *image = fopen(test->options.image, "rb");
    uint8_t expected[BUFFER_BYTES];

    CHECK(image != NULL && fseek(image, 16 * 512, SEEK_SET) == 0 &&
          fread(expected, 1, sizeof(expected), image) == sizeof(expected));
    fclose(image);
    if (run(test, 0, 0, cdb, 10, BUFFER_BYTES)->status == VST_SCSI_CHECK_CONDITION)
        CHECK_EQUAL(run(test, 0, 0, cdb, 10, BUFFER_BYTES)->status, VST_SCSI_GOOD);
    CHECK(memcmp(test->buffer, expected, sizeof(expected)) == 0);
    /* More room than the command names: QEMU fills it all, and what it counts then is negative. */
    const uint8_t small[10] = {0x28, 0, 0, 0, 0, 16, 0, 0, 2, 0};
    const struct vst_scsi_outcome *outcome = run(test, 0, 0, small, 10, BUFFER_BYTES);
    CHECK_EQUAL(outcome->residual_bytes, BUFFER_BYTES - 1024);
    CHECK(memcmp(test->buffer, expected, 1024) == 0);
}

static void who_is_not_there(struct test *test)
{
    const uint8_t inquire[6] = {0x12, 0, 0, 0, 96, 0}, ready[6] = {0};

    CHECK_EQUAL(run(test, 200, 0, inquire, 6, 96)->response, VST_SCSI_RESPONSE_BAD_TARGET);
    CHECK_EQUAL(run(test, 0, 5, ready, 6, 0)->status, VST_SCSI_CHECK_CONDITION);
    CHECK_EQUAL(run(test, 0, 16383, ready, 6, 0)->status, VST_SCSI_CHECK_CONDITION);
}

static enum vst_scsi_function_response manage(struct test *test, enum vst_scsi_function_kind kind,
                                              uint8_t target, uint32_t lun, uint64_t tag)
{
    struct vst_scsi_function function = {
        .kind = kind, .nexus = nexus_of(target, lun), .tag = tag, .classes = 0x7e};

    CHECK_EQUAL(test->hba->ops->manage(test->hba, &function), VST_OK);
    while (!vst_scsi_function_ended(&function)) {
        test->hba->ops->look(test->hba);
        test->machine->platform.relax(test->machine);
    }
    return function.response;
}

static void functions(struct test *test)
{
    static const struct {
        enum vst_scsi_function_kind kind;
        enum vst_scsi_function_response response;
    } rows[] = {
        {VST_SCSI_ABORT_TASK, VST_SCSI_FUNCTION_COMPLETE},
        {VST_SCSI_ABORT_TASK_SET, VST_SCSI_FUNCTION_COMPLETE},
        {VST_SCSI_CLEAR_ACA, VST_SCSI_FUNCTION_REJECTED},
        {VST_SCSI_CLEAR_TASK_SET, VST_SCSI_FUNCTION_COMPLETE},
        {VST_SCSI_I_T_NEXUS_RESET, VST_SCSI_FUNCTION_COMPLETE},
        {VST_SCSI_LOGICAL_UNIT_RESET, VST_SCSI_FUNCTION_COMPLETE},
        {VST_SCSI_QUERY_TASK, VST_SCSI_FUNCTION_COMPLETE},
        {VST_SCSI_QUERY_TASK_SET, VST_SCSI_FUNCTION_COMPLETE},
        {VST_SCSI_NOTIFICATION_QUERY, VST_SCSI_FUNCTION_COMPLETE},
        {VST_SCSI_NOTIFICATION_SUBSCRIBE, VST_SCSI_FUNCTION_COMPLETE},
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(rows); i++)
        CHECK_EQUAL(manage(test, rows[i].kind, 0, 0, 12345), rows[i].response);
    CHECK_EQUAL(manage(test, VST_SCSI_LOGICAL_UNIT_RESET, 9, 0, 0), VST_SCSI_FUNCTION_BAD_TARGET);
    CHECK_EQUAL(manage(test, VST_SCSI_LOGICAL_UNIT_RESET, 0, 5, 0),
                VST_SCSI_FUNCTION_INCORRECT_LUN);
    /* What a reset leaves behind. */
    const struct vst_scsi_outcome *outcome = run(test, 0, 0, (uint8_t[6]){0}, 6, 0);
    struct vst_scsi_sense sense;
    CHECK_EQUAL(vst_scsi_sense_parse(outcome->sense, outcome->sense_bytes, &sense), VST_OK);
    CHECK_EQUAL(sense.key, VST_SCSI_UNIT_ATTENTION);
    CHECK_EQUAL(run(test, 0, 0, (uint8_t[6]){0}, 6, 0)->status, VST_SCSI_GOOD);
}

static bool note_late(struct vst_scsi_command *command, uint64_t tag)
{
    *(uint64_t *)command->user = tag;
    return true;
}

static void note_done(struct vst_scsi_command *command)
{
    *(uint64_t *)command->user = UINT64_MAX;
}

static void poll_while(struct test *test, const uint64_t *word, uint64_t value)
{
    while (*word == value)
        if (test->hba->ops->poll_commands(test->hba->queues[0], 8) == 0)
            test->machine->platform.relax(test->machine);
}

/** False: it was answered before anybody could call it late, as happens where all is slow. */
static bool abort_one(struct test *test)
{
    const uint8_t cdb[10] = {0x28, 0, 0, 0, 0, 16, 0, 0, 8, 0};
    const struct vst_block_segment in = {test->buffer, BUFFER_BYTES};
    uint64_t tag = 0;
    struct vst_scsi_command command = {
        .nexus = nexus_of(0, 0),
        .cdb_bytes = 10,
        .n_in = 1,
        .in = &in,
        .timeout_ns = 1, /* a tick of the watch */
        .done = note_done,
        .late = note_late,
        .user = &tag,
    };

    memcpy(command.cdb, cdb, sizeof(cdb));
    for (unsigned i = 0; i < 2; i++) /* from here on the host has nothing left to give */
        CHECK_EQUAL(run(test, 0, 0, cdb, 10, BUFFER_BYTES)->response, VST_SCSI_RESPONSE_OK);
    CHECK_EQUAL(test->hba->ops->submit(test->hba->queues[0], &command), VST_OK);
    test->hba->ops->kick_commands(test->hba->queues[0]);
    poll_while(test, &tag, 0);
    if (tag == UINT64_MAX)
        return false;
    uint64_t late = tag;
    enum vst_scsi_function_response is_there = manage(test, VST_SCSI_QUERY_TASK, 0, 0, late);
    enum vst_scsi_function_response aborted = manage(test, VST_SCSI_ABORT_TASK, 0, 0, late);
    poll_while(test, &tag, late);
    CHECK_EQUAL(aborted, VST_SCSI_FUNCTION_COMPLETE);
    if (command.outcome.response != VST_SCSI_RESPONSE_ABORTED)
        return false;
    CHECK_EQUAL(is_there, VST_SCSI_FUNCTION_SUCCEEDED);
    return true;
}

int main(int argc, char **argv)
{
    static struct test test;

    test.options = options_parse(argc, argv);
    test.machine = machine_start(test.options.dma, test.options.access, test.options.qemu);
    test.buffer = machine_buffer(test.machine, BUFFER_BYTES);
    const struct vst_pci_function *function = machine_find(test.machine, vst_virtio_scsi_matches);
    const struct vst_virtio_scsi_config config = options_scsi(&test.options);

    vst_pci_enable(&test.machine->platform, test.machine->functions, function);
    CHECK_EQUAL(vst_virtio_scsi_attach(&test.machine->platform, function, &config, &test.hba),
                VST_OK);
    inquiry(&test);
    read_4k(&test);
    who_is_not_there(&test);
    functions(&test);
    while (!abort_one(&test))
        ;
    vst_virtio_scsi_detach(test.hba);
    machine_buffer_free(test.machine, test.buffer, BUFFER_BYTES);
    CHECK_EQUAL(test.machine->n_allocated, 0);
    machine_stop(test.machine);
    puts("passed=1");
    return 0;
}
