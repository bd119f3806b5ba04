/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A switch port's sending side. A sync takes the packets of its TX ring in batches, sorts each batch by
 * destination ring, and takes each destination's lock once per batch.
 */
#ifndef SOFT_PORTS_SWITCH_FORWARD_H
#define SOFT_PORTS_SWITCH_FORWARD_H

#include "switch_kept.h"
#include "switch_view.h"

#define SWITCH_BATCH 256u                 /* slots; bench: more do not fit the first-level cache */
#define SWITCH_ARENA ((size_t)256 * 1024) /* bytes of indirect packets in one batch */
#define SWITCH_NONE  UINT16_MAX
#define SWITCH_AHEAD 8u /* slots to look ahead for their buffers */
#define SWITCH_AHEAD 8u /* slots to look ahead for their buffers */

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

/** What a TX ring needs; ring->state points to it. */
struct switch_tx {
	struct robust_lock_user user; /* first: owner_alive() gets no more than that */
	struct switch_port *port;
	struct ring *ring;
	uint64_t *macs;      /* of the switch's table */
	uint32_t number;     /* the port's */
	uint32_t header_len; /* of this port's frames, read once per sync */
	bool skipping;       /* the rest of a packet that was too long is still to come */
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

/** Set up a TX ring's state, zeroed before. */
void switch_tx_init(struct switch_tx *tx, struct switch_port *port, struct ring *ring);
void switch_tx_close(struct switch_tx *tx);

/** struct port_kind's TX sync. */
int switch_forward(struct ring *r);

/** Deliver the packets of two queues, in the order in which they were sent, to one RX ring. */
void switch_deliver(struct switch_tx *tx, struct switch_target *target, uint32_t ring,
    struct switch_queue direct, struct switch_queue flood);

#endif
