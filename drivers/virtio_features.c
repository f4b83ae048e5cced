/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of feature bits: for lists of what was negotiated, and for what is not to be. */
#include "drivers/virtio_device.h"

#include <vstor/virtio.h>

/* What the library can make use of; the driver says which of them it wants. */
static const struct {
    uint8_t bit;
    uint8_t type; /* of the device that has it; 0: any */
    const char *name;
} feature_table[] = {
    {VIRTIO_BLK_F_SIZE_MAX, VIRTIO_TYPE_BLOCK, "SIZE_MAX"},
    {VIRTIO_BLK_F_SEG_MAX, VIRTIO_TYPE_BLOCK, "SEG_MAX"},
    {VIRTIO_BLK_F_GEOMETRY, VIRTIO_TYPE_BLOCK, "GEOMETRY"},
    {VIRTIO_BLK_F_RO, VIRTIO_TYPE_BLOCK, "RO"},
    {VIRTIO_BLK_F_BLK_SIZE, VIRTIO_TYPE_BLOCK, "BLK_SIZE"},
    {VIRTIO_BLK_F_FLUSH, VIRTIO_TYPE_BLOCK, "FLUSH"},
    {VIRTIO_BLK_F_TOPOLOGY, VIRTIO_TYPE_BLOCK, "TOPOLOGY"},
    {VIRTIO_BLK_F_CONFIG_WCE, VIRTIO_TYPE_BLOCK, "CONFIG_WCE"},
    {VIRTIO_BLK_F_MQ, VIRTIO_TYPE_BLOCK, "MQ"},
    {VIRTIO_BLK_F_DISCARD, VIRTIO_TYPE_BLOCK, "DISCARD"},
    {VIRTIO_BLK_F_WRITE_ZEROES, VIRTIO_TYPE_BLOCK, "WRITE_ZEROES"},
    {VIRTIO_BLK_F_LIFETIME, VIRTIO_TYPE_BLOCK, "LIFETIME"},
    {VIRTIO_BLK_F_SECURE_ERASE, VIRTIO_TYPE_BLOCK, "SECURE_ERASE"},
    {VIRTIO_BLK_F_ZONED, VIRTIO_TYPE_BLOCK, "ZONED"},
    {VIRTIO_SCSI_F_INOUT, VIRTIO_TYPE_SCSI, "INOUT"},
    {VIRTIO_SCSI_F_HOTPLUG, VIRTIO_TYPE_SCSI, "HOTPLUG"},
    {VIRTIO_SCSI_F_CHANGE, VIRTIO_TYPE_SCSI, "CHANGE"},
    {VIRTIO_SCSI_F_T10_PI, VIRTIO_TYPE_SCSI, "T10_PI"},
    {VIRTIO_F_ANY_LAYOUT, 0, "ANY_LAYOUT"},
    {VIRTIO_F_INDIRECT_DESC, 0, "INDIRECT_DESC"},
    {VIRTIO_F_EVENT_IDX, 0, "EVENT_IDX"},
    {VIRTIO_F_VERSION_1, 0, "VERSION_1"},
    {VIRTIO_F_ACCESS_PLATFORM, 0, "ACCESS_PLATFORM"},
    {VIRTIO_F_RING_PACKED, 0, "RING_PACKED"},
    {VIRTIO_F_IN_ORDER, 0, "IN_ORDER"},
    {VIRTIO_F_ORDER_PLATFORM, 0, "ORDER_PLATFORM"},
    {VIRTIO_F_SR_IOV, 0, "SR_IOV"},
    {VIRTIO_F_NOTIFICATION_DATA, 0, "NOTIFICATION_DATA"},
    {VIRTIO_F_NOTIF_CONFIG_DATA, 0, "NOTIF_CONFIG_DATA"},
    {VIRTIO_F_RING_RESET, 0, "RING_RESET"},
};

static bool has_type(size_t i, uint32_t type)
{
    return feature_table[i].type == 0 || feature_table[i].type == type;
}

int vst_virtio_feature_bit_of(uint32_t type, const char *name)
{
    for (size_t i = 0; i < VST_ARRAY_LENGTH(feature_table); i++)
        if (has_type(i, type) && vst_text_equal(name, feature_table[i].name))
            return feature_table[i].bit;
    return -1;
}

int vst_virtio_feature_bit(const char *name)
{
    return vst_virtio_feature_bit_of(VIRTIO_TYPE_BLOCK, name);
}

void vst_virtio_feature_names(uint64_t features, uint32_t type, const char **names, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < VST_ARRAY_LENGTH(feature_table) && n + 1 < max; i++)
        if ((features & VIRTIO_BIT(feature_table[i].bit)) != 0 && has_type(i, type))
            names[n++] = feature_table[i].name;
    names[n] = NULL;
}
