/* SPDX-License-Identifier: BSD-2-Clause */
#include "scsi/reservations.h"

#define HEADER_BYTES 8u

const char *vst_scsi_reservation_name(uint8_t type)
{
    switch (type) {
    case VST_SCSI_WRITE_EXCLUSIVE:
        return "write exclusive";
    case VST_SCSI_EXCLUSIVE_ACCESS:
        return "exclusive access";
    case VST_SCSI_WRITE_EXCLUSIVE_REGISTRANTS:
        return "write exclusive, registrants only";
    case VST_SCSI_EXCLUSIVE_ACCESS_REGISTRANTS:
        return "exclusive access, registrants only";
    case VST_SCSI_WRITE_EXCLUSIVE_ALL:
        return "write exclusive, all registrants";
    case VST_SCSI_EXCLUSIVE_ACCESS_ALL:
        return "exclusive access, all registrants";
    default:
        return "unknown";
    }
}

/** 6.15.2: generation and length stand in front of every list. */
static enum vst_status open_list(struct scsi_view *bytes, uint32_t *generation,
                                 uint32_t *whole_bytes)
{
    uint32_t length = scsi_be32(*bytes, 4);

    if (!scsi_has(*bytes, 0, HEADER_BYTES))
        return VST_ERR_MALFORMED;
    *generation = scsi_be32(*bytes, 0);
    *whole_bytes = length < UINT16_MAX - HEADER_BYTES ? HEADER_BYTES + length : UINT16_MAX;
    *bytes = scsi_part(*bytes, HEADER_BYTES, length);
    return VST_OK;
}

/* ------------------------------------------------------------------ keys */

enum vst_status vst_scsi_keys_parse(struct scsi_view bytes, struct scsi_keys *keys)
{
    struct scsi_keys found;
    enum vst_status status = open_list(&bytes, &found.generation, &found.whole_bytes);

    if (status != VST_OK)
        return status;
    found.n_keys = (uint32_t)(bytes.bytes / 8);
    found.keys = bytes;
    *keys = found;
    return VST_OK;
}

uint64_t vst_scsi_key(const struct scsi_keys *keys, uint32_t index)
{
    return scsi_be64(keys->keys, (size_t)index * 8);
}

/* ------------------------------------------------------------------ reservation */

#define RESERVATION_BYTES 16u

enum vst_status vst_scsi_reservation_parse(struct scsi_view bytes,
                                           struct vst_scsi_reservation *reservation)
{
    uint32_t generation, whole_bytes;
    enum vst_status status = open_list(&bytes, &generation, &whole_bytes);

    if (status != VST_OK)
        return status;
    *reservation = (struct vst_scsi_reservation){.generation = generation};
    if (whole_bytes == HEADER_BYTES)
        return VST_OK;
    if (!scsi_has(bytes, 0, RESERVATION_BYTES))
        return VST_ERR_MALFORMED;
    reservation->is_held = true;
    reservation->key = scsi_be64(bytes, 0);
    reservation->type = scsi_u8(bytes, 13) & 0x0f;
    return VST_OK;
}

/* ------------------------------------------------------------------ capabilities */

/* 6.15.4.2, the type mask's bits in its two bytes: as many types as there are. */
static uint16_t types_of(uint8_t first, uint8_t second)
{
    uint16_t types = 0;

    if ((first & 0x02) != 0)
        types |= 1u << VST_SCSI_WRITE_EXCLUSIVE;
    if ((first & 0x08) != 0)
        types |= 1u << VST_SCSI_EXCLUSIVE_ACCESS;
    if ((first & 0x20) != 0)
        types |= 1u << VST_SCSI_WRITE_EXCLUSIVE_REGISTRANTS;
    if ((first & 0x40) != 0)
        types |= 1u << VST_SCSI_EXCLUSIVE_ACCESS_REGISTRANTS;
    if ((first & 0x80) != 0)
        types |= 1u << VST_SCSI_WRITE_EXCLUSIVE_ALL;
    if ((second & 0x01) != 0)
        types |= 1u << VST_SCSI_EXCLUSIVE_ACCESS_ALL;
    return types;
}

enum vst_status
vst_scsi_reservation_capabilities_parse(struct scsi_view bytes,
                                        struct vst_scsi_reservation_capabilities *capabilities)
{
    if (!scsi_has(bytes, 0, 4) || scsi_be16(bytes, 0) < 4)
        return VST_ERR_MALFORMED;
    bytes = scsi_cut(bytes, scsi_be16(bytes, 0));
    *capabilities = (struct vst_scsi_reservation_capabilities){
        .all_ports = scsi_u8(bytes, 2) & 0x04,
        .keeps = scsi_u8(bytes, 2) & 0x01,
        .keeps_now = scsi_u8(bytes, 3) & 0x01,
        .tells_types = (scsi_u8(bytes, 3) & 0x80) != 0 && scsi_has(bytes, 4, 2),
    };
    if (capabilities->tells_types)
        capabilities->types = types_of(scsi_u8(bytes, 4), scsi_u8(bytes, 5));
    return VST_OK;
}

/* ------------------------------------------------------------------ full status */

#define DESCRIPTOR_BYTES 24u

enum vst_status vst_scsi_full_status_parse(struct scsi_view bytes, struct scsi_full_status *full)
{
    struct scsi_full_status found;
    enum vst_status status = open_list(&bytes, &found.generation, &found.whole_bytes);

    if (status != VST_OK)
        return status;
    found.descriptors = bytes;
    *full = found;
    return VST_OK;
}

bool vst_scsi_next_registration(const struct scsi_full_status *full, size_t *at,
                                struct scsi_registration *registration)
{
    struct scsi_view rest = scsi_part(full->descriptors, *at, full->descriptors.bytes);
    uint32_t id_bytes = scsi_be32(rest, 20);

    if (!scsi_has(rest, 0, DESCRIPTOR_BYTES) || !scsi_has(rest, DESCRIPTOR_BYTES, id_bytes))
        return false;
    *registration = (struct scsi_registration){
        .key = scsi_be64(rest, 0),
        .all_ports = scsi_u8(rest, 12) & 0x02,
        .holds = scsi_u8(rest, 12) & 0x01,
        .type = scsi_u8(rest, 13) & 0x0f,
        .port = scsi_be16(rest, 18),
        .transport_id = scsi_part(rest, DESCRIPTOR_BYTES, id_bytes),
    };
    *at += DESCRIPTOR_BYTES + id_bytes;
    return true;
}

/* 7.6.4: the lower half of the first byte. */
enum protocol { FIBRE_CHANNEL = 0, SRP = 4, ISCSI = 5, SAS = 6 };

void vst_scsi_transport_text(struct scsi_view transport_id, char *text, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    struct scsi_view number = transport_id;
    size_t n = 0;

    switch (scsi_u8(transport_id, 0) & 0x0f) {
    case ISCSI:
        vst_scsi_text(scsi_part(transport_id, 4, scsi_be16(transport_id, 2)), text, bytes);
        return;
    case SAS:
        number = scsi_part(transport_id, 4, 8);
        break;
    case FIBRE_CHANNEL:
        number = scsi_part(transport_id, 8, 8);
        break;
    case SRP:
        number = scsi_part(transport_id, 8, 16);
        break;
    }
    for (size_t i = 0; i < number.bytes && n + 2 < bytes; i++) {
        text[n++] = digits[number.at[i] >> 4];
        text[n++] = digits[number.at[i] & 15];
    }
    text[n] = '\0';
}
