/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is between a fault port's ring (the outer one) and the ring of the same direction and number of the port
 * behind it (the inner one). Packets go from one ring to the other slot by slot: the buffer changes places
 * with the one that is there, the rest of the slot goes along as it is, so that what is wrong with a slot is
 * the receiver's to find. Without a fault that holds a packet back that is all:
 *
 *   one ring's slots ────────────────────────────────────▶ the other ring's slots
 *        └──take──▶ the lane's own slots, each with a buffer ──put──▶┘
 *
 * The rings are in one memory region; where that had no room for the outer ones, bytes are copied.
 *
 * All users of a ring, children too, share its lane's state; its owner has the outer ring's turn (place.h).
 * Held packets of a TX ring may be sent from the RX ring's sync: those lanes are guarded by their lock.
 */
#ifndef PORTS_FAULT_LANE_H
#define PORTS_FAULT_LANE_H

#include "../place.h"
#include "../port.h"
#include "../soft.h"
#include "fault_settings.h"

#define LANE_SLOTS 1024u                   /* with a delay: about as many packets */
#define LANE_BRIEF (4u * NETMAP_MAX_FRAGS) /* else: one that waits, the next one, two copies */

struct held {
	uint64_t due; /* os_now_ns()'s; 0: at once */
	uint32_t slots;
};

struct lane_state {
	struct robust_lock lock;
	uint64_t soonest; /* when a TX lane's first packet is due; UINT64_MAX: it has none */
	uint64_t random;
	/* Slots before these were taken from one ring, or put in the other: a killed user's sync is gone on with. */
	uint32_t taken, put;
	uint32_t swapping;     /* a free buffer on its way from one ring to the other, or 0 */
	uint32_t first, count; /* of held[] */
	uint32_t at, used;     /* of slots[] */
	bool last_waits;       /* the last one in the lane lets the next one pass */
	struct held held[LANE_SLOTS];
	struct netmap_slot slots[LANE_SLOTS];
	/* RX: up to where the inner slots can be given back when this outer one is. */
	uint32_t released[SOFT_SLOTS_MAX];
};

struct lane {
	const struct fault_settings *settings;
	struct ring *outer, *inner;
	struct lane_state *state;
	uint32_t size;      /* of state->slots, those in use; 0: no fault holds anything */
	uint16_t ignore;    /* flags of slots that do not go along */
	int timer, pollset; /* -1 until first armed */
	int inner_fd;       /* the inner ring's in the pollset, or -1 */
	short inner_events;
	struct loom_stats seen; /* the inner ring's: what the outer one has of it */
};

/* Slots [at, end) to take packets from, or to put them in. */
struct span {
	struct ring *ring; /* whose memory and offsets the slots have */
	struct netmap_slot *slots;
	uint32_t num, at, end;
};

/** Slots that a lane needs for these faults. */
uint32_t lane_slots_for(const struct fault_settings *settings);

/** Slots [at, end) of a ring. */
struct span lane_span(struct ring *ring, uint32_t at, uint32_t end);

/** Slots in it. */
static inline uint32_t span_room(const struct span *span)
{
	return loom_ring_distance(span->at, span->end, span->num);
}

/** Take what can be taken, do the faults, put what is due; both spans move on. @return packets put */
uint32_t lane_carry(struct lane *lane, struct span *from, struct span *to);

/** Whether there is a packet that lane_carry() would take. */
bool lane_can_take(const struct lane *lane, const struct span *from, const struct span *to);

/** Put what is held and due, as long as there is room. @return packets put */
uint32_t lane_put_due(struct lane *lane, struct span *to);

/** When the first held packet is due; UINT64_MAX: there is none. */
uint64_t lane_soonest(const struct lane *lane);

/** Whether the first held packet is due, and has room there. */
bool lane_can_put(const struct lane *lane, const struct span *to);

/** A TX lane that holds packets is one thread's until lane_unlock(). False: another one does not end its turn. */
bool lane_lock(struct lane *lane);

/** The same, of a lane that is known to be such a one, without waiting for a turn to end. */
bool lane_try_lock(struct lane *lane);
void lane_unlock(struct lane *lane);

#endif
