/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of virtio-scsi begin with: a platform, a fake adapter, the driver on it. */
#ifndef VSTOR_TESTS_SCSI_FIXTURE_H
#define VSTOR_TESTS_SCSI_FIXTURE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio_scsi.h"
#include "tests/unit/fake_virtio_scsi.h"

#define PACKED       VIRTIO_BIT(VIRTIO_F_RING_PACKED)
#define IN_ORDER     VIRTIO_BIT(VIRTIO_F_IN_ORDER)
#define NO_INDIRECT  VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC)
#define NO_EVENT_IDX VIRTIO_BIT(VIRTIO_F_EVENT_IDX)
#define TIMEOUT_NS   50000000u
#define MAX_LOOKS    3000000u

struct fixture {
    struct fake_platform fake;
    struct fake_virtio_scsi scsi;
    struct fake_virtio_front front;
    struct vst_virtio_scsi_config config;
    struct vst_scsi_hba *hba;
    struct vst_scsi_hba_queue *queue; /* the first */
    size_t n_leaked;                  /* pieces of memory that are expected never to come back */
};

/** The kinds of ring that matter: what is offered beyond the usual, what of the usual is not. */
struct ring_kind {
    uint64_t more, less;
    bool copying;
};
static const struct ring_kind ring_kinds[] = {
    {0, 0, false},
    {PACKED, 0, false},
    {0, NO_INDIRECT, false},
    {PACKED, NO_INDIRECT, false},
    {0, NO_EVENT_IDX, false},
    {IN_ORDER, 0, false},
    {PACKED | IN_ORDER, NO_INDIRECT, false},
    {0, 0, true},
    {PACKED, NO_INDIRECT, true},
};

static void set_up_as(struct fixture *f, const struct ring_kind *kind, enum fake_front front)
{
    memset(f, 0, sizeof(*f));
    fake_platform_init(&f->fake, kind->copying);
    fake_virtio_scsi_init(&f->scsi, &f->fake);
    fake_virtio_front_use(&f->front, &f->scsi.device, front);
    f->front.type = 8;
    f->scsi.device.offered_features |= kind->more;
    f->scsi.device.offered_features &= ~kind->less;
    f->scsi.device.heals = true;
    f->config = (struct vst_virtio_scsi_config){.timeout_ns = TIMEOUT_NS, .pci = f->front.choice};
}

static inline void set_up(struct fixture *f)
{
    set_up_as(f, &ring_kinds[0], FAKE_MODERN);
}

static enum vst_status attach(struct fixture *f)
{
    enum vst_status status =
        f->front.is_mmio ? vst_virtio_mmio_scsi_attach(&f->fake.platform, FAKE_MMIO_PHYSICAL,
                                                       FAKE_MMIO_BYTES, &f->config, &f->hba)
                         : vst_virtio_scsi_attach(&f->fake.platform, &f->scsi.device.function,
                                                  &f->config, &f->hba);

    if (status == VST_OK)
        f->queue = f->hba->queues[0];
    f->scsi.device.n_resets = 0;
    return status;
}

/** Everything given back, no rule broken. */
static void tear_down(struct fixture *f)
{
    if (f->hba != NULL)
        vst_virtio_scsi_detach(f->hba);
    assert_int_equal(f->fake.n_mapped, 0);
    assert_int_equal(f->fake.n_allocated, f->n_leaked);
    fake_platform_free_leaks(&f->fake);
    if (f->scsi.device.saw_misuse)
        fail_msg("the device saw: %s", f->scsi.device.misuse);
    fake_virtio_scsi_destroy(&f->scsi);
}

static __attribute__((unused)) struct fixture storage;

#define WITH(f)                                                                                    \
    struct fixture *f = &storage;                                                                  \
    (void)state;                                                                                   \
    set_up(f)

static inline struct vst_scsi_nexus nexus_of(uint8_t target, uint32_t number)
{
    struct vst_scsi_nexus nexus;
    struct vst_scsi_lun lun;

    assert_int_equal(vst_scsi_lun_of(number, &lun), VST_OK);
    assert_int_equal(vst_scsi_nexus_encode(target, &lun, nexus.bytes), VST_OK);
    return nexus;
}

#endif
