/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The soft device's side of a ring, and the frame around every sync.
 *
 * The program's side (struct netmap_ring) is only believed after ring_tx_begin/ring_rx_begin: they
 * read head and cur once, check them against the device's own copies and keep the result in rhead
 * and rcur. A port kind's txsync and rxsync then move hwcur and hwtail:
 *
 *   TX: slots [hwcur, rhead) are to be sent;       hwtail = last slot the program may fill
 *   RX: slots [hwcur, rhead) are to be given back; hwtail = end of what was received
 */
#ifndef SOFT_RING_H
#define SOFT_RING_H

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include <pktloom/ring.h>

#include "../device/device.h"
#include "../os/os.h"

struct port;
struct watch;

/* Parts of struct ring.unusual. */
#define RING_EVENTED 1u /* each user of loom_port_fd(): a sync that finds nothing arms the wakeup */
#define RING_WATCHED 0x10000u /* each monitor: a sync shows it the packets that pass (watch.h) */

struct ring {
	struct device_ring common; /* first */
	struct port *port;
	void *state; /* the port kind's own */
	uint32_t num_slots;
	uint32_t rhead, rcur; /* the program's head and cur, checked */
	uint32_t hwcur, hwtail;
	uint32_t turn;    /* of several users: whose positions these are (place.h) */
	uint64_t stamped; /* os_tick_passed()'s, for ring->ts */
	/* Bits of slot.ptr that say where in its buffer a packet starts; 0: where the buffer does. */
	uint64_t offset_mask;
	uint32_t offset_max;  /* with offsets: the largest one that was announced … */
	uint32_t offset_room; /* … and the bytes that a slot can be given behind it */
	uint16_t index;       /* among the rings of its direction */
	bool tx;
	bool pending;     /* TX: of the slots before hwcur the system has some to take yet */
	uint32_t unusual; /* 0: a sync is the kind's move and nothing else; changed atomically */
	int kick; /* readable until the next sync: packets came before the descriptor; or -1 */
	struct watch *watch;     /* monitors; NULL until there was one */
	const uint32_t *called;  /* not 0: another process wants something of this one (board.h) */
} __attribute__((aligned(128))); /* rings are synced by different threads */

static inline uint32_t ring_prev(const struct ring *r, uint32_t index)
{
	return index == 0 ? r->num_slots - 1 : index - 1;
}

static inline uint32_t ring_next(const struct ring *r, uint32_t index)
{
	return loom_ring_next(index, r->num_slots);
}

static inline uint32_t ring_distance(const struct ring *r, uint32_t from, uint32_t to)
{
	return loom_ring_distance(from, to, r->num_slots);
}

static inline void ring_drop(struct ring *r, enum loom_drop reason, uint64_t n)
{
	r->common.stats.drops[reason] += n;
}

/** Take over a ring whose header, slots and positions are set; the program sees [head, tail). */
void ring_start(struct ring *r, uint32_t head, uint32_t tail);

/**
 * netmap's answer to a bad head or cur. In range but out of order: believed at the next sync.
 * Outside the ring: put back to the device's own, and slots with a bad index or length cleared.
 *
 * @return -EINVAL, always: the sync it interrupts has failed
 */
int ring_reinit(struct ring *r);

/**
 * Where a slot's packet starts, and its length, checked against the region; NULL (and a counted drop)
 * if they do not hold. The length is the caller's copy: the slot may change under it.
 */
uint8_t *ring_slot_data(struct ring *r, uint32_t index, uint32_t *len, uint16_t *flags);

/**
 * Where the device may put a packet for a slot, and how many bytes; NULL if the slot names no buffer, or a
 * place outside it.
 */
uint8_t *ring_slot_space(const struct ring *r, uint32_t index, uint32_t *room);

/** The same for a slot that stands elsewhere, in the ring's memory and with its offsets. */
uint8_t *ring_space_of(const struct ring *r, const struct netmap_slot *slot, uint32_t *room);

/**
 * The ring's offset_mask as it is now: a descriptor that binds the ring beside its user may set it at
 * any time, after the fields that go with it.
 */
