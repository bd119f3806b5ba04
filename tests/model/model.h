/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a pipe and a loop do, written down once more and as plainly as possible: arrays and indices, no
 * shared memory, slots copied from side to side. The differential test holds the device against it.
 *
 * A link is one way from a TX ring to an RX ring. A slot is with the sender or with the receiver,
 * and its values are looked up where it is:
 *
 *      reclaimed ── with the receiver ── published ── with the sender ── reclaimed
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define MODEL_SLOTS 16u
#define MODEL_BYTES 64u

struct model_slot {
	uint32_t buf_idx;
	uint16_t len, flags;
	uint64_t ptr;
	uint8_t data[MODEL_BYTES]; /* what its buffer begins with */
};

struct model_link {
	uint32_t n; /* slots */
	struct model_slot tx[MODEL_SLOTS], rx[MODEL_SLOTS];
	uint32_t published; /* by the sender, at its last sync */
	uint32_t released;  /* by the receiver, at its last sync */
	uint32_t reclaimed; /* by the sender, at its last sync */
	uint32_t num_bufs, buf_size;
};

/** One end of a link: the program's side, and the device's. */
struct model_ring {
	struct model_link *link;
	bool tx;
	uint32_t head, cur, tail; /* as the program sees and sets them */
	uint32_t rhead, rcur, hwcur, hwtail;
};

void model_link_init(struct model_link *link, uint32_t n, uint32_t num_bufs, uint32_t buf_size);

/** A program opens the end: it goes on where the last one left. */
void model_ring_open(struct model_ring *ring, struct model_link *link, bool tx);

/** Whether from the last head on come head, cur and tail, in this order. */
bool model_acceptable(const struct model_ring *ring);

/** 0, or -EINVAL where the pointers were not accepted. */
int model_sync(struct model_ring *ring);

/** Whether there is something to take, or room. */
bool model_ready(const struct model_ring *ring);

/** The slot's values, wherever it is now. */
struct model_slot *model_slot(struct model_link *link, uint32_t k);

uint32_t model_next(const struct model_link *link, uint32_t k);
uint32_t model_distance(const struct model_link *link, uint32_t from, uint32_t to);

#endif
