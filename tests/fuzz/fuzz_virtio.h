/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device whose every word may be the fuzzer's. Three layers:
 *
 *   fronts      (fuzz_fronts.c) the ways to its registers: modern by memory, with doorbells in
 *               ports, by the window in configuration space; legacy by ports and memory;
 *               virtio-mmio 1 and 2; MSI-X
 *   registers   (fuzz_virtio.c) an honest device; with `lies`, a byte of the input per read decides
 *               whether the fuzzer's value is given instead
 *   rings       (fuzz_rings.c) an honest device side for split and packed that takes chains and
 *               answers them when told to; what makes it hostile is fuzz_virtio_edit (the device's
 *               own fields), fuzz_virtio_overtake (the order) and fuzz_virtio_scribble (any byte of
 *               any shared memory, whatever lies there). With `races`, shared memory also changes
 *               right before a load of the driver reads it.
 *
 * What kind of device it is stands beside them, in a struct fuzz_kind (fuzz_kind_blk.c,
 * fuzz_kind_scsi.c): none of the three knows.
 *
 * A reset, of the device or of a queue, may come at any time and makes the device forget the rings
 * concerned with all chains it held; the driver may give it new ones. What the device was told of
 * memory it holds to: it is strict with the driver about every ring that nobody has scribbled on
 * since its last reset.
 */
#ifndef VSTOR_TESTS_FUZZ_VIRTIO_H
#define VSTOR_TESTS_FUZZ_VIRTIO_H

#include "tests/fuzz/fuzz_platform.h"

#define FUZZ_MAX_REGIONS 24u
#define FUZZ_MAX_HELD    64u
#define FUZZ_MAX_QUEUES  4u
#define FUZZ_N_VECTORS   8u

enum fuzz_front {
    FUZZ_MODERN,
    FUZZ_NOTIFY_PORTS, /**< a second doorbell in an I/O BAR, asked for */
    FUZZ_WINDOW,       /**< asked for, for everything (4.1.4.9) */
    FUZZ_LEGACY_PORTS,
    FUZZ_LEGACY_MEMORY,
    FUZZ_MMIO_1,
    FUZZ_MMIO_2,
    FUZZ_N_FRONTS
};

#define FUZZ_MMIO_PHYSICAL 0xfeb00e00ull
#define FUZZ_MMIO_BYTES    0x200u

/** What lies at a mapped place: a virtio structure's type (4.1.4), or one of these. */
enum { FUZZ_PLACE_LEGACY = 0x80, FUZZ_PLACE_MMIO, FUZZ_PLACE_MSIX, FUZZ_PLACE_NONE };

struct fuzz_region {
    uint64_t physical, bytes;
    uintptr_t base;
    uint8_t place;
};

/** A chain that the device has taken and not yet answered. */
struct fuzz_chain {
    uint16_t id, n_descriptors;
    uint64_t
        status_addr;    /**< of its answer; 0: not known, for shared memory has been scribbled on */
    uint64_t data_addr; /**< of the first piece that is no shared memory; 0: none */
    union {
        struct {
            uint64_t id_addr;
            uint64_t append_addr; /**< where an append's answer goes; 0: it is none */
            uint64_t sector;      /**< in its head */
        } blk;
        struct {
            uint32_t answer_bytes;
            bool has_head;
            uint64_t tag;    /**< in its head */
            uint32_t number; /**< of the command, in its CDB */
        } scsi;
    };
};

struct fuzz_queue {
    uint16_t index, size, vector;
    bool enabled, resetting;
    bool scribbled; /**< what the driver wrote can't be relied on any more */
    uint64_t desc, driver_area, device_area;
    uint16_t avail_at, used_at;
    bool avail_wrap, used_wrap;
    struct fuzz_chain held[FUZZ_MAX_HELD]; /**< as taken, the oldest first */
    unsigned n_held;
};

struct fuzz_virtio;

/** What devices of one type have of their own. */
struct fuzz_kind {
    uint32_t type; /**< VIRTIO_TYPE_* */
    uint16_t modern_id, legacy_id;
    uint16_t single_queue; /**< whose chains may be of one piece; UINT16_MAX: none's */
    /** Whether a driver may write this to the configuration. */
    bool (*takes_config)(uint64_t at, uint8_t width, uint32_t value);
    /** A chain is being taken: notes what one of its pieces, in shared memory or not, is for. */
    void (*note_piece)(struct fuzz_virtio *device, const struct fuzz_queue *q,
                       struct fuzz_chain *chain, uint64_t bus_addr, uint32_t bytes, bool writable);
    /** Writes the answer to a chain; status 0 is what a device in good health says. */
    void (*write_answer)(struct fuzz_virtio *device, const struct fuzz_queue *q,
                         const struct fuzz_chain *chain, uint8_t status);
};

extern const struct fuzz_kind fuzz_kind_blk, fuzz_kind_scsi;

