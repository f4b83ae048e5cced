/* SPDX-License-Identifier: BSD-2-Clause */
/* Names and numbers of VIRTIO 1.2, by their names there. */
#ifndef VSTOR_DRIVERS_VIRTIO_SPEC_H
#define VSTOR_DRIVERS_VIRTIO_SPEC_H

#include <vstor/types.h>

/* 5 Device types */
#define VIRTIO_TYPE_BLOCK 2u

/* 2.1 Device status field */
#define VIRTIO_STATUS_ACKNOWLEDGE 1u
#define VIRTIO_STATUS_DRIVER      2u
#define VIRTIO_STATUS_DRIVER_OK   4u
#define VIRTIO_STATUS_FEATURES_OK 8u
#define VIRTIO_STATUS_NEEDS_RESET 64u
#define VIRTIO_STATUS_FAILED      128u

/* 5.2.3 Feature bits of the block device */
#define VIRTIO_BLK_F_SIZE_MAX     1
#define VIRTIO_BLK_F_SEG_MAX      2
#define VIRTIO_BLK_F_GEOMETRY     4
#define VIRTIO_BLK_F_RO           5
#define VIRTIO_BLK_F_BLK_SIZE     6
#define VIRTIO_BLK_F_FLUSH        9
#define VIRTIO_BLK_F_TOPOLOGY     10
#define VIRTIO_BLK_F_CONFIG_WCE   11
#define VIRTIO_BLK_F_MQ           12
#define VIRTIO_BLK_F_DISCARD      13
#define VIRTIO_BLK_F_WRITE_ZEROES 14
#define VIRTIO_BLK_F_LIFETIME     15
#define VIRTIO_BLK_F_SECURE_ERASE 16

/* 6 Reserved feature bits */
#define VIRTIO_F_ANY_LAYOUT        27 /* legacy interface only */
#define VIRTIO_F_INDIRECT_DESC     28
#define VIRTIO_F_EVENT_IDX         29
#define VIRTIO_F_VERSION_1         32
#define VIRTIO_F_ACCESS_PLATFORM   33
#define VIRTIO_F_RING_PACKED       34
#define VIRTIO_F_IN_ORDER          35
#define VIRTIO_F_ORDER_PLATFORM    36
#define VIRTIO_F_SR_IOV            37
#define VIRTIO_F_NOTIFICATION_DATA 38
#define VIRTIO_F_NOTIF_CONFIG_DATA 39
#define VIRTIO_F_RING_RESET        40

#define VIRTIO_BIT(n) ((uint64_t)1 << (n))

/* 4.1.4 Structures that a vendor capability names */
#define VIRTIO_PCI_CAP_COMMON_CFG        1u
#define VIRTIO_PCI_CAP_NOTIFY_CFG        2u
#define VIRTIO_PCI_CAP_ISR_CFG           3u
#define VIRTIO_PCI_CAP_DEVICE_CFG        4u
#define VIRTIO_PCI_CAP_PCI_CFG           5u
#define VIRTIO_PCI_CAP_SHARED_MEMORY_CFG 8u

#define PCI_CAPABILITY_VENDOR 0x09u

/* 2.7.5 The virtqueue descriptor table */
#define VIRTQ_DESC_F_NEXT     1u
#define VIRTQ_DESC_F_WRITE    2u
#define VIRTQ_DESC_F_INDIRECT 4u
/* 2.7.6, 2.7.8 The rings */
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1u
#define VIRTQ_USED_F_NO_NOTIFY     1u
/* 2.8.1, 2.8.14 The packed ring */
#define VIRTQ_DESC_F_AVAIL        0x80u
#define VIRTQ_DESC_F_USED         0x8000u
#define VIRTQ_EVENT_FLAGS_ENABLE  0u
#define VIRTQ_EVENT_FLAGS_DISABLE 1u
#define VIRTQ_EVENT_FLAGS_DESC    2u
/* 2.7, 2.8 */
#define VIRTQ_MAX_SIZE 32768u

/* 5.2.6 Requests of the block device */
#define VIRTIO_BLK_T_IN           0u
#define VIRTIO_BLK_T_OUT          1u
#define VIRTIO_BLK_T_FLUSH        4u
#define VIRTIO_BLK_T_GET_ID       8u
#define VIRTIO_BLK_T_GET_LIFETIME 10u
#define VIRTIO_BLK_T_DISCARD      11u
#define VIRTIO_BLK_T_WRITE_ZEROES 13u
#define VIRTIO_BLK_T_SECURE_ERASE 14u
#define VIRTIO_BLK_RANGE_F_UNMAP  1u /* write zeroes only */
#define VIRTIO_BLK_S_OK           0u
#define VIRTIO_BLK_S_IOERR        1u
#define VIRTIO_BLK_S_UNSUPP       2u
#define VIRTIO_BLK_ID_BYTES       20u
#define VIRTIO_BLK_LIFETIME_BYTES 6u

/* 5.2.4 Offsets in the configuration of the block device */
#define VIRTIO_BLK_CONFIG_MIN_BYTES           8u /* the capacity; all else stands behind features */
#define VIRTIO_BLK_CONFIG_CAPACITY            0u /* le64, 512-byte sectors */
#define VIRTIO_BLK_CONFIG_SIZE_MAX            8u /* le32, bytes */
#define VIRTIO_BLK_CONFIG_SEG_MAX             12u /* le32 */
#define VIRTIO_BLK_CONFIG_CYLINDERS           16u /* le16 */
#define VIRTIO_BLK_CONFIG_HEADS               18u /* u8 */
#define VIRTIO_BLK_CONFIG_TRACK_SECTORS       19u /* u8 */
#define VIRTIO_BLK_CONFIG_BLK_SIZE            20u /* le32, bytes */
#define VIRTIO_BLK_CONFIG_PHYSICAL            24u /* u8, log2 of logical blocks per physical block */
#define VIRTIO_BLK_CONFIG_ALIGNMENT           25u /* u8, logical blocks before the first physical one */
#define VIRTIO_BLK_CONFIG_MIN_IO              26u /* le16, logical blocks */
#define VIRTIO_BLK_CONFIG_OPT_IO              28u /* le32, logical blocks */
#define VIRTIO_BLK_CONFIG_WRITEBACK           32u /* u8 */
#define VIRTIO_BLK_CONFIG_NUM_QUEUES          34u /* le16 */
#define VIRTIO_BLK_CONFIG_MAX_DISCARD_SECTORS 36u /* le32, per range */
#define VIRTIO_BLK_CONFIG_MAX_DISCARD_SEG     40u /* le32, ranges per command */
#define VIRTIO_BLK_CONFIG_DISCARD_ALIGNMENT   44u /* le32, sectors */
#define VIRTIO_BLK_CONFIG_MAX_ZEROES_SECTORS  48u /* le32 */
#define VIRTIO_BLK_CONFIG_MAX_ZEROES_SEG      52u /* le32 */
#define VIRTIO_BLK_CONFIG_ZEROES_MAY_UNMAP    56u /* u8 */
#define VIRTIO_BLK_CONFIG_MAX_ERASE_SECTORS   60u /* le32 */
#define VIRTIO_BLK_CONFIG_MAX_ERASE_SEG       64u /* le32 */
#define VIRTIO_BLK_CONFIG_ERASE_ALIGNMENT     68u /* le32, sectors */

#endif
