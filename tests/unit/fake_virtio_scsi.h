/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio-scsi device for unit tests on the rings and registers of fake_virtio_blk.h, with a few
 * disks behind it; written from the device's side of VIRTIO 1.2, 5.6, and of SPC-4 and SBC-3.
 *
 * Event buffers are kept until fake_virtio_scsi_event sends something; commands are kept where
 * `device.answers_nothing` says so, and functions abort them there.
 */
#ifndef VSTOR_TESTS_FAKE_VIRTIO_SCSI_H
#define VSTOR_TESTS_FAKE_VIRTIO_SCSI_H

#include "tests/unit/fake_virtio_fronts.h"

#define FAKE_SCSI_MAX_UNITS 600u

/** What a disk can do beyond reading and writing; by itself nothing. (fake_scsi_disk.c) */
struct fake_disk {
    bool has_limits, has_provisioning; /* the pages B0h, B2h */
    uint32_t max_unmap, max_unmap_descriptors, granularity, alignment;
    uint64_t max_same;
    uint8_t provisioning; /* of B2h: LBPU 80h, LBPWS 40h, LBPRZ 04h */
    bool thin, reads_zeroes;
    uint8_t protection_type; /* 2: commands of 32 bytes only */
    uint8_t max_compare;
    bool knows_fua, mode_6_only, cache_fixed, cache_off;
    bool refuses_ranges, refuses_select;

    unsigned n_unmaps, n_descriptors, n_sames, n_durable, n_verified, n_selects;
    uint8_t last_same_flags;
};

/** An answer to commands of one operation: data, or CHECK CONDITION where there is a key. */
struct fake_script {
    uint8_t operation;
    unsigned n; /* how often, before the next line for the operation counts; 0: always */
    uint8_t key, asc, ascq;
    const void *data;
    size_t bytes;
};

/** How well a disk's ports serve: what several fake units of one disk share. (SPC-4, 5.16) */
struct fake_alua {
    uint8_t tpgs; /* 1 implicit, 2 explicit, 3 both */
    unsigned n;
    struct {
        uint16_t number;
        uint8_t state;
        bool preferred;
    } groups[8];
    const uint8_t *raw; /* what is reported instead of the above, if not NULL */
    size_t raw_bytes;
    uint8_t
        refuses; /* so many SET TARGET PORT GROUPS get UNIT ATTENTION first; 255: it never obeys */
    unsigned n_reported, n_set;
};

/** A disk, unless its script says otherwise. */
struct fake_unit {
    uint8_t target;
    uint16_t lun;
    uint8_t type;
    uint32_t block_bytes;
    uint64_t n_blocks; /* as it is told; `data` has room for FAKE_UNIT_SECTORS */
    uint8_t *data;
    uint64_t bad_block; /* reads and writes of it fail, 03/11/00; UINT64_MAX: none */
    bool attention;     /* the next command gets UNIT ATTENTION 29/00 */
    bool write_protected;
    bool knows_no_16;   /* READ CAPACITY (16) is refused */
    bool knows_no_luns; /* REPORT LUNS is refused */
    bool away;          /* it is not there */
    bool restless;      /* it calls itself something else each time */
    char product;       /* last letter of its product, if not 0 */
    /*
     * It answers no command. By function codes (5.6.6.2), bit 8 for a reset of the adapter: what ends
     * that and gives back what it has; what is rejected; what is never answered. Others end well,
     * and give back what they name.
     */
    bool silent;
    uint16_t mended_by, rejects, ignores, keeps;
    bool answers_checks;       /* TEST UNIT READY, all the same */
    bool answers_before_abort; /* what is to be aborted has just ended by itself */
    unsigned n_commands, n_flushes, n_starts, n_kept;
    unsigned functions[8];         /* how often, by code */
    struct fake_script script[12]; /* ended by all zero; what it does not say goes by the book */
    unsigned n_seen[256];          /* commands by operation */
    uint8_t last_seen[256][16];    /* and the last CDB of each */
    struct fake_disk disk;
    const char *serial; /* NULL: "fake-0-0" */
    uint64_t naa;       /* page 83h has that name; 0: there is no such page */
    uint8_t response;   /* of all its commands; 0: by the book */
    bool shares_data;   /* `data` is another unit's */
    uint16_t port_group;
    struct fake_alua *alua; /* NULL: all ports serve, and it says nothing of them */
};
#define FAKE_ADAPTER_RESET 8u
#define FAKE_UNIT_SECTORS  512u

/** An answer for commands that are not answered by the book. */
struct fake_scsi_answer {
    unsigned after, n; /* so many commands are answered truly first, then n are not */
    uint8_t response, status;
    uint16_t qualifier;
    uint32_t residual, sense_bytes;
    uint8_t sense[256];
};

struct fake_virtio_scsi {
    struct fake_virtio_blk device; /* first */
    struct fake_unit *units;
    unsigned n_units;

    /* knobs */
    struct fake_scsi_answer answer;
    const uint8_t *told_luns; /* what every target answers to REPORT LUNS; NULL: the truth */
    uint32_t told_luns_bytes;
    bool has_well_known;       /* the well-known unit answers REPORT LUNS, for all targets */
    bool any_lun;              /* LUNs of more levels, or longer ones, are no misuse */
    bool fixed_sizes;          /* what the driver writes to cdb_size and sense_size is lost */
    bool no_functions;         /* functions are never answered */
    uint8_t function_response; /* 0: by the book */
    bool keeps_aborted;        /* a function ends well, but the commands stay */

    /* what it saw */
    unsigned n_commands, n_functions, n_event_buffers;
    uint8_t last_cdb[32], last_lun[8];
    uint8_t last_attribute, last_priority, last_crn;
    uint32_t last_pi_out, last_pi_in;
    uint8_t protection
        [8 * FAKE_UNIT_SECTORS]; /* eight bytes of each block: READ gives what WRITE brought */
    uint32_t last_function, last_function_type, last_classes;
    uint8_t last_function_lun[8];
    uint64_t last_function_tag, last_tag;
    unsigned n_out_bytes, n_in_bytes; /* of the last command: room in its data */
};

/** One request queue of 256, four event buffers' worth of queue; no units. */
void fake_virtio_scsi_init(struct fake_virtio_scsi *scsi, struct fake_platform *platform);
void fake_virtio_scsi_destroy(struct fake_virtio_scsi *scsi);

/** A disk of FAKE_UNIT_SECTORS sectors in blocks of 512 bytes, with data of its own. */
struct fake_unit *fake_virtio_scsi_add(struct fake_virtio_scsi *scsi, uint8_t target, uint16_t lun);

/** A silent unit answers what it has kept, and goes on so. */
void fake_virtio_scsi_awake(struct fake_virtio_scsi *scsi, struct fake_unit *unit);

/** Request queues, as fake_virtio_blk_offer_queues. */
void fake_virtio_scsi_offer_queues(struct fake_virtio_scsi *scsi, unsigned n, uint16_t size);

/** Sends an event; false: the driver has given no buffer. */
bool fake_virtio_scsi_event(struct fake_virtio_scsi *scsi, uint32_t event, const uint8_t *lun,
                            uint32_t reason);

#endif