struct fuzz_virtio {
    const struct fuzz_kind *kind;
    void *kind_ctx; /**< for its functions */
    struct fuzz_platform *fp;
    struct fuzz_input *input;
    enum fuzz_front front;
    struct vst_pci_function function;
    uint8_t pci_config[256]; /**< as the device was made; what is written stands in pci_written */
    uint8_t config[96];
    uint64_t offered_features;
    uint16_t offered_queue_size, n_queues, n_vectors, notify_off;
    bool lies, races, never_resets;
    unsigned n_prompt; /**< so many doorbells more are answered at once */
    bool overlaps;     /**< its structures may lie over each other: no register is what it seems */
    /** Whether a driver may name these bytes in a descriptor; NULL: not asked. */
    bool (*may_carry)(void *ctx, uint64_t bus_addr, uint32_t bytes, bool writable);
    void *may_carry_ctx;

    bool dishonest; /**< has ever done what no honest device does */
    uint8_t pci_written[256];
    bool pci_is_written[256];
    uint64_t told_features, features;
    uint32_t select[2];
    uint16_t queue_select, config_vector;
    uint8_t status, generation, interrupts;
    bool status_0_written;
    uint32_t page_bytes, align_bytes;
    uint8_t msix_table[FUZZ_N_VECTORS * 16];
    struct fuzz_queue queues[FUZZ_MAX_QUEUES];
    unsigned n_doorbells, n_resets, n_queue_resets;
    struct fuzz_region regions[FUZZ_MAX_REGIONS];
    unsigned n_regions;
};

/** An honest modern device with its structures in BAR 4; sets the platform's PCI and MMIO functions. */
void fuzz_virtio_init(struct fuzz_virtio *device, struct fuzz_platform *fp,
                      const struct fuzz_kind *kind);

/** Puts it behind another front; `choice` is what to ask of the driver. */
void fuzz_virtio_use_front(struct fuzz_virtio *device, enum fuzz_front front,
                           struct vst_virtio_pci_choice *choice);

/** Forgets the device: register accesses are findings from here on. */
void fuzz_virtio_end(void);

/** The device takes up to `max` available chains of a queue and checks them as far as it can. */
void fuzz_virtio_take(struct fuzz_virtio *device, unsigned queue, unsigned max);

/**
 * Answers one of the chains taken, if there is any, with this status byte; with IN_ORDER also those
 * before it.
 */
void fuzz_virtio_answer(struct fuzz_virtio *device, unsigned queue, unsigned which, uint8_t status);

/** The same without regard to IN_ORDER. */
void fuzz_virtio_overtake(struct fuzz_virtio *device, unsigned queue, unsigned which,
                          uint8_t status);

/** Changes a field that the device writes, as the input says. */
void fuzz_virtio_edit(struct fuzz_virtio *device, unsigned queue);

/** Writes bytes of the input somewhere into shared memory. */
void fuzz_virtio_scribble(struct fuzz_virtio *device);

/** Whether a chain that the device may still answer carries an address in this range. */
bool fuzz_virtio_holds(const struct fuzz_virtio *device, uint64_t first, uint64_t bytes);

/** Changes the configuration, as the input says, and tells of it. */
void fuzz_virtio_reconfigure(struct fuzz_virtio *device);

/** Called before the driver's code loads from memory. */
void fuzz_virtio_before_load(uintptr_t address, size_t bytes);

/* ---------------------------------------------------------------- between the three layers */

/** The device at work, or NULL. One at a time: registers carry no context. */
struct fuzz_virtio *fuzz_virtio_current(void);

/** A register, by the place it belongs to and its offset there. */
uint32_t fuzz_virtio_read(struct fuzz_virtio *device, uint8_t place, uint64_t at, uint8_t width);
void fuzz_virtio_write(struct fuzz_virtio *device, uint8_t place, uint64_t at, uint8_t width,
                       uint32_t value);

/**
 * Whether the driver may have been told wrong where structures lie, so that a write that goes wrong
 * is the device's fault. Such writes are ignored, for an honest ring that goes on is worth more.
 */
static inline bool fuzz_virtio_misleads(const struct fuzz_virtio *device)
{
    return device->overlaps || (device->lies && device->front < FUZZ_MMIO_1);
}

/** Sets the accesses of the front that an init needs. */
void fuzz_front_init(struct fuzz_virtio *device);
bool fuzz_front_msix_is_enabled(const struct fuzz_virtio *device);
bool fuzz_front_masters_bus(const struct fuzz_virtio *device);

/** Shared memory, by its bus address: all of it must be that. */
uint64_t fuzz_virtio_peek(struct fuzz_virtio *device, uint64_t bus_addr, unsigned bytes);
void fuzz_virtio_poke(struct fuzz_virtio *device, uint64_t bus_addr, uint64_t value,
                      unsigned bytes);

/** Empties a queue as a reset leaves it. */
void fuzz_queue_forget(struct fuzz_virtio *device, unsigned queue);
/** Whether its areas lie in shared memory, wholly and aligned. */
bool fuzz_queue_is_sound(struct fuzz_virtio *device, const struct fuzz_queue *q);
/** The value written to a doorbell must be right. */
void fuzz_queue_check_doorbell(struct fuzz_virtio *device, uint32_t value, uint8_t width);

#endif
