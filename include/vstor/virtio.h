/* SPDX-License-Identifier: BSD-2-Clause */
/* vstor/virtio.h: the virtio drivers as an embedder meets them. (VIRTIO 1.2) */
#ifndef VSTOR_VIRTIO_H
#define VSTOR_VIRTIO_H

#include <vstor/block.h>
#include <vstor/pci.h>
#include <vstor/scsi.h>

VST_BEGIN_C

/**
 * One virtio structure that a vendor capability names, checked against its BAR.
 * (VIRTIO 1.2, 4.1.4)
 */
struct vst_virtio_pci_structure {
    uint8_t type; /**< 1 common, 2 notify, 3 ISR, 4 device, 5 PCI configuration access, 8 shared
                     memory */
    uint8_t bar;  /**< 0 to 5 */
    uint8_t capability_offset;
    bool sound;          /**< lies wholly inside a memory or I/O BAR, be it assigned or not */
    bool usable;         /**< sound, and the BAR has an address */
    const char *problem; /**< why it is not usable; NULL if it is */
    uint32_t offset_bytes, length_bytes;
    uint32_t notify_multiplier; /**< type 2 only */
};

/** As many as can be of use; a function that lists more is looked at no further. */
#define VST_VIRTIO_PCI_MAX_STRUCTURES 16u

/**
 * Lists the virtio structures of a function; stores at most `max`, returns how many there are (up
 * to `max`).
 */
size_t vst_virtio_pci_structures(const struct vst_platform *platform,
                                 const struct vst_pci_function *function,
                                 struct vst_virtio_pci_structure *structures, size_t max);

/** "common configuration", "notification", ...; "unknown" for others. */
const char *vst_virtio_pci_structure_name(uint8_t type);

/** True for virtio-blk functions, modern and transitional ids. (VIRTIO 1.2, 4.1.2, 5.2.1) */
bool vst_virtio_blk_matches(const struct vst_pci_function *function);

/** By which way a PCI device is to be reached. */
enum vst_virtio_pci_way {
    /**
     * The modern interface by its BARs, failing that by the window in configuration space; the
     * legacy interface where there is no modern one or it is unusable.
     */
    VST_VIRTIO_PCI_AUTO,
    VST_VIRTIO_PCI_LEGACY, /**< the legacy interface of a transitional device (4.1.4.10) */
    VST_VIRTIO_PCI_WINDOW, /**< the window in configuration space, for everything (4.1.4.9) */
};

/** All zero is a good choice. */
struct vst_virtio_pci_choice {
    enum vst_virtio_pci_way way;
    bool notify_by_port; /**< of several doorbells take that in an I/O BAR, if there is one */
};

/** How a device is to tell that it has finished something. */
enum vst_irq_mode {
    VST_IRQ_POLL, /**< not at all: the caller polls */
    VST_IRQ_INTX, /**< by its line; the handler calls vst_virtio_blk_interrupt */
    VST_IRQ_MSIX, /**< by messages, one per queue if there are enough (PCI only) */
};

/** What a device writes to where to interrupt: see vst_pci_msix_set. */
struct vst_irq_message {
    uint64_t address;
    uint32_t data;
};

/**
 * Interrupts as the caller has prepared them. All zero: polling. Queue i interrupts with message i;
 * where the caller or the device has fewer, the remaining queues share the last (see
 * vst_block_queue.message). Changes of configuration interrupt with the message behind those of the
 * queues, where there is none with that of queue 0 (see vst_block_device.change_message): a caller
 * prepares one more message than it wants queues. What became of it stands in
 * vst_block_device.irq_mode.
 */
struct vst_irq_config {
    enum vst_irq_mode mode;
    bool intx_instead; /**< VST_IRQ_MSIX: if that can't be had, INTx rather than polling */
    uint16_t n_messages;
    const struct vst_irq_message *messages; /**< read during attach only */
};

/** What is done when a device lies, falls silent or asks to be reset: see "When a device fails". */
enum vst_recovery {
    VST_RECOVERY_DEVICE, /**< the device is reset, and goes on */
    /**
     * Where the device has RING_RESET and only a queue has failed, that queue alone is reset first,
     * and the others go on undisturbed. Only for devices that are known to have let go of a queue's
     * requests when they say so: QEMU's virtio-blk (7.2 and later) confirms at once, goes on with
     * what it has in hand, and writes into buffers that their owner has back.
     */
    VST_RECOVERY_QUEUE,
    VST_RECOVERY_NONE, /**< the device is taken out of service */
};

