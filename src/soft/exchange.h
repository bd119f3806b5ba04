/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The index exchange of two rings that share their slot pages: a sender's TX ring and a receiver's RX
 * ring, in one process or two. Nothing is done per packet.
 *
 *      sender                    struct exchange                    receiver
 *   exchange_txsync   ──writes──► published ──reads──►   exchange_rxsync
 *                     ◄──reads──  released  ◄──writes──
 *
 * Each index has one writer and a cache line of its own. A side that goes to sleep sets `waiting`
 * in its own line; the other side clears it and signals.
 *
 * The peer may be buggy or hostile: an index is read once, and one that would move backwards or out
 * of what the other side can own is ignored and counted (LOOM_DROP_BAD_PEER).
 */
#ifndef SOFT_EXCHANGE_H
#define SOFT_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "ring.h"

#define EXCHANGE_LINE 128 /* two lines: adjacent-line prefetch would share a pair */

/* Layout shared between processes: part of the pipe's ABI, see pipe_memory.h. */
struct exchange {
	struct {
		uint32_t published; /* slots before it may be received */
		uint32_t waiting;   /* sender sleeps until released moves */
	} sender __attribute__((aligned(EXCHANGE_LINE)));
	struct {
		uint32_t released; /* slots before it may be filled again */
		uint32_t waiting;  /* receiver sleeps until published moves */
	} receiver __attribute__((aligned(EXCHANGE_LINE)));
};

/** One ring's end of an exchange; ring->state points to it. */
struct exchange_end {
	struct exchange *exchange;
	/** Open this ring's wakeup (own) or that of the ring at the other end; a descriptor or < 0. */
	int (*wake_open)(struct ring *ring, bool own);
	int own_wake;  /* -1 until this side first sleeps */
	int peer_wake; /* -1 until the other side was first asleep */
	bool armed;    /* our mark stood when we last looked */
	bool late;     /* it was taken, but the signal was not in own_wake yet */
};

void exchange_end_init(
    struct exchange_end *end, struct exchange *exchange, int (*wake_open)(struct ring *, bool));
void exchange_end_close(struct exchange_end *end);

/** Continue where the previous user of this end left; positions come from the exchange. */
void exchange_resume(struct ring *r);

/** Signal the other side's wakeup; out of line, only when it sleeps. */
void exchange_wake_peer(struct ring *r, uint32_t *waiting);

/** struct port_kind.arm and .disarm for exchanging rings. */
int exchange_arm(struct ring *r, struct pollfd *out);
void exchange_disarm(struct ring *r);

/* After this ring moved its index: wake the other side if it went to sleep on the old value. */
static inline void exchange_moved(struct ring *r, uint32_t *waiting)
{
	/*
	 * Sequentially consistent, like the store of the index before it and like both accesses in
	 * exchange_arm(): either this load sees the sleeper's mark, or the sleeper's second look sees
	 * the new index. With less, both could be missed and the sleeper would never wake.
	 */
	if (LOOM_UNLIKELY(__atomic_load_n(waiting, __ATOMIC_SEQ_CST)))
		exchange_wake_peer(r, waiting);
}

/* End of the last complete packet in [hwcur, rhead): a packet is not shown before its last slot. */
static inline uint32_t exchange_complete(const struct ring *r)
{
	uint32_t end = r->rhead;

	while (end != r->hwcur &&
	       LOOM_UNLIKELY(r->common.ring->slot[ring_prev(r, end)].flags & NS_MOREFRAG))
		end = ring_prev(r, end);
	return end;
}

/* Whether the receiver can have got there: between its last value and what was published. */
static inline bool exchange_can_be_released(const struct ring *r, uint32_t released)
{
	uint32_t before = ring_next(r, r->hwtail);

	return released < r->num_slots &&
	       ring_distance(r, before, released) <= ring_distance(r, before, r->hwcur);
}

static inline void exchange_reclaim(struct ring *r, uint32_t released)
{
	if (released == ring_next(r, r->hwtail))
		return;
	if (LOOM_UNLIKELY(!exchange_can_be_released(r, released))) {
		ring_drop(r, LOOM_DROP_BAD_PEER, 1);
		return;
	}
	r->hwtail = ring_prev(r, released);
}

static inline int exchange_txsync(struct ring *r)
{
	const struct exchange_end *end = r->state;
	struct exchange *x = end->exchange;
	uint32_t published = exchange_complete(r);

	if (published != r->hwcur) {
		r->hwcur = published;
		/*
		 * Releases slots and payload to the acquire of `published` in exchange_rxsync; stronger
		 * than that for exchange_moved().
		 */
		__atomic_store_n(&x->sender.published, published, __ATOMIC_SEQ_CST);
		exchange_moved(r, &x->receiver.waiting);
	}
	/* Pairs with the store of `released` in exchange_rxsync: the receiver is done with those slots. */
	exchange_reclaim(r, __atomic_load_n(&x->receiver.released, __ATOMIC_ACQUIRE));
	return 0;
}

/* Whether the sender can have got there: not behind what was seen already. */
static inline bool exchange_can_be_published(const struct ring *r, uint32_t published)
{
	return published < r->num_slots &&
	       ring_distance(r, r->hwcur, published) >= ring_distance(r, r->hwcur, r->hwtail);
}

static inline void exchange_receive(struct ring *r, uint32_t published)
{
	if (published == r->hwtail)
		return;
	if (LOOM_UNLIKELY(!exchange_can_be_published(r, published))) {
		ring_drop(r, LOOM_DROP_BAD_PEER, 1);
		return;
	}
	r->common.stats.packets += ring_distance(r, r->hwtail, published);
	r->hwtail = published;
	ring_stamp(r);
}

static inline int exchange_rxsync(struct ring *r)
{
	const struct exchange_end *end = r->state;
	struct exchange *x = end->exchange;

	if (r->rhead != r->hwcur) {
		r->hwcur = r->rhead;
		/* Releases our reads of the slots to the acquire of `released` in exchange_txsync. */
		__atomic_store_n(&x->receiver.released, r->rhead, __ATOMIC_SEQ_CST);
		exchange_moved(r, &x->sender.waiting);
	}
	/* Pairs with the store of `published` in exchange_txsync: slots and payload are visible. */
	exchange_receive(r, __atomic_load_n(&x->sender.published, __ATOMIC_ACQUIRE));
	return 0;
}

#endif
