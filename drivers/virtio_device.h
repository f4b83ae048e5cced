/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device behind any transport, and the one initialisation sequence (VIRTIO 1.2, 3.1.1).
 *
 * The life of a device:
 *
 *     a transport opens it (virtio_pci_open): struct virtio_device filled, device untouched
 *     vst_virtio_negotiate, steps 1 to 6: features agreed, FEATURES_OK confirmed
 *     the driver, step 7: configuration, vst_virtio_queue_enable
 *     vst_virtio_driver_ok, step 8: the device is live
 *     vst_virtio_stop: reset, and memory may be reused; or not confirmed, and it is cut off
 *
 * All of it is cold; waits are bounded by VIRTIO_RESET_TIMEOUT_NS.
 */
#ifndef VSTOR_DRIVERS_VIRTIO_DEVICE_H
#define VSTOR_DRIVERS_VIRTIO_DEVICE_H

#include <arch/mmio.h>
#include <vstor/log.h>
#include "drivers/virtio_spec.h"

#define VIRTIO_RESET_TIMEOUT_NS 2000000000ull

struct virtio_device;

/** No vector: the queue, or the configuration, interrupts by INTx or not at all. (4.1.4.3) */
#define VIRTIO_NO_VECTOR 0xffffu

/** What interrupt_status tells. (4.1.4.5, 4.2.2) */
#define VIRTIO_INTERRUPT_QUEUE  1u
#define VIRTIO_INTERRUPT_CONFIG 2u

/** How a device is told of new requests. */
enum virtio_doorbell_kind {
    VIRTIO_DOORBELL_MMIO16, /**< the queue's number to a 16-bit register (4.1.5.2) */
    VIRTIO_DOORBELL_MMIO32, /**< 32 bits: virtio-mmio, and all with NOTIFICATION_DATA (4.1.5.2, 4.2.3.3) */
    VIRTIO_DOORBELL_PORT16, /**< the same through an I/O port: legacy, modern-pio-notify */
    VIRTIO_DOORBELL_PORT32,
    VIRTIO_DOORBELL_CALL, /**< through the transport: devices whose BARs are out of reach (4.1.4.9) */
};

struct virtio_doorbell {
    enum virtio_doorbell_kind kind;
    uint16_t port;
    union {
        void *mmio;
        uint32_t offset_bytes; /**< VIRTIO_DOORBELL_CALL: the transport's own */
    };
    struct virtio_device *device; /**< VIRTIO_DOORBELL_CALL */
};

/** Where the parts of a queue lie and how big it is: what the device is told of it. */
struct virtio_queue_setup {
    uint16_t index, size;
    uint16_t vector; /**< MSI-X table entry, or VIRTIO_NO_VECTOR */
    uint64_t desc_bus_addr, driver_bus_addr, device_bus_addr;
};

/**
 * What a transport does for the sequence. Values that come from the device are returned as they
 * are: unchecked.
 */
struct virtio_transport {
    const char *name; /**< "virtio-pci" */
    uint8_t (*status)(struct virtio_device *device);
    void (*set_status)(struct virtio_device *device, uint8_t status);
    uint64_t (*features)(struct virtio_device *device);
    void (*set_features)(struct virtio_device *device, uint64_t features);
    /** Size the device offers for a queue, 0 if it has no such queue. */
    uint16_t (*queue_size)(struct virtio_device *device, uint16_t queue);
    /**
     * Tells the device where a queue lies and enables it; finds its doorbell. (4.1.5.1.3)
     * VST_ERR_NO_MEMORY if the device has no room for the vector: nothing was enabled then.
     */
    enum vst_status (*queue_enable)(struct virtio_device *device,
                                    const struct virtio_queue_setup *setup,
                                    struct virtio_doorbell *doorbell);
    /** Starts the reset of one queue (2.6.1); NULL where the transport has none. */
    void (*queue_reset)(struct virtio_device *device, uint16_t queue);
    /** Whether the reset of that queue is still under way. */
    bool (*queue_resetting)(struct virtio_device *device, uint16_t queue);
    /** The vector for configuration changes; false if the device has no room for it. */
    bool (*set_config_vector)(struct virtio_device *device, uint16_t vector);
    /** Why the device interrupted, VIRTIO_INTERRUPT_*; reading acknowledges. */
    uint8_t (*interrupt_status)(struct virtio_device *device);
    /**
     * Changes when the configuration does (2.5.1). Where the transport has no such counter, a sum
     * over the configuration: reading under it is then reading until two times agree (2.5.4).
     */
    uint32_t (*config_generation)(struct virtio_device *device);
    /**
     * One field of 1, 2 or 4 bytes of the device's own configuration; offset checked by the
     * caller.
     */
    uint32_t (*config_read)(struct virtio_device *device, uint32_t offset, uint8_t width_bytes);
    void (*config_write)(struct virtio_device *device, uint32_t offset, uint8_t width_bytes,
                         uint32_t value);
    /** VIRTIO_DOORBELL_CALL: writes `value`, as wide as the doorbell is. NULL without such. */
    void (*ring)(const struct virtio_doorbell *doorbell, uint32_t value);
    /** Lets the device use memory, which it could not until now. NULL where it always can. */
    void (*allow_dma)(struct virtio_device *device);
    /**
     * Makes sure that the device reaches no memory any more, whether it co-operates or not. NULL
     * where nothing can do that.
     */
    void (*cut_off)(struct virtio_device *device);
};