/** Most queues that a device is driven with. */
#define VST_VIRTIO_BLK_MAX_QUEUES 256u

/**
 * Memory of one request ring, of which the device sees 58 bytes, a header and 16 for each piece of
 * data in each of its slots: the rest, 72 bytes a slot and 24 for each piece where the platform maps,
 * is private. queue_size and max_segments 0: 128 and 30. Events of the trace: 24 bytes each.
 */
static inline size_t vst_virtio_ring_memory_bytes(size_t queue_size, size_t max_segments,
                                                  size_t header_bytes, size_t n_trace_events,
                                                  bool maps)
{
    size_t n_slots = queue_size != 0 ? queue_size : 128;
    size_t n_pieces = max_segments == 0 ? 30 : max_segments == 1 ? 2 : max_segments;
    size_t n_events = n_trace_events > 32 ? n_trace_events : 32;
    size_t shared = 26 + header_bytes + 16 * (n_pieces + 2);

    return 160 + n_slots * (shared + 72 + (maps ? 24 * n_pieces : 0)) + 24 * n_events;
}

/** How a virtio-blk device is to be driven. All zero is a good choice. */
struct vst_virtio_blk_config {
    uint16_t
        queue_size; /**< most descriptors per ring to use; 0 = 128. The device may offer fewer; with
                       virtio-pci's legacy interface it alone decides, and this is not looked at */
    uint16_t max_segments; /**< most segments per command; 0 = 30. Costs 16 bytes of shared memory
                              per entry */
    uint64_t
        refused_features; /**< feature bits that are not negotiated even if offered (for tests) */
    uint64_t timeout_ns;  /**< for one command; 0 = 30 seconds */
    struct vst_virtio_pci_choice pci; /**< virtio-pci only */
    uint16_t n_queues; /**< most queues to use; 0 = 1. The device may offer fewer, and queues that
                          are not as large as its first are left alone */
    struct vst_irq_config irq;
    uint16_t
        n_trace_events; /**< events that each queue remembers (vstor/trace.h): rounded down to a
                                power of two, 32 at least; 24 bytes of private memory each */
    enum vst_recovery recovery;
    uint32_t never_replayed; /**< bit 1 << op: such requests are not given to the device again after
                                a reset but end with VST_ERR_RESET; usually none */
};

/**
 * Most memory that attach takes of the platform, until detach: 2112 bytes, and for each queue 904 and
 * those of a ring and its trace. `maps`: the platform has dma_map. What it has taken stands in
 * memory_bytes and queue_memory_bytes of the device. A device on virtio-pci's legacy interface
 * chooses the size of its ring itself, up to 32768.
 */
static inline size_t vst_virtio_blk_memory_bytes(const struct vst_virtio_blk_config *config,
                                                 bool maps)
{
    const size_t header_bytes = 32, queue_bytes = 904, device_bytes = 2112;
    size_t n_queues = config->n_queues != 0 ? config->n_queues : 1;

    return device_bytes +
           n_queues * (queue_bytes +
                       vst_virtio_ring_memory_bytes(config->queue_size, config->max_segments,
                                                    header_bytes, config->n_trace_events, maps));
}

/**
 * Brings the device to DRIVER_OK and fills *device. The function must have been enabled
 * (vst_pci_enable). A device that is already running is reset first. Memory, all through
 * platform->alloc: at most vst_virtio_blk_memory_bytes. Blocks while the device resets and answers
 * GET_ID, 2 seconds at most each. On an error nothing is left allocated.
 */
enum vst_status vst_virtio_blk_attach(const struct vst_platform *platform,
                                      const struct vst_pci_function *function,
                                      const struct vst_virtio_blk_config *config,
                                      struct vst_block_device **device) VST_MUST_USE;

/** The device types that the probe of virtio-mmio tells. (VIRTIO 1.2, 5) */
#define VST_VIRTIO_TYPE_NONE  0u /**< a place without a device: no error (4.2.2.2) */
#define VST_VIRTIO_TYPE_BLOCK 2u /**< virtio-blk (5.2) */
#define VST_VIRTIO_TYPE_SCSI  8u /**< virtio-scsi (5.6) */

