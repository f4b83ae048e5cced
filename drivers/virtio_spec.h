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
#define VIRTIO_BLK_F_SCSI         7 /* legacy interface only; never negotiated */
#define VIRTIO_BLK_F_FLUSH        9
#define VIRTIO_BLK_F_TOPOLOGY     10
#define VIRTIO_BLK_F_CONFIG_WCE   11
#define VIRTIO_BLK_F_MQ           12
#define VIRTIO_BLK_F_DISCARD      13
#define VIRTIO_BLK_F_WRITE_ZEROES 14
#define VIRTIO_BLK_F_LIFETIME     15
#define VIRTIO_BLK_F_SECURE_ERASE 16
#define VIRTIO_BLK_F_ZONED        17 /* VIRTIO 1.3 */

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
/* VIRTIO 1.3, 5.2.6, like all that speaks of zones here */
#define VIRTIO_BLK_T_ZONE_APPEND    15u
#define VIRTIO_BLK_T_ZONE_REPORT    16u
#define VIRTIO_BLK_T_ZONE_OPEN      18u
#define VIRTIO_BLK_T_ZONE_CLOSE     20u
#define VIRTIO_BLK_T_ZONE_FINISH    22u
#define VIRTIO_BLK_T_ZONE_RESET     24u
#define VIRTIO_BLK_T_ZONE_RESET_ALL 26u
#define VIRTIO_BLK_RANGE_F_UNMAP    1u /* write zeroes only */
#define VIRTIO_BLK_S_OK             0u
#define VIRTIO_BLK_S_IOERR          1u
#define VIRTIO_BLK_S_UNSUPP         2u
#define VIRTIO_BLK_ID_BYTES         20u
#define VIRTIO_BLK_LIFETIME_BYTES   6u

#define VIRTIO_BLK_S_ZONE_INVALID_CMD     3u
#define VIRTIO_BLK_S_ZONE_UNALIGNED_WP    4u
#define VIRTIO_BLK_S_ZONE_OPEN_RESOURCE   5u
#define VIRTIO_BLK_S_ZONE_ACTIVE_RESOURCE 6u

#define VIRTIO_BLK_Z_NONE 0u
#define VIRTIO_BLK_Z_HM   1u
#define VIRTIO_BLK_Z_HA   2u

#define VIRTIO_BLK_ZT_CONV 1u
#define VIRTIO_BLK_ZT_SWR  2u
#define VIRTIO_BLK_ZT_SWP  3u

#define VIRTIO_BLK_ZS_NOT_WP  0u
#define VIRTIO_BLK_ZS_EMPTY   1u
#define VIRTIO_BLK_ZS_IOPEN   2u
#define VIRTIO_BLK_ZS_EOPEN   3u
#define VIRTIO_BLK_ZS_CLOSED  4u
#define VIRTIO_BLK_ZS_RDONLY  13u
#define VIRTIO_BLK_ZS_FULL    14u
#define VIRTIO_BLK_ZS_OFFLINE 15u

/* struct virtio_blk_zone_report: the number of zones, then one descriptor each. */
#define VIRTIO_BLK_ZONE_REPORT_HEAD_BYTES 64u
#define VIRTIO_BLK_ZONE_BYTES             64u
#define VIRTIO_BLK_ZONE_CAPACITY          0u  /* le64, sectors */
#define VIRTIO_BLK_ZONE_START             8u  /* le64, sector */
#define VIRTIO_BLK_ZONE_POINTER           16u /* le64, sector */
#define VIRTIO_BLK_ZONE_TYPE              24u /* u8 */
#define VIRTIO_BLK_ZONE_STATE             25u /* u8 */

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
#define VIRTIO_BLK_CONFIG_ZONE_SECTORS        72u /* le32 */
#define VIRTIO_BLK_CONFIG_MAX_OPEN_ZONES      76u /* le32, 0: any number */
#define VIRTIO_BLK_CONFIG_MAX_ACTIVE_ZONES    80u /* le32, 0: any number */
#define VIRTIO_BLK_CONFIG_MAX_APPEND_SECTORS  84u /* le32, 0: no appending */
#define VIRTIO_BLK_CONFIG_WRITE_GRANULARITY   88u /* le32, bytes */
#define VIRTIO_BLK_CONFIG_ZONE_MODEL          92u /* u8 */

#endif