struct virtio_device {
    const struct virtio_transport *transport;
    const struct vst_platform *platform;
    const char *name;      /**< for log lines, e.g. "0000:00:04.0" */
    uint8_t status;        /**< the bits that we have set since the last reset (2.1) */
    uint64_t features;     /**< negotiated */
    bool may_use_memory;   /**< allow_dma has been called */
    uint32_t config_bytes; /**< length of the device's own configuration */
    uint32_t config_seen;  /**< generation of the configuration that was read last */
    /**
     * Legacy interface (2.7.2, 3.1.2): no FEATURES_OK, features below bit 32 only, the rings in one
     * piece with the used ring on a page of its own, and configuration in the byte order of the
     * guest.
     */
    bool legacy;
    /**
     * 3.1.1 step 4: the device type's last word on the features that are to be written, after a look
     * at the configuration, which may be read but not written then. NULL: none.
     */
    enum vst_status (*choose)(struct virtio_device *device, uint64_t offered, uint64_t *features);
    bool
        queue_size_fixed; /**< a queue has the size that the device offers, no other (4.1.5.1.3.1) */
};

static inline bool virtio_has(const struct virtio_device *device, unsigned feature_bit)
{
    return (device->features & VIRTIO_BIT(feature_bit)) != 0;
}

/**
 * Steps 1 to 6: reset, acknowledge, negotiate at most `wanted`. VERSION_1 is always wanted and
 * must be offered; through the legacy interface it never is, and ANY_LAYOUT only there.
 */
enum vst_status vst_virtio_negotiate(struct virtio_device *device, uint64_t wanted) VST_MUST_USE;

/** Step 8. */
void vst_virtio_driver_ok(struct virtio_device *device);

/** Writes FAILED: the driver has given up on the device. (2.1) */
void vst_virtio_fail(struct virtio_device *device);

/** Takes its way to memory from the device, where its transport can. */
void vst_virtio_cut_off(struct virtio_device *device);

/**
 * Resets and waits for status 0. False if the device does not confirm: it is then cut off, and a
 * log line says so.
 */
bool vst_virtio_stop(struct virtio_device *device) VST_MUST_USE;

/**
 * Reads configuration under the generation counter: `read` may be called several times until what
 * it read is of one piece. VST_ERR_MALFORMED if the counter does not settle; saying so is the
 * caller's. (2.5.1, 4.1.4.3.1)
 */
enum vst_status vst_virtio_config_snapshot(struct virtio_device *device,
                                           void (*read)(struct virtio_device *device, void *into),
                                           void *into) VST_MUST_USE;

/**
 * Whether the configuration may have changed since the last snapshot: for callers that poll, some
 * register reads. Not where interrupts are taken: it acknowledges them. A change that was told by
 * interrupt status alone is told once. (2.5.1, 4.1.4.5, 4.2.2)
 */
bool vst_virtio_config_changed(struct virtio_device *device);

/**
 * For transports without a generation counter: a sum over the first 128 bytes of the configuration.
 */
uint32_t vst_virtio_config_sum(struct virtio_device *device);

/** A field of the configuration, or `absent` where the configuration is too short to hold it. */
uint32_t vst_virtio_config_field(struct virtio_device *device, uint32_t offset, uint8_t width_bytes,
                                 uint32_t absent);

/**
 * Fills `names` (ended by NULL, room for max) with the names of the feature bits set, of a
 * device of that type (5); those unnamed are left out.
 */
void vst_virtio_feature_names(uint64_t features, uint32_t type, const char **names, size_t max);

#endif