static inline uint64_t ring_offset_mask(const struct ring *r)
{
	/* Pairs with the store in offsets_bind(). */
	return __atomic_load_n(&r->offset_mask, __ATOMIC_ACQUIRE);
}

/* head and cur must follow the last accepted head, in this order, within what the program owns. */
static inline bool ring_in_order(const struct ring *r, uint32_t head, uint32_t cur)
{
	uint32_t to_head = ring_distance(r, r->rhead, head);
	uint32_t to_cur = ring_distance(r, r->rhead, cur);
	uint32_t owned = ring_distance(r, r->rhead, r->hwtail);

	return to_head <= to_cur && to_cur <= owned;
}

/** Read the program's head and cur once; 0, or -EINVAL after ring_reinit(). */
static inline int ring_begin(struct ring *r)
{
	struct netmap_ring *user = r->common.ring;
	uint32_t head = __atomic_load_n(&user->head, __ATOMIC_RELAXED);
	uint32_t cur = __atomic_load_n(&user->cur, __ATOMIC_RELAXED);

	if (LOOM_UNLIKELY(
		head >= r->num_slots || cur >= r->num_slots || !ring_in_order(r, head, cur)))
		return ring_reinit(r);
	if (r->tx && head != r->rhead) {
		r->common.stats.packets += ring_distance(r, r->rhead, head);
		r->common.fragments = loom_counters(user)->fragments;
	}
	r->rhead = head;
	r->rcur = cur;
	return 0;
}

/** Show the program the device's tail, whatever it wrote there itself. */
static inline void ring_finish(struct ring *r)
{
	struct netmap_ring *user = r->common.ring;

	if (user->tail != r->hwtail)
		user->tail = r->hwtail;
	r->common.stats.syncs++;
}

/**
 * Stamp ring->ts after packets came. Reading the clock costs as much as a cache miss and keeps the
 * processor from running ahead of one (bench row pipe_rtt_busy: 170 ns with it, 113 without), so a
 * stamp of the last few microseconds is left standing unless the program set NR_TIMESTAMP.
 */
static inline void ring_stamp(struct ring *r)
{
	struct netmap_ring *user = r->common.ring;

	if (os_tick_passed(&r->stamped) || (user->flags & NR_TIMESTAMP))
		os_wall_clock(&user->ts);
}

/** Whether the program has something to do: packets to take, or room to fill. */
static inline bool ring_ready(const struct ring *r)
{
	return r->rcur != r->hwtail;
}

/** For rings that no other process can call. */
extern const uint32_t ring_never_called;

/** The rest of a sync after ring_begin() where ring->unusual or what ring->called points to is not 0. */
int ring_sync_unusual(struct ring *r, int (*move)(struct ring *));

/**
 * Change ring->unusual while the ring's thread may sync. Releases what was prepared before it to the
 * acquire in ring_sync_unusual(). @return the new value
 */
static inline uint32_t ring_unusual_add(struct ring *r, uint32_t change)
{
	return __atomic_add_fetch(&r->unusual, change, __ATOMIC_ACQ_REL);
}

static inline int ring_sync(struct ring *r, int (*move)(struct ring *))
{
	int err = ring_begin(r);

	if (LOOM_UNLIKELY(err))
		return err;
	if (LOOM_UNLIKELY(__atomic_load_n(&r->unusual, __ATOMIC_RELAXED) |
			  __atomic_load_n(r->called, __ATOMIC_RELAXED)))
		return ring_sync_unusual(r, move);
	err = move(r);
	ring_finish(r);
	return err;
}

/** Defines name_tx_entry and name_rx_entry: what a handle's sync calls, the kind's move inlined. */
#define RING_SYNCS(name)                                                                           \
	static int name##_tx_entry(struct loom_sync *sync)                                         \
	{                                                                                          \
		return ring_sync((struct ring *)(void *)sync, name##_txsync);                      \
	}                                                                                          \
	static int name##_rx_entry(struct loom_sync *sync)                                         \
	{                                                                                          \
		return ring_sync((struct ring *)(void *)sync, name##_rxsync);                      \
	}

#endif
