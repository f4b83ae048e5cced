/* SPDX-License-Identifier: BSD-2-Clause */
/* What PERSISTENT RESERVE IN tells. (SPC-4, 5.13, 6.15) */
#ifndef VSTOR_SCSI_RESERVATIONS_H
#define VSTOR_SCSI_RESERVATIONS_H

#include <vstor/scsi_reserve.h>

#include "scsi/bytes.h"

struct scsi_keys {
    uint32_t generation; /**< changes with the list */
    uint32_t n_keys;     /**< received, whole */
    uint32_t
        whole_bytes; /**< that the list takes, at most UINT16_MAX: the command asks for no more */
    struct scsi_view keys;
};
enum vst_status vst_scsi_keys_parse(struct scsi_view bytes, struct scsi_keys *keys) VST_MUST_USE;
/** Key `index` below n_keys; 0 beyond. */
uint64_t vst_scsi_key(const struct scsi_keys *keys, uint32_t index);

enum vst_status vst_scsi_reservation_parse(struct scsi_view bytes,
                                           struct vst_scsi_reservation *reservation) VST_MUST_USE;

enum vst_status vst_scsi_reservation_capabilities_parse(
    struct scsi_view bytes, struct vst_scsi_reservation_capabilities *capabilities) VST_MUST_USE;

struct scsi_full_status {
    uint32_t generation;
    uint32_t whole_bytes; /**< as in struct scsi_keys */
    struct scsi_view descriptors;
};
/** One who is registered. */
struct scsi_registration {
    uint64_t key;
    bool holds;     /**< the reservation, of `type` */
    bool all_ports; /**< else by `port` */
    uint8_t type;
    uint16_t port;                 /**< relative target port */
    struct scsi_view transport_id; /**< who it is: SPC-4, 7.6.4 */
};
enum vst_status vst_scsi_full_status_parse(struct scsi_view bytes,
                                           struct scsi_full_status *full) VST_MUST_USE;
/** Takes the one at *at, which starts at 0, and goes on behind it. False: no more, or it is cut. */
bool vst_scsi_next_registration(const struct scsi_full_status *full, size_t *at,
                                struct scsi_registration *registration);

/** Who a TransportID is, as a text, cut at `bytes`: in hex where it is neither a name nor an address. */
void vst_scsi_transport_text(struct scsi_view transport_id, char *text, size_t bytes);

#endif
