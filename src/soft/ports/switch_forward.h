/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A switch port's sending side. A sync takes the packets of its TX ring in batches, sorts each batch by
 * destination ring, and takes each destination's lock once per batch.
 */
#ifndef SOFT_PORTS_SWITCH_FORWARD_H
#define SOFT_PORTS_SWITCH_FORWARD_H

#include "switch_kept.h"
#include "switch_view.h"

#define SWITCH_BATCH     256u /* slots; bench: more do not fit the first-level cache */
#define SWITCH_ARENA     ((size_t)256 * 1024) /* bytes of indirect packets in one batch */
#define SWITCH_NONE      UINT16_MAX
/* Flags of a slot that do not matter here. */
#define SWITCH_HARMLESS  (NS_BUF_CHANGED | NS_REPORT | NS_FORWARD)
#define SWITCH_FRAME_MIN 14u /* an Ethernet header */
#define SWITCH_LOCKERS   32u /* of one port */

/** One slot's worth of a packet; a packet's pieces stand in a row. */
struct switch_piece {
	const uint8_t *data;
	uint16_t len;
	uint16_t indirect; /* 1: it may be larger than the sender's buffers are */
	uint16_t pieces;   /* of the packet, in its first piece */
	uint16_t next;     /* first piece of the queue's next packet, or SWITCH_NONE */
};

/** Packets of a batch for one destination ring, in order. */
struct switch_queue {
	uint16_t first, last; /* SWITCH_NONE: none */
};

/** A switch port as its process knows it. */
struct switch_port {
	struct switch_admission admission;
	struct share share;
	uint32_t number;
	struct switch_view *view;
	struct switch_target *own;
	struct switch_tx *tx;
	struct switch_rx *rx;
};

/** Someone of a port who takes the locks of RX rings. */
struct switch_locker {
	struct robust_lock_user user; /* first: owner_alive() gets no more than that */
	struct switch_port *port;
};

/** The slots that a sync is to send. */
struct switch_source {
	struct netmap_slot *slots;
	const uint8_t *buffers; /* from REGION_FIRST_BUFFER on */
	uint64_t unusual; /* bits of a slot's word, less REGION_FIRST_BUFFER, to be looked at */
	size_t buf_size;
	uint32_t num_slots, end;
	uint32_t header_len;        /* of this port's frames, read once per sync */
	uint32_t shortest, longest; /* frames that are ordinary */
};

/** What a TX ring needs; ring->state points to it. */
struct switch_tx {
	struct switch_locker locker;
	struct switch_port *port;
	struct ring *ring;
	uint64_t *macs;   /* of the switch's table */
	uint64_t unusual; /* of a ring without offsets */
	struct switch_source source;
	uint32_t number; /* the port's */
	bool skipping;   /* the rest of a packet that was too long is still to come */
	bool steady;     /* the last packets all went to one RX ring: the next may, too */
	struct switch_snapshot snapshot;
	uint32_t num_pieces;
	struct switch_piece pieces[SWITCH_BATCH + NETMAP_MAX_FRAGS];
	struct switch_queue flood;
	uint32_t num_used;
	uint16_t used[SWITCH_BATCH + NETMAP_MAX_FRAGS]; /* queues that were given a packet */
	struct switch_queue queues[SWITCH_NUMBERS * SWITCH_RINGS];
	uint8_t *arena; /* copies of indirect packets; allocated for the first one */
	size_t arena_used;
	uint8_t *
	    scratch; /* a frame whose checksum or size is to be changed; allocated for the first one */
	uint64_t looked_ns; /* when a full destination was last asked whether it lives */
};

/* The addresses that a frame begins with. */
struct switch_flow {
	uint64_t first;
	uint32_t second;
};

/** Set up a TX ring's state, zeroed before. */
void switch_tx_init(struct switch_tx *tx, struct switch_port *port, struct ring *ring);
void switch_tx_close(struct switch_tx *tx);

/** Number: a TX ring's, or another one up to SWITCH_LOCKERS that no two use at the same time. */
void switch_locker_init(struct switch_locker *locker, struct switch_port *port, uint32_t number);

/** struct port_kind's TX sync. */
int switch_forward(struct ring *r);

/** Deliver the packets of two queues, in the order in which they were sent, to one RX ring. */
void switch_deliver(struct switch_tx *tx, struct switch_target *target, uint32_t ring,
    struct switch_queue direct, struct switch_queue flood);

/**
 * Deliver ordinary slots from `at` on straight to one RX ring, as long as their frames have the same
 * addresses as the first, and a batch of them at most. Returns the place of the first one that was left.
 */
uint32_t switch_deliver_run(
    struct switch_tx *tx, struct switch_target *target, uint32_t ring, uint32_t at);

/* An ordinary slot's buffer and length; false: it is unusual, or wrong, and needs a closer look. */
static inline bool switch_source_take(const struct switch_source *source, struct netmap_slot *slot,
    const uint8_t **data, uint32_t *len)
{
	const uint64_t flags = (uint64_t)UINT16_MAX << 48,
		       harmless = (uint64_t)SWITCH_HARMLESS << 48;
	uint64_t word = loom_slot_word(slot) - REGION_FIRST_BUFFER;

	if (LOOM_UNLIKELY(word & source->unusual)) {
		if (word & source->unusual & ~harmless)
			return false;
		slot->flags &= (uint16_t)~NS_BUF_CHANGED;
		word &= ~flags;
	}
	*len = (uint32_t)(word >> 32); /* flags are all clear */
	*data = source->buffers + (uint32_t)word * source->buf_size;
	return *len - source->shortest <= source->longest - source->shortest;
}

static inline struct switch_flow switch_flow_of(const uint8_t *frame)
{
	struct switch_flow flow;

	__builtin_memcpy(&flow.first, frame, sizeof flow.first);
	__builtin_memcpy(&flow.second, frame + sizeof flow.first, sizeof flow.second);
	return flow;
}

static inline bool switch_flow_is(const struct switch_flow *flow, const uint8_t *frame)
{
	struct switch_flow other = switch_flow_of(frame);

	return other.first == flow->first && other.second == flow->second;
}

#endif