/**
 * What virtio-mmio device stands at CPU physical address `physical`: reads magic value, version and
 * device type, nothing else. VST_ERR_NOT_FOUND if there is none, VST_ERR_UNSUPPORTED if its version
 * is not 1 or 2, VST_ERR_NO_MEMORY if the platform can't map it. (VIRTIO 1.2, 4.2.2, 4.2.3.1)
 */
enum vst_status vst_virtio_mmio_probe(const struct vst_platform *platform, uint64_t physical,
                                      uint64_t bytes, uint32_t *device_type) VST_MUST_USE;

/**
 * vst_virtio_blk_attach for a virtio-mmio device of version 1 or 2 whose registers take `bytes` at
 * `physical`. If such a device does not confirm a reset, nothing can keep it from memory.
 */
enum vst_status vst_virtio_mmio_blk_attach(const struct vst_platform *platform, uint64_t physical,
                                           uint64_t bytes,
                                           const struct vst_virtio_blk_config *config,
                                           struct vst_block_device **device) VST_MUST_USE;

/**
 * Whether capacity or other configuration may have changed since attach or since it was last taken
 * over: what vst_block_refresh looks at first. With irq_mode "poll" some register reads (it
 * acknowledges interrupts), else one look at memory. A change that the device tells by an interrupt
 * alone is told once. Callers: see vst_block_refresh. (VIRTIO 1.2, 2.5.1)
 */
bool vst_virtio_blk_config_changed(struct vst_block_device *device);

/**
 * For the handler of an interrupt line (irq_mode "intx"): acknowledges, and tells whether it was
 * this device that interrupted. One CPU at a time. (VIRTIO 1.2, 4.1.4.5, 4.2.3.4)
 */
bool vst_virtio_blk_interrupt(struct vst_block_device *device);

/** How worn a device is. Reserved values never get here. (VIRTIO 1.2, 5.2.6) */
struct vst_virtio_blk_lifetime {
    uint16_t
        pre_eol_info; /**< reserved blocks used up: 0 not told, 1 less than 80 %, 2 80 %, 3 90 % */
    /** Lifetime used: 0 not told, n up to n * 10 %, 11 more than it was made for. */
    uint16_t device_lifetime_est_typ_a; /**< of SLC cells */
    uint16_t device_lifetime_est_typ_b; /**< of MLC cells */
};

/**
 * Asks the device how worn it is. Blocks like vst_block_execute, on the queue's CPU.
 * VST_ERR_UNSUPPORTED where the device does not tell (vst_block_device.tells_lifetime),
 * VST_ERR_MALFORMED if it says what no device may say; else the errors of vst_block_execute.
 * *lifetime stays as it was on an error. (VIRTIO 1.2, 5.2.6)
 */
enum vst_status vst_virtio_blk_lifetime(struct vst_block_queue *queue,
                                        struct vst_virtio_blk_lifetime *lifetime) VST_MUST_USE;

/**
 * For the owner of a device that was unplugged, or is to be: makes it `gone` (vst_block_hold). It is
 * stopped if it is still there, then touched no more; each queue's polls end what is in flight with
 * VST_ERR_GONE. Detach gives back its memory, once nobody uses it. On the CPU of the first queue,
 * not in interrupt handlers; others may use their queues meanwhile. Blocks while the device resets,
 * or is being reset: 4 seconds at most.
 *
 * A device that is used finds out by itself within a second that its place on the bus is empty, ends
 * its requests and cuts it off. But who does not answer has not confirmed a reset either: its memory
 * is used again only if this is called, by which the owner says that nothing is there any more.
 */
void vst_virtio_blk_unplug(struct vst_block_device *device);

/**
 * Resets the device unless it is gone, and gives all memory back. No request may be in flight. If
 * the device does not confirm the reset within 2 seconds, or is gone and was not unplugged by its
 * owner, its shared memory is leaked, and a line in the log says so. (VIRTIO 1.2, 3.3)
 */
void vst_virtio_blk_detach(struct vst_block_device *device);

