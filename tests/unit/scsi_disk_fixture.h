/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of SCSI disks begin with: scsi_fixture.h, disks on it, requests to them. */
#ifndef VSTOR_TESTS_SCSI_DISK_FIXTURE_H
#define VSTOR_TESTS_SCSI_DISK_FIXTURE_H

#include "tests/unit/scsi_fixture.h"

#define MAX_SECTORS 128u

/** A request with memory of its own. */
struct io {
    struct vst_block_request request;
    struct vst_block_segment segments[4];
    uint8_t data[MAX_SECTORS * 512];
    bool back;
};

static struct io ios[300];

static inline struct vst_block_device *attach_disk(struct fixture *f, uint8_t target,
                                                   uint32_t number)
{
    struct vst_block_device *device;
    struct vst_scsi_lun lun;

    assert_int_equal(vst_scsi_lun_of(number, &lun), VST_OK);
    assert_int_equal(vst_scsi_disk_attach(f->hba, target, &lun, &device), VST_OK);
    return device;
}

static inline uint8_t unit_byte(const struct fake_unit *unit, size_t i)
{
    return (uint8_t)(i * 31 + (i >> 9) + unit->target * 7u + unit->lun);
}

static inline void fill_io(struct io *io, enum vst_block_op op, uint64_t sector, uint64_t n)
{
    *io = (struct io){.segments = {{io->data, n * 512}}};
    io->request = (struct vst_block_request){
        .op = op,
        .n_segments = op == VST_BLOCK_FLUSH ? 0 : 1,
        .segments = io->segments,
        .start_sector = sector,
        .n_sectors = n,
    };
}

/** Into three pieces, none of them a whole number of sectors. */
static inline void cut_io(struct io *io)
{
    size_t bytes = io->request.n_sectors * 512;

    io->segments[0] = (struct vst_block_segment){io->data, 100};
    io->segments[1] = (struct vst_block_segment){io->data + 100, bytes - 300};
    io->segments[2] = (struct vst_block_segment){io->data + bytes - 200, 200};
    io->request.n_segments = 3;
}

static inline size_t take(struct vst_block_queue *queue, size_t max)
{
    struct vst_block_request *done[64];
    size_t n = vst_block_poll(queue, done, max < 64 ? max : 64);

    for (size_t i = 0; i < n; i++) {
        struct io *io = VST_CONTAINER_OF(done[i], struct io, request);
        assert_false(io->back);
        io->back = true;
    }
    return n;
}

static inline void finish(struct vst_block_queue *queue, struct io *io)
{
    vst_block_kick(queue);
    for (unsigned i = 0; !io->back; i++) {
        assert_true(i < MAX_LOOKS);
        take(queue, 64);
    }
}

static inline void run(struct vst_block_queue *queue, struct io *io)
{
    assert_int_equal(vst_block_submit(queue, &io->request), VST_OK);
    finish(queue, io);
}

static inline void check_read(const struct fake_unit *unit, const struct io *io)
{
    for (size_t i = 0; i < io->request.n_sectors * 512; i++)
        if (io->data[i] != unit->data[io->request.start_sector * 512 + i])
            fail_msg("byte %zu of the read at sector %lu", i,
                     (unsigned long)io->request.start_sector);
}

static inline void next_answers(struct fixture *f, unsigned n, uint8_t response, uint8_t status,
                                uint32_t residual, const char *sense, uint32_t sense_bytes)
{
    f->scsi.answer = (struct fake_scsi_answer){.after = f->scsi.n_commands,
                                               .n = n,
                                               .response = response,
                                               .status = status,
                                               .residual = residual,
                                               .sense_bytes = sense_bytes};
    memcpy(f->scsi.answer.sense, sense, sense_bytes);
}

#define SENSE(key, information, asc, ascq)                                                         \
    "\xf0\x00" key "\x00\x00\x00" information "\x0a\x00\x00\x00\x00" asc ascq "\x00\x00\x00\x00"

#endif
