/* SPDX-License-Identifier: BSD-2-Clause */
/* An RX ring of another port while its lock is ours: where packets are put. */
#ifndef SOFT_PORTS_SWITCH_OUTLET_H
#define SOFT_PORTS_SWITCH_OUTLET_H

#include "switch_forward.h"

/** A port's buffers. */
struct switch_buffers {
	uint8_t *base;
	size_t size;
	uint32_t num;
};

struct switch_outlet {
	struct switch_inbox *inbox;
	struct netmap_slot *slots;
	struct switch_buffers buffers;
	uint32_t buf_size, num_slots;
	uint64_t offset_mask; /* 0: packets start where their buffers do */
	uint32_t slot_max;    /* bytes that a slot takes */
	uint32_t plain_max;   /* the same; with offsets 0: every packet takes the careful way */
	uint32_t start;       /* what is published */
	uint32_t at, room;    /* next slot, slots left */
	uint64_t packets;     /* put since start */
	uint64_t no_room, oversized, refused; /* dropped */
};

/** Put one packet of n pieces: each in a slot of its own if they all fit theirs, else spread anew. */
void switch_outlet_put(struct switch_outlet *out, const struct switch_piece *pieces, uint32_t n);

/** Put one packet of n pieces without gaps, over as many slots as its bytes need. */
void switch_outlet_put_joined(
    struct switch_outlet *out, const struct switch_piece *pieces, uint32_t n);

#endif