/** True for virtio-scsi functions, modern and transitional ids. (VIRTIO 1.2, 4.1.2, 5.6.1) */
bool vst_virtio_scsi_matches(const struct vst_pci_function *function);

/** How a virtio-scsi host adapter is to be driven. All zero is a good choice. */
struct vst_virtio_scsi_config {
    uint16_t
        queue_size; /**< most descriptors per request ring; 0 = 128; see vst_virtio_blk_config */
    uint16_t max_segments;            /**< most pieces of data per command; 0 = 30 */
    uint64_t refused_features;        /**< feature bits that are not negotiated even if offered */
    uint64_t timeout_ns;              /**< for one command that names none itself; 0 = 30 seconds */
    struct vst_virtio_pci_choice pci; /**< virtio-pci only */
    uint16_t n_queues; /**< most request queues to use; 0 = 1. The device may offer fewer */
    struct vst_irq_config
        irq; /**< queue i: request queue i; functions and events interrupt with the
                                  message behind those, see vst_scsi_hba.change_message */
    enum vst_recovery recovery; /**< VST_RECOVERY_QUEUE is taken for VST_RECOVERY_DEVICE */
    uint16_t max_sense_bytes;   /**< room for sense data, at most 252; 0 = 96 */
    bool protection;            /**< T10_PI, if offered */
    uint16_t n_trace_events;    /**< see vst_virtio_blk_config */
};

/**
 * Most memory that attach takes of the platform, until detach: 12 KiB for the adapter with its
 * control and event queues, and for each request queue 1088 bytes and those of a ring and its trace.
 * `maps`: as of vst_virtio_blk_memory_bytes. Units and disks take theirs: vstor/scsi_units.h.
 */
static inline size_t vst_virtio_scsi_memory_bytes(const struct vst_virtio_scsi_config *config,
                                                  bool maps)
{
    const size_t queue_bytes = 1088, adapter_bytes = 12 << 10;
    size_t n_queues = config->n_queues != 0 ? config->n_queues : 1;
    size_t sense_bytes = config->max_sense_bytes != 0 ? config->max_sense_bytes : 96;

    return adapter_bytes +
           n_queues * (queue_bytes + vst_virtio_ring_memory_bytes(
                                         config->queue_size, config->max_segments,
                                         104 + sense_bytes, config->n_trace_events, maps));
}

/**
 * Brings a host adapter to DRIVER_OK and fills *hba; nothing is asked of its units. The function
 * must have been enabled (vst_pci_enable). Memory, all through platform->alloc: at most
 * vst_virtio_scsi_memory_bytes. Blocks while the device resets, 2 seconds at most. On an error
 * nothing is left allocated. (VIRTIO 1.2, 3.1.1, 5.6.5)
 *
 * VST_ERR_MALFORMED: its configuration makes no sense.
 */
enum vst_status vst_virtio_scsi_attach(const struct vst_platform *platform,
                                       const struct vst_pci_function *function,
                                       const struct vst_virtio_scsi_config *config,
                                       struct vst_scsi_hba **hba) VST_MUST_USE;

/** The same for a virtio-mmio device; see vst_virtio_mmio_blk_attach. */
enum vst_status vst_virtio_mmio_scsi_attach(const struct vst_platform *platform, uint64_t physical,
                                            uint64_t bytes,
                                            const struct vst_virtio_scsi_config *config,
                                            struct vst_scsi_hba **hba) VST_MUST_USE;

/**
 * As vst_virtio_blk_unplug: makes the adapter `gone`, and what is in flight ends, by polls of its
 * queues. The SCSI layer makes its units so (vst_scsi_units_forget).
 */
void vst_virtio_scsi_unplug(struct vst_scsi_hba *hba);

/** As vst_virtio_blk_detach; its units' block devices must be gone before. */
void vst_virtio_scsi_detach(struct vst_scsi_hba *hba);

/**
 * Bit number of a feature by its name in the specification without prefix ("EVENT_IDX"), or -1. Of a
 * device of that type (VST_VIRTIO_TYPE_*); without one, of a block device.
 */
int vst_virtio_feature_bit_of(uint32_t type, const char *name);
/** The same, of a block device. */
int vst_virtio_feature_bit(const char *name);

VST_END_C

#endif
