/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio-blk PCI device for unit tests, written from the specification's device side and sharing
 * no code with the driver. It is honest by default; `lie` and the other knobs make it hostile or
 * give it features that QEMU lacks.
 *
 * It works only when its doorbell is rung or `fake_virtio_blk_work` is called, and, being honest,
 * goes to sleep when it has seen all available chains: a driver that forgets to ring when it must
 * leaves requests unanswered.
 *
 * It has one queue without interrupts, unless fake_virtio_blk_offer_queues and
 * fake_virtio_blk_add_msix give it more; both after a front was chosen (fake_virtio_fronts.h).
 */
#ifndef VSTOR_TESTS_FAKE_VIRTIO_BLK_H
#define VSTOR_TESTS_FAKE_VIRTIO_BLK_H

#include "tests/unit/fake_msix.h"
#include "tests/unit/fake_platform.h"

struct fake_virtio_blk;

enum fake_lie {
    LIE_NONE,
    LIE_USED_ID_TOO_LARGE,
    LIE_USED_ID_NOT_IN_FLIGHT,
    LIE_USED_ID_TWICE,
    LIE_USED_ID_NOT_A_HEAD, /* direct chains: names the second descriptor */
    LIE_USED_INDEX_JUMPS,
    LIE_STATUS_NOT_WRITTEN,
    LIE_STATUS_UNKNOWN,
    LIE_USED_LENGTH_HUGE,
    LIE_SILENCE, /* never answers a request */
};

#define FAKE_BLK_BAR_BYTES  0x4000u
#define FAKE_BLK_MAX_QUEUES 300u
#define FAKE_MSIX_PHYSICAL  0xfea00000ull
#define FAKE_MSIX_AT        0xc0u /* of the capability, in configuration space */

/** A descriptor of a chain, as the device sees it. */
struct fake_piece {
    uint64_t addr;
    uint32_t bytes;
    bool writable;
};

/** A chain taken apart: `data` is all between the head and what holds the status byte. */
struct fake_request {
    uint32_t type;
    uint64_t sector;
    const struct fake_piece *data;
    unsigned n_data;
    uint64_t tail; /* address of the last descriptor's memory */
    uint32_t tail_bytes;
};

/** Commands beyond reads, writes, flushes and GET_ID, or rules for these: asked first, in order. */
struct fake_extension {
    struct fake_extension *next;
    /** True if it has dealt with the request: *answer is the status byte. */
    bool (*serve)(struct fake_extension *extension, struct fake_virtio_blk *blk,
                  const struct fake_request *request, uint8_t *answer);
};

struct fake_blk_queue;
struct fake_held;

/**
 * Another type of device on the same rings and registers (fake_virtio_scsi.h). NULL: a block device.
 */
struct fake_virtio_kind {
    /**
     * Takes a chain: fills what is to be answered. False: it broke a rule, which was said, and is
     * dropped.
     */
    bool (*take)(struct fake_blk_queue *q, struct fake_held *held, const struct fake_piece *pieces,
                 unsigned n);
    /** The driver writes the configuration. */
    void (*write_config)(struct fake_virtio_blk *blk, uint64_t at, uint8_t width_bytes,
                         uint32_t value);
    void (*reset)(struct fake_virtio_blk *blk);
};

/** One of the device's queues; its number is its place in fake_virtio_blk.queues. */
struct fake_blk_queue {
    struct fake_virtio_blk *blk;

    /* what it offers */
    uint16_t offered_size; /* 0: there is no such queue */
    uint16_t notify_off;

    /* knobs */
    uint16_t n_vectors_taken; /* a vector with this number or a larger one is refused */
    bool answers_nothing;     /* as the device's, for this queue */
    unsigned resetting;       /* reads until its reset is confirmed */

    /* what it saw */
    unsigned n_requests, n_doorbells, n_interrupts;

