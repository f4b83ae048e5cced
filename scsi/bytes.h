/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes of SCSI: numbers in them are big-endian at odd places.
 *
 * What a device wrote is parsed through a view, which knows where it ends: behind that everything
 * is 0, so that a parser need not ask for each field whether it was received. A view is of memory
 * that no device can write any more: who received the bytes has copied them out, once.
 */
#ifndef VSTOR_SCSI_BYTES_H
#define VSTOR_SCSI_BYTES_H

#include <vstor/types.h>

struct scsi_view {
    const uint8_t *at;
    size_t bytes;
};

static inline struct scsi_view scsi_view_of(const void *data, size_t bytes)
{
    return (struct scsi_view){data, bytes};
}

/** What a unit has written, read once: from then on no device changes it. */
static inline struct scsi_view scsi_copy_out(uint8_t *to, const void *shared, size_t bytes)
{
    const uint8_t *from = shared;

    for (size_t i = 0; i < bytes; i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    return scsi_view_of(to, bytes);
}

static inline bool scsi_has(struct scsi_view view, size_t offset, size_t bytes)
{
    return offset <= view.bytes && bytes <= view.bytes - offset;
}

/** The same, at most `bytes` long. */
static inline struct scsi_view scsi_cut(struct scsi_view view, size_t bytes)
{
    return (struct scsi_view){view.at, view.bytes < bytes ? view.bytes : bytes};
}

/** What begins at `offset`, at most `bytes` long; empty behind the end. */
static inline struct scsi_view scsi_part(struct scsi_view view, size_t offset, size_t bytes)
{
    if (offset > view.bytes)
        return (struct scsi_view){view.at, 0};
    return scsi_cut((struct scsi_view){view.at + offset, view.bytes - offset}, bytes);
}

/** A number of `bytes` bytes; 0 unless all of them were received. */
static inline uint64_t scsi_number(struct scsi_view view, size_t offset, size_t bytes)
{
    uint64_t value = 0;

    if (!scsi_has(view, offset, bytes))
        return 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | view.at[offset + i];
    return value;
}

static inline uint8_t scsi_u8(struct scsi_view view, size_t offset)
{
    return scsi_has(view, offset, 1) ? view.at[offset] : 0;
}
static inline uint16_t scsi_be16(struct scsi_view view, size_t offset)
{
    return (uint16_t)scsi_number(view, offset, 2);
}
static inline uint32_t scsi_be32(struct scsi_view view, size_t offset)
{
    return (uint32_t)scsi_number(view, offset, 4);
}
static inline uint64_t scsi_be64(struct scsi_view view, size_t offset)
{
    return scsi_number(view, offset, 8);
}

/** The other way: into memory that is the caller's. */
static inline void scsi_put(uint8_t *to, uint64_t value, unsigned n_bytes)
{
    for (; n_bytes > 0; n_bytes--, value >>= 8)
        to[n_bytes - 1] = (uint8_t)value;
}

/**
 * Text of a device: ended by NUL or by the field's end, without spaces around it; what is not
 * printable ASCII becomes '?'. Cut where it doesn't fit; always ended.
 */
void vst_scsi_text(struct scsi_view field, char *text, size_t bytes);

#endif
