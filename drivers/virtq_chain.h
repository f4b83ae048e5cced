/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chains made by hand, for what no slot is prepared for: parts of split requests, platforms that
 * map, queues without indirect descriptors, IN_ORDER. Any kind of queue; a few more instructions.
 *
 *     if (!virtq_chain_begin(&chain, vq, n)) ring full
 *     virtq_chain_add(&chain, ...)   n times, what the device writes last (2.7.4.2)
 *     virtq_chain_put(&chain, token) the device may see it after the next kick
 *
 * Between begin and put nothing but free descriptors is written: a chain may be dropped half-way.
 */
#ifndef VSTOR_DRIVERS_VIRTQ_CHAIN_H
#define VSTOR_DRIVERS_VIRTQ_CHAIN_H

#include "drivers/virtq.h"

struct virtq_chain {
    struct virtq *vq;
    uint16_t id;
    uint32_t n, n_added;
    uint16_t at; /**< direct: place of the next descriptor; packed: with the wrap counter */
    uint64_t
        first_rest; /**< packed: second half of the first descriptor, which publishes the chain */
};

/** Starts a chain of n descriptors and chooses its id; false if there is no room now. */
bool vst_virtq_chain_begin(struct virtq_chain *chain, struct virtq *vq, uint32_t n) VST_MUST_USE;
void vst_virtq_chain_add(struct virtq_chain *chain, uint64_t bus_addr, uint32_t bytes,
                         bool device_writes);
void vst_virtq_chain_put(struct virtq_chain *chain, void *token);

/** The chain with this id has come back: its descriptors, n_frame more than its pieces, are free. */
void vst_virtq_chain_release(struct virtq *vq, uint16_t id);

/**
 * IN_ORDER: the device names the last chain of those it gives back with one used entry (2.7.9,
 * 2.8.8). Stores how many chains, oldest first, have come back since the last call, at least 1, or
 * 0 if none; a lie breaks the queue. The ids are those of the chains in the order of their put:
 * vst_virtq_oldest, which also takes the chain back.
 */
uint32_t vst_virtq_n_in_order(struct virtq *vq);
uint16_t vst_virtq_oldest(struct virtq *vq);

#endif