    /* state */
    uint16_t size, vector;
    bool enabled;
    uint32_t page_number; /* legacy */
    uint64_t desc, avail, used;
    uint16_t last_avail, used_idx, signalled_used;
    uint16_t last_id;
    /* packed */
    uint16_t avail_at, used_at; /* places in the ring */
    bool avail_wrap, used_wrap;
    uint16_t signalled_at; /* used_at when an interrupt was last considered */
    bool signalled_wrap;
    unsigned n_held;
    struct fake_held {
        uint16_t head;
        uint16_t n_ring; /* descriptors of the ring that the chain takes */
        uint32_t length;
        uint64_t status_address;
        uint8_t answer;
        uint8_t *reply; /* other kinds: allocated; written to status_address instead of `answer` */
        uint32_t reply_bytes, status_at; /* where in it LIE_STATUS_UNKNOWN is */
        uint64_t tag;                    /* the kind's own */
        bool kept;  /* by the kind, which answers it by fake_virtio_blk_answer_one when it likes */
        bool ended; /* the kind's own, like the next two */
        uint8_t target;
        uint16_t lun;
        unsigned first_piece, n_pieces; /* of memory; the device has it until it has answered */
    } * held;                           /* from the first request on */
    struct fake_piece *pieces;          /* of all that is held */
    size_t n_pieces;
};

struct fake_virtio_blk {
    struct fake_platform *fake_platform;
    struct vst_pci_function function;
    uint8_t pci_config[256];
    uint8_t *bar; /* only an address range: accesses are handed to the model */

    const struct fake_virtio_kind *kind;
    bool legacy;                     /* reached by a legacy interface */
    struct fake_virtio_front *front; /* NULL: modern, in a memory BAR (fake_virtio_fronts.h) */

    /* what it offers */
    uint64_t offered_features;
    uint8_t config[96];
    struct fake_extension *extensions; /* see fake_virtio_blk_extend */
    uint8_t *disk;
    uint64_t disk_sectors;
    char id[20];

    /* knobs */
    enum fake_lie lie;
    unsigned lie_after;      /* that many requests are answered truly first */
    int lie_queue;           /* the queue that lies; -1: all of them */
    bool interrupts_unasked; /* at each completion, and whatever the driver asked for */
    bool refuses_features_ok;
    uint16_t n_config_vectors_taken; /* as a queue's, for the configuration's */
    bool reset_takes_for_ever;
    unsigned reset_takes_for_ever_after; /* from this reset on; 0: never */
    unsigned reset_reads;                /* status reads until a reset is confirmed */
    bool generation_always_changes;
    /* Called before each read of the configuration: it may change between any two. */
    void (*before_config_read)(struct fake_virtio_blk *blk, uint64_t at);
    bool keeps_cache_mode; /* what is written to the field writeback is lost */
    bool fails_flushes;
    bool answers_nothing;  /* all requests are kept: fake_virtio_blk_answer_all gives them back */
    uint64_t fail_sector;  /* requests that touch it end with IOERR; UINT64_MAX: none */
    bool reorders;         /* completes each batch backwards */
    bool in_order_batches; /* IN_ORDER: one used entry speaks for a whole batch */
    /* resets, RING_RESET's of a queue among them */
    bool heals;                /* once reset it lies no more, and answers */
    bool answers_during_reset; /* all that it holds, late, before it confirms */
    unsigned queue_reset_reads;
    bool queue_reset_for_ever, ignores_queue_reset;
    bool unplugged;    /* answers nothing but ones, takes nothing, and works no more */
    bool hides;        /* its place looks empty, nothing else about it does */
    bool gone_is_zero; /* its memory reads as zeroes then, its configuration space still as ones */
    uint64_t poison_sector; /* who touches it silences the device until a reset; UINT64_MAX: none */

    /* what it saw */
    unsigned n_touched_unplugged;
    unsigned n_resets, n_queue_resets, n_doorbells, n_requests, n_flushes, n_features_written;
    uint64_t driver_features;
    uint8_t status_history[64];
    unsigned n_status_writes;
    bool queue_was_live_on_reset;
    unsigned max_chain_descriptors, max_data_segments;
    uint64_t max_segment_bytes;
    bool saw_misuse; /* the driver broke a rule; `misuse` says which */
    const char *misuse;

    /* state */
    uint8_t status;
    uint32_t feature_select[2];
    uint16_t queue_select;
    uint16_t config_vector;
    uint8_t isr;           /* 1 a queue, 2 the configuration; reading takes it back */
    unsigned n_interrupts; /* that the driver asked for: where it polls, 0 is wanted */
    unsigned n_line_rises; /* of the interrupt line, without MSI-X */
    unsigned resetting;
    bool silenced;
    uint8_t generation;
    struct fake_msix msix;
    struct fake_blk_queue queues[FAKE_BLK_MAX_QUEUES];
};

/**
 * A device of `sectors` sectors with indirect descriptors, event index, flush and the usual
 * configuration.
 */
void fake_virtio_blk_init(struct fake_virtio_blk *blk, struct fake_platform *platform,
                          uint64_t sectors);
