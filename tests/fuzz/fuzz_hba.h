/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A caller of the virtio-scsi adapter whose every move is the fuzzer's: block requests of two units
 * through the block layer, commands, functions, events, time, resets, between which the device moves
 * as the fuzzer wants. What must hold whatever happens, beside what fuzz_io.h says of requests:
 *
 *   a request, a command and a function each end exactly once; what has ended is given back to the
 *   C library, so that any later look at it is a finding
 *   an outcome is within its bounds; of a device that has told no lies it is what that device said,
 *   and of one that wrote no answer it is none
 *   a command is told of as late at most once
 *   an event names a target and a unit that there can be
 *   in the end each unit has all the room it had
 *
 * The device knows every command by a number in its CDB: it finds the unit and the CDB as they were
 * submitted, and notes what it answers.
 */
#ifndef VSTOR_TESTS_FUZZ_HBA_H
#define VSTOR_TESTS_FUZZ_HBA_H

#include <vstor/scsi.h>
#include "tests/fuzz/fuzz_virtio.h"

#define FUZZ_HBA_TASKS     24u
#define FUZZ_HBA_SEGMENTS  8u
#define FUZZ_HBA_UNITS     2u
#define FUZZ_HBA_QUEUES    2u
#define FUZZ_HBA_FUNCTIONS 6u
#define FUZZ_HBA_ORDERS    256u
#define FUZZ_HBA_SENSE     32u

/** A block request or a command: one of the two, in flight. */
struct fuzz_task {
    struct vst_block_request request;
    struct vst_scsi_command command;
    bool is_command;
    unsigned number; /**< its place in struct fuzz_hba.tasks and in no man's land */
    struct vst_block_queue *queue;
    struct vst_block_segment segments[2 * FUZZ_HBA_SEGMENTS];
};

/** One command given to the adapter, of whichever kind. */
struct fuzz_order {
    struct fuzz_task *task; /**< NULL: free */
    uint64_t n_given;       /**< the how-manieth of all */
    uint64_t nexus, start_sector;
    uint32_t bytes;
    bool is_part, was_late;
    bool is_unclear; /**< whether it was late is not told, or of which of the task's */
    uint8_t cdb_bytes;
    uint8_t cdb[VST_SCSI_LONG_CDB_BYTES];
    bool is_taken; /**< by the device, which thus knows the tag */
    uint64_t tag;
    /* what the device said of it */
    bool is_answered; /**< ended by it, with a word or without */
    bool is_written;
    uint32_t sense_bytes;
    uint64_t word; /**< residual, status_qualifier, status, response (5.6.6.1) */
    uint8_t sense[FUZZ_HBA_SENSE];
};

struct fuzz_hba;

struct fuzz_unit_queue {
    struct vst_scsi_block_queue scsi;
    struct fuzz_hba *hba;
};

struct fuzz_unit {
    struct vst_block_device device;
    struct vst_block_queue *list[FUZZ_HBA_QUEUES];
    struct fuzz_unit_queue queues[FUZZ_HBA_QUEUES];
    int32_t n_room; /**< of each queue, at first */
};

struct fuzz_hba {
    struct fuzz_platform fp;
    struct fuzz_virtio virtio;
    struct vst_virtio_scsi_config config;
    struct vst_irq_message messages[FUZZ_MAX_QUEUES];
    struct vst_scsi_hba *hba; /**< NULL: not attached */
    struct fuzz_unit units[FUZZ_HBA_UNITS];
    struct fuzz_task *tasks[FUZZ_HBA_TASKS];
    struct vst_scsi_function *functions[FUZZ_HBA_FUNCTIONS];
    struct fuzz_order orders[FUZZ_HBA_ORDERS];
    uint64_t n_orders; /**< given so far */
    unsigned n_tasks, n_functions;
    unsigned unit, queue; /**< whose turn it is */
    unsigned side;        /**< the same of the device: a virtqueue */
    uint64_t late_tag;    /**< told of last */
    bool answers_in_the_end, is_over, is_disturbed;
    bool longs; /**< the second unit's commands have 32 bytes */
    unsigned n_event_answers, n_events;
    const uint8_t *entry; /**< what the device's next event is, if not made up; 16 bytes */
};

/** An honest adapter with two units on a platform that maps or does not; one at a time. */
struct fuzz_hba *fuzz_hba_begin(struct fuzz_input *input, bool maps);

/** As fuzz_io_surround. */
void fuzz_hba_surround(struct fuzz_hba *io, uint8_t how);

/** Attaches; checks what attach says of the adapter. */
enum vst_status fuzz_hba_attach(struct fuzz_hba *io);

/** Does what the rest of the input says, at most `max_steps` things, if attached. */
void fuzz_hba_run(struct fuzz_hba *io, unsigned max_steps);

/** Fetches the events that there are; returns how many, without those that say that some are missed. */
unsigned fuzz_hba_fetch_events(struct fuzz_hba *io, struct vst_scsi_event *last, bool *missed);

/** Waits for all that is in flight, detaches, and looks for what is left over. */
void fuzz_hba_end(struct fuzz_hba *io);

#endif
