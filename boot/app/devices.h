/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands below /dev, by the names that Linux and its udev give: vda, vda1,
 * disk/by-path/pci-0000:00:04.0-part1, disk/by-id/virtio-SERIAL, disk/by-id/scsi-0VENDOR_PRODUCT_SERIAL,
 * disk/by-id/wwn-0x5000..., disk/by-partuuid/..., disk/by-partlabel/...
 *
 * Names are made, and tables of partitions read, when somebody asks: disks come and go.
 */
#ifndef VSTOR_APP_DEVICES_H
#define VSTOR_APP_DEVICES_H

#include <vstor/block.h>

#define DEVICE_NAME_BYTES 256

/** A disk or a part of it. */
struct device_place {
    struct vst_block_device *device;
    unsigned number;              /**< of the partition; 0: the whole disk */
    uint64_t offset_bytes, bytes; /**< of the partition; 0 of the whole disk */
    unsigned id;                  /**< another one of each */
};

/** Gets each name, without "/dev/". Returning false ends the walk. */
typedef bool device_taker(void *ctx, const char *name, const struct device_place *place);

/** Each name of each disk in the registry, then of each partition. */
void devices_walk(struct vst_block_registry *registry, device_taker *take, void *ctx);

/** The place that has this name. False if there is none, or several: a disk chooses its own serial
 * number, so two of a name are nobody. */
bool devices_find(struct vst_block_registry *registry, const char *name,
                  struct device_place *place);

#endif