void fake_virtio_blk_destroy(struct fake_virtio_blk *blk);

void fake_virtio_blk_set_config32(struct fake_virtio_blk *blk, unsigned offset, uint32_t value);

/** Has its registers answer again beside those of a device that was made later. */
void fake_virtio_blk_map(struct fake_virtio_blk *blk);

/** A queue of another size; 0: none. Before the driver attaches. */
void fake_virtio_blk_offer_queue(struct fake_virtio_blk *blk, unsigned queue, uint16_t size);

/** Queues 0 to n - 1 of that size, MQ, and num_queues in the configuration. */
void fake_virtio_blk_offer_queues(struct fake_virtio_blk *blk, unsigned n, uint16_t size);

/** An MSI-X capability whose table lies in BAR 1. */
void fake_virtio_blk_add_msix(struct fake_virtio_blk *blk, uint16_t n_entries);

/** Has the device do more. */
void fake_virtio_blk_extend(struct fake_virtio_blk *blk, struct fake_extension *extension);

/** Interrupts for a queue although nobody asked, and nothing has happened. */
void fake_virtio_blk_raise(struct fake_blk_queue *q);

/** Tells of a change of configuration: generation and interrupt. */
void fake_virtio_blk_change_config(struct fake_virtio_blk *blk);

/** Whether the interrupt line is up: INTx, or a virtio-mmio device's line. */
bool fake_virtio_blk_line(const struct fake_virtio_blk *blk);

/** Looks at the rings without having been told: what a polling device does. */
void fake_virtio_blk_work(struct fake_virtio_blk *blk);

/** Width of a PCI doorbell: 4 bytes with NOTIFICATION_DATA, else 2. */
uint8_t fake_virtio_blk_doorbell_bytes(const struct fake_virtio_blk *blk);

/** Gives back the requests kept so far: of all queues, of one. */
void fake_virtio_blk_answer_all(struct fake_virtio_blk *blk);
void fake_virtio_blk_answer_queue(struct fake_blk_queue *q);
/** The one kept longest, or the i-th. */
void fake_virtio_blk_answer_one(struct fake_blk_queue *q, unsigned i);

/* What the register fronts share: see fake_virtio_fronts.h. */
/** True, and counted, if the device is unplugged. */
bool fake_virtio_blk_is_out(struct fake_virtio_blk *blk);
void fake_virtio_blk_misuse(struct fake_virtio_blk *blk, const char *what);
void fake_virtio_blk_write_status(struct fake_virtio_blk *blk, uint8_t value);
uint8_t fake_virtio_blk_read_status(struct fake_virtio_blk *blk);
void fake_virtio_blk_doorbell(struct fake_virtio_blk *blk, bool right_width, uint32_t value);
/** The device's own configuration; all ones beyond its end. */
uint32_t fake_virtio_blk_read_config(struct fake_virtio_blk *blk, uint64_t at, uint8_t width_bytes);
void fake_virtio_blk_write_config(struct fake_virtio_blk *blk, uint64_t at, uint8_t width_bytes,
                                  uint32_t value);
/** The queue that the driver has selected; a write to one that is not there is misuse. */
struct fake_blk_queue *fake_virtio_blk_selected(struct fake_virtio_blk *blk, bool for_write);
/** RING_RESET: the driver resets a queue, and asks whether that is still under way. (2.6.1) */
void fake_virtio_blk_queue_reset(struct fake_blk_queue *q, uint32_t value);
bool fake_virtio_blk_queue_resetting(struct fake_blk_queue *q);
/** Reading acknowledges. */
uint8_t fake_virtio_blk_read_isr(struct fake_virtio_blk *blk);
void fake_virtio_blk_set_vector(struct fake_virtio_blk *blk, uint16_t *vector,
                                uint16_t n_vectors_taken, uint16_t value);
void fake_virtio_blk_config_write(struct fake_virtio_blk *blk, uint16_t offset, uint8_t width_bytes,
                                  uint32_t value);
/** The BAR of the MSI-X table, for a front's mmio_map; NULL if that is not what is wanted. */
void *fake_virtio_blk_map_msix(struct fake_virtio_blk *blk, uint64_t physical, uint64_t bytes);
/** The modern registers, at their offsets in the BAR. */
uint32_t fake_virtio_blk_bar_read(void *ctx, uint64_t offset, uint8_t width_bytes);
void fake_virtio_blk_bar_write(void *ctx, uint64_t offset, uint8_t width_bytes, uint32_t value);

#endif
