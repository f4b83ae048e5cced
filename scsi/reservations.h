/* SPDX-License-Identifier: BSD-2-Clause */
/* What PERSISTENT RESERVE IN tells. (SPC-4, 5.13, 6.15) */
#ifndef VSTOR_SCSI_RESERVATIONS_H
#define VSTOR_SCSI_RESERVATIONS_H

#include <vstor/scsi_types.h>

#include "scsi/bytes.h"

/** TYPE (6.15.3.3) */
enum scsi_reservation_type {
    SCSI_WRITE_EXCLUSIVE = 1,
    SCSI_EXCLUSIVE_ACCESS = 3,
    SCSI_WRITE_EXCLUSIVE_REGISTRANTS = 5, /**< only: one holder, all who are registered may write */
    SCSI_EXCLUSIVE_ACCESS_REGISTRANTS = 6,
    SCSI_WRITE_EXCLUSIVE_ALL = 7, /**< all who are registered hold it */
    SCSI_EXCLUSIVE_ACCESS_ALL = 8,
};

/** "write exclusive", ...; "unknown" for others. */
const char *vst_scsi_reservation_name(uint8_t type);

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

struct scsi_reservation {
    uint32_t generation;
    bool is_held;
    uint64_t key; /**< of who holds it; 0 where all who are registered do */
    uint8_t type; /**< enum scsi_reservation_type */
};
enum vst_status vst_scsi_reservation_parse(struct scsi_view bytes,
                                           struct scsi_reservation *reservation) VST_MUST_USE;

struct scsi_reservation_capabilities {
    bool all_ports;   /**< a registration can be for all ports at once */
    bool keeps;       /**< PTPL_C: registrations can survive the loss of power */
    bool keeps_now;   /**< PTPL_A: they do */
    bool tells_types; /**< `types` means something */
    uint16_t types;   /**< bit 1 << enum scsi_reservation_type */
};
enum vst_status vst_scsi_reservation_capabilities_parse(
    struct scsi_view bytes, struct scsi_reservation_capabilities *capabilities) VST_MUST_USE;

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

#endif
