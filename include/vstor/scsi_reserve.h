/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/scsi_reserve.h: persistent reservations, by which machines that share a unit keep each other
 * from it. (SPC-4, 5.13, 6.15, 6.16)
 *
 * Who takes part registers a key of its choice; whoever is registered may reserve the unit, and
 * take the reservation from somebody else. All functions: on the CPU of the first queue of the
 * unit's adapter; they block until the unit has answered. *verdict says what it answered, where that
 * was no plain success; the status is verdict->status. VST_ERR_RESERVED: RESERVATION CONFLICT.
 * Others: VST_ERR_UNSUPPORTED, the unit has no reservations, or not that; VST_ERR_NO_MEMORY.
 */
#ifndef VSTOR_SCSI_RESERVE_H
#define VSTOR_SCSI_RESERVE_H

#include <vstor/scsi_raw.h>

VST_BEGIN_C

/** TYPE (SPC-4, 6.15.3.3) */
enum vst_scsi_reservation_type {
    VST_SCSI_WRITE_EXCLUSIVE = 1,
    VST_SCSI_EXCLUSIVE_ACCESS = 3,
    VST_SCSI_WRITE_EXCLUSIVE_REGISTRANTS = 5, /**< one holder, all who are registered may write */
    VST_SCSI_EXCLUSIVE_ACCESS_REGISTRANTS = 6,
    VST_SCSI_WRITE_EXCLUSIVE_ALL = 7, /**< all who are registered hold it */
    VST_SCSI_EXCLUSIVE_ACCESS_ALL = 8,
};

/** "write exclusive", ...; "unknown" for others. */
const char *vst_scsi_reservation_name(uint8_t type);

/** Who holds a unit. */
struct vst_scsi_reservation {
    uint32_t generation; /**< changes whenever somebody registers or takes from another */
    bool is_held;
    uint64_t key; /**< of who holds it; 0 where all who are registered do */
    uint8_t type; /**< enum vst_scsi_reservation_type */
};
/** READ RESERVATION. Blocks; see the head of this file for the errors. (SPC-4, 6.15.3) */
enum vst_status vst_scsi_reserve_holder(struct vst_scsi_unit *unit,
                                        struct vst_scsi_reservation *reservation,
                                        struct vst_scsi_verdict *verdict) VST_MUST_USE;

/** Stores at most `max` of the keys that are registered; *n is how many there are. */
enum vst_status vst_scsi_reserve_keys(struct vst_scsi_unit *unit, uint64_t *keys, size_t max,
                                      size_t *n, uint32_t *generation,
                                      struct vst_scsi_verdict *verdict) VST_MUST_USE;

/** What a unit can do. */
struct vst_scsi_reservation_capabilities {
    bool all_ports;   /**< a registration can be for all ports at once */
    bool keeps;       /**< PTPL_C: registrations can survive the loss of power */
    bool keeps_now;   /**< PTPL_A: they do */
    bool tells_types; /**< `types` means something */
    uint16_t types;   /**< bit 1 << enum vst_scsi_reservation_type */
};
/** REPORT CAPABILITIES. Blocks. (SPC-4, 6.15.4) */
enum vst_status
vst_scsi_reserve_capabilities(struct vst_scsi_unit *unit,
                              struct vst_scsi_reservation_capabilities *capabilities,
                              struct vst_scsi_verdict *verdict) VST_MUST_USE;

/** One who is registered. */
struct vst_scsi_registration {
    uint64_t key;
    bool holds;     /**< the reservation, of `type` */
    bool all_ports; /**< else by `port` */
    uint8_t type;
    uint16_t port; /**< relative target port */
    char who[64];  /**< "iqn.2007-10.org.example:host1"; in hex where it is no text */
};
/** Stores at most `max`; *n is how many there are of those that the unit told. */
enum vst_status vst_scsi_reserve_full_status(struct vst_scsi_unit *unit,
                                             struct vst_scsi_registration *registrations,
                                             size_t max, size_t *n,
                                             struct vst_scsi_verdict *verdict) VST_MUST_USE;

/** SERVICE ACTION (SPC-4, 6.16) */
enum vst_scsi_reserve_action {
    VST_SCSI_REGISTER = 0, /**< `service_key` in place of `key`; 0: not registered (any more) */
    VST_SCSI_RESERVE = 1,
    VST_SCSI_RELEASE = 2,
    VST_SCSI_CLEAR = 3,   /**< the reservation and all registrations */
    VST_SCSI_PREEMPT = 4, /**< from whoever has `service_key`, who is registered no more */
    VST_SCSI_PREEMPT_AND_ABORT = 5,   /**< and their commands end */
    VST_SCSI_REGISTER_AND_IGNORE = 6, /**< whatever was registered before */
};

/** What is to be done. */
struct vst_scsi_reserve_order {
    enum vst_scsi_reserve_action action;
    uint8_t type; /**< of a reservation: RESERVE, RELEASE, PREEMPT; else 0 */
    uint64_t key; /**< ours, as it is registered; 0 with a first registration */
    uint64_t service_key;
    bool keep;      /**< APTPL: beyond the loss of power */
    bool all_ports; /**< register with all ports */
};
/** PERSISTENT RESERVE OUT. Blocks. (SPC-4, 6.16) */
enum vst_status vst_scsi_reserve(struct vst_scsi_unit *unit,
                                 const struct vst_scsi_reserve_order *order,
                                 struct vst_scsi_verdict *verdict) VST_MUST_USE;

VST_END_C

#endif
