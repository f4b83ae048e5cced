/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/virtio_device.h"

static bool reset_and_wait(struct virtio_device *device)
{
    const struct vst_platform *platform = device->platform;
    uint64_t start = platform->time_ns(platform->ctx);

    device->status = 0;
    device->transport->set_status(device, 0);
    while (device->transport->status(device) != 0) {
        if (platform->time_ns(platform->ctx) - start > VIRTIO_RESET_TIMEOUT_NS)
            return false;
        platform->relax(platform->ctx);
    }
    return true;
}

static void add_status(struct virtio_device *device, uint8_t bit)
{
    /* 2.1.1: the driver must not clear a bit of the status, so what was set is written again. What
     * was set, not what the device says of it. */
    device->status |= bit;
    device->transport->set_status(device, device->status);
}

/* 2.2.3, 6.3: the legacy interface has bits 0 to 31; what there is called ANY_LAYOUT says nothing
 * elsewhere. Rings and configuration are little-endian here, and with a legacy device the guest's. */
static enum vst_status choose_features(struct virtio_device *device, uint64_t offered,
                                       uint64_t wanted)
{
    const bool little_endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

    if (device->legacy) {
        device->features = offered & wanted & UINT32_MAX;
        return little_endian ? VST_OK : VST_ERR_UNSUPPORTED;
    }
    if ((offered & VIRTIO_BIT(VIRTIO_F_VERSION_1)) == 0) {
        vst_log(device->platform, VST_LOG_ERROR, "%s: VERSION_1 is not offered (legacy device)",
                device->name);
        return VST_ERR_UNSUPPORTED;
    }
    device->features =
        offered & (wanted | VIRTIO_BIT(VIRTIO_F_VERSION_1)) & ~VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT);
    return VST_OK;
}

enum vst_status vst_virtio_negotiate(struct virtio_device *device, uint64_t wanted)
{
    const struct virtio_transport *transport = device->transport;

    /* 3.1.1 step 1: reset the device, whatever state firmware or an earlier start left it in. */
    if (!reset_and_wait(device)) {
        vst_log(device->platform, VST_LOG_ERROR, "%s: the device does not come out of reset",
                device->name);
        return VST_ERR_TIMEOUT;
    }
    /* Only now may it use memory: before the reset it could have gone on with rings of old. */
    if (device->transport->allow_dma != NULL && !device->may_use_memory)
        device->transport->allow_dma(device);
    device->may_use_memory = true;
    /* Step 2: we have noticed the device. Step 3: we know how to drive it. */
    add_status(device, VIRTIO_STATUS_ACKNOWLEDGE);
    add_status(device, VIRTIO_STATUS_DRIVER);

    /* Step 4: read the feature bits, write the subset that both sides understand. */
    uint64_t offered = transport->features(device);
    enum vst_status status = choose_features(device, offered, wanted);
    if (status == VST_OK && device->choose != NULL)
        status = device->choose(device, offered, &device->features);
    if (status != VST_OK)
        return status;
    transport->set_features(device, device->features);

    /* 3.1.2: a legacy device has no FEATURES_OK: it is not asked, steps 5 and 6 are left out. */
    if (device->legacy)
        return VST_OK;
    /* Step 5: no other features after this. Step 6: the device agrees, or it is unusable. */
    add_status(device, VIRTIO_STATUS_FEATURES_OK);
    if ((transport->status(device) & VIRTIO_STATUS_FEATURES_OK) == 0) {
        vst_log(device->platform, VST_LOG_ERROR, "%s: the device refuses features %lx of %lx",
                device->name, (unsigned long)device->features, (unsigned long)offered);
        return VST_ERR_UNSUPPORTED;
    }
    return VST_OK;
}

void vst_virtio_driver_ok(struct virtio_device *device)
{
    add_status(device, VIRTIO_STATUS_DRIVER_OK); /* 3.1.1 step 8 */
}

void vst_virtio_fail(struct virtio_device *device)
{
    add_status(device, VIRTIO_STATUS_FAILED);
}

void vst_virtio_cut_off(struct virtio_device *device)
{
    if (device->transport->cut_off != NULL)
        device->transport->cut_off(device);
    device->may_use_memory = false;
}

bool vst_virtio_stop(struct virtio_device *device)
{
    if (reset_and_wait(device))
        return true;
    vst_virtio_cut_off(device);
    vst_log(
        device->platform, VST_LOG_ERROR, "%s: no answer to a reset; the device %s", device->name,
        device->transport->cut_off != NULL ? "is cut off from memory" : "may go on to use memory");
    return false;
}

#define CONFIG_SNAPSHOT_TRIES 100

enum vst_status vst_virtio_config_snapshot(struct virtio_device *device,
                                           void (*read)(struct virtio_device *device, void *into),
                                           void *into)
{
    for (int i = 0; i < CONFIG_SNAPSHOT_TRIES; i++) {
        device->config_seen = device->transport->config_generation(device);
        read(device, into);
        if (device->transport->config_generation(device) == device->config_seen)
            return VST_OK;
    }
    return VST_ERR_MALFORMED;
}

#define CONFIG_SUM_BYTES 128u
/* FNV-1a */
#define SUM_START  2166136261u
#define SUM_FACTOR 16777619u

uint32_t vst_virtio_config_sum(struct virtio_device *device)
{
    uint32_t sum = SUM_START;

    for (uint32_t at = 0; at + 4 <= device->config_bytes && at < CONFIG_SUM_BYTES; at += 4) {
        uint32_t word = device->transport->config_read(device, at, 4);
        for (int shift = 0; shift < 32; shift += 8)
            sum = (sum ^ (word >> shift & 0xff)) * SUM_FACTOR;
    }
    return sum;
}

bool vst_virtio_config_changed(struct virtio_device *device)
{
    const struct virtio_transport *transport = device->transport;

    return (transport->interrupt_status(device) & VIRTIO_INTERRUPT_CONFIG) != 0 ||
           transport->config_generation(device) != device->config_seen;
}

uint32_t vst_virtio_config_field(struct virtio_device *device, uint32_t offset, uint8_t width_bytes,
                                 uint32_t absent)
{
    if (device->config_bytes < width_bytes || offset > device->config_bytes - width_bytes)
        return absent;
    return device->transport->config_read(device, offset, width_bytes);
}
