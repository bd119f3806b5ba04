/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data path. Everything here is inline and makes no call, except the two syncs (one indirect
 * call each) and what is marked out of line.
 *
 *   TX ring                                   RX ring
 *
 *        head          tail                        head          tail
 *          │             │                           │             │
 *   ┌──────▼─────────────▼──────┐             ┌──────▼─────────────▼──────┐
 *   │device│  free: yours│device│             │device│ packets:    │device│
 *   │ sends│  to fill    │      │             │      │ yours       │ fills│
 *   └──────┴─────────────┴──────┘             └──────┴─────────────┴──────┘
 *
 * Who owns what: slots [head, tail) and their buffers are yours, all others the device's. You
 * move head forward (send and commit fill slots, recv and release give them back); only a sync
 * moves tail, and only at a sync does the other side learn about head. A ring of n slots carries
 * at most n - 1 packets.
 *
 * Handles are small values of two types, so that sending on a receive ring does not compile.
 * Copies of a handle speak of the same ring. One thread per ring.
 */
#ifndef PKTLOOM_RING_H
#define PKTLOOM_RING_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include <pktloom/compat/net/netmap.h>
#include <pktloom/frame.h>
#include <pktloom/port.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The library compiles every inline once more as a function, for other languages (src/port/exports.c). */
#ifndef LOOM_INLINE
#define LOOM_INLINE inline
#endif

#define LOOM_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Buffers 0 and 1 are netmap's; a slot that names one of them carries no packet. */
#define LOOM_FIRST_BUFFER 2u

/** One ring's sync, as its device made it. */
struct loom_sync {
	int (*sync)(struct loom_sync *sync);
};

/*
 * What the verbs count. It stands in the 128 bytes of a ring's header that netmap leaves to user space
 * (`sem`): beside head and tail, which the verbs touch anyway, and reached from the same pointer.
 */
struct loom_counters {
	uint64_t bytes;     /* payload sent or received */
	uint64_t fragments; /* slots that were not a packet's last */
	uint32_t peeked;    /* the last peek's frames, their bytes and fragments */
	uint32_t peeked_bytes;
	uint32_t peeked_fragments;
};

/*
 * Handles never change after loom_tx() or loom_rx(): copy them, pass them by value, keep a copy in the
 * function that loops (its fields then stay in registers). Fields are the library's; through `ring`
 * a program may speak netmap.
 */
struct loom_txring {
	struct netmap_ring *ring;
	uint8_t *buffers; /* address of buffer LOOM_FIRST_BUFFER */
	struct loom_sync *sync;
	size_t buf_size;
	uint32_t num_slots;
	uint32_t num_bufs;  /* from LOOM_FIRST_BUFFER on */
	uint32_t frame_max; /* bytes that fit one slot */
	const void *region;
	uint32_t id; /* of the port, for debug builds */
};

struct loom_rxring {
	struct netmap_ring *ring;
	uint8_t *buffers; /* address of buffer LOOM_FIRST_BUFFER */
	struct loom_sync *sync;
	uint64_t
	    unusual; /* bits of a slot's word, less LOOM_FIRST_BUFFER, that need a closer look */
	size_t buf_size;
	uint32_t num_slots;
	uint32_t num_bufs; /* from LOOM_FIRST_BUFFER on */
	const void *region;
	uint32_t id;
};

/**
 * A handle for a TX or RX ring of an open port. NIC rings come first, host rings after them.
 *
 * @return 0; -EINVAL no such ring (loom_error() says how many there are, or that the port was
 *         opened for the other direction only)
 */
int loom_tx(struct loom_port *port, unsigned index, struct loom_txring *out);
int loom_rx(struct loom_port *port, unsigned index, struct loom_rxring *out);

/** Counters of one ring (struct loom_stats in <pktloom/port.h>). */
int loom_tx_stats(const struct loom_txring *tx, struct loom_stats *out);
int loom_rx_stats(const struct loom_rxring *rx, struct loom_stats *out);

/*
 * Out-of-line halves of the verbs below; not called by programs. They take handles by value: a
 * handle whose address never leaves a function can live in registers.
 */
int loom_send_unusual(struct loom_txring tx, const void *data, size_t len);
int loom_recv_unusual(struct loom_rxring rx, struct loom_frame *frame);
int loom_reserve_unusual(struct loom_txring tx, uint32_t index, struct loom_frame *frame);
int loom_peek_unusual(struct loom_rxring rx, uint32_t index, struct loom_frame *frame);
int loom_commit_refused(struct loom_txring tx, const struct loom_frame *frame);
void loom_commit_fragments(struct loom_txring tx, const struct loom_frame *frames, unsigned n);
void loom_release_counted(struct loom_rxring rx, unsigned n);
int loom_put_refused(uint32_t len, uint32_t cap);
void loom_tx_pass_over(struct loom_txring tx);
void loom_handle_check(uint32_t id, const char *verb);
void loom_release_check(unsigned n, unsigned held);

/* -DLOOM_DEBUG: a verb on a handle of a closed port stops the program with a message. */
#ifdef LOOM_DEBUG
#define LOOM_RING(handle)           (loom_handle_check((handle)->id, __func__), (handle)->ring)
#define LOOM_CHECK_RELEASE(n, held) loom_release_check((n), (held))
#else
#define LOOM_RING(handle)           ((handle)->ring)
#define LOOM_CHECK_RELEASE(n, held) ((void)0)
#endif

LOOM_INLINE struct loom_counters *loom_counters(struct netmap_ring *ring)
{
	return (struct loom_counters *)(void *)ring->sem;
}

/*
 * A slot's first eight bytes as one word, read once: the other end of a pipe may write it at any
 * time. buf_idx in bits 0-31, len in 32-47, flags in 48-63, whatever the byte order.
 */
typedef uint64_t __attribute__((may_alias)) loom_slot_bits;
typedef uint32_t __attribute__((may_alias)) loom_slot_half;

LOOM_INLINE uint64_t loom_slot_word(const struct netmap_slot *slot)
{
	uint64_t word = __atomic_load_n((const loom_slot_bits *)slot, __ATOMIC_RELAXED);

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = (word >> 32) | ((word & 0xffff0000u) << 16) | (word << 48);
#endif
	return word;
}

LOOM_INLINE uint32_t loom_ring_next(uint32_t index, uint32_t num_slots)
{
	return index + 1 == num_slots ? 0 : index + 1;
}

LOOM_INLINE uint32_t loom_ring_distance(uint32_t from, uint32_t to, uint32_t num_slots)
{
	return to >= from ? to - from : to + num_slots - from;
}

LOOM_INLINE uint32_t loom_ring_add(uint32_t index, uint32_t n, uint32_t num_slots)
{
	uint32_t sum = index + n;

	return sum >= num_slots ? sum - num_slots : sum;
}

/*
 * Store len and flags only when they change: the line then stays shared with the reader's core.
 * NS_BUF_CHANGED is kept; the device clears it.
 */
LOOM_INLINE void loom_slot_set(struct netmap_slot *slot, uint16_t len, uint16_t flags)
{
	uint32_t have = *(const loom_slot_half *)&slot->len;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	uint32_t want = (uint32_t)len << 16 | flags;
#else
	uint32_t want = (uint32_t)flags << 16 | len;
#endif

	if (LOOM_UNLIKELY(have != want)) {
		flags = (uint16_t)(flags | (slot->flags & NS_BUF_CHANGED));
		if (slot->len != len)
			slot->len = len;
		if (slot->flags != flags)
			slot->flags = flags;
	}
}

/* ---- sync ------------------------------------------------------------------------------- */

/**
 * Send the filled slots of a TX ring and reclaim finished ones.
 *
 * Takes slots [head at the last sync, head) and advances tail. Never blocks. A full device is not
 * an error: unsent slots stay pending and tail stays put.
 *
 * Ownership: the device owns a slot and its buffer until tail passes it. buf_idx may come back
 *            changed (NS_BUF_CHANGED): reserve again after every sync.
 * Threads:   one thread per ring.
 * Ordering:  slot and payload writes made before the call are visible to the receiver when it
 *            sees the new tail.
 * @return 0; -EINVAL head was outside [head, tail] (nothing sent; a head outside the ring was put
 *         back); -ENETDOWN the interface is down or gone
 */
LOOM_INLINE int loom_tx_sync(const struct loom_txring *tx)
{
	struct netmap_ring *ring = LOOM_RING(tx);

	ring->cur = ring->head;
	return tx->sync->sync(tx->sync);
}

/**
 * Give back the released slots of an RX ring and take in new packets.
 *
 * Frames received before the call and released are the device's afterwards. Never blocks.
 *
 * Ordering: payload reads made before the call are complete before the sender may reuse a buffer;
 *           payload written by the sender before its sync is visible after this one.
 * @return 0; -EINVAL head was outside [head, tail] (restored); -ENETDOWN the interface is down or gone
 */
LOOM_INLINE int loom_rx_sync(const struct loom_rxring *rx)
{
	struct netmap_ring *ring = LOOM_RING(rx);

	ring->cur = ring->head;
	return rx->sync->sync(rx->sync);
}

/* ---- TX --------------------------------------------------------------------------------- */

/** Free slots that may be filled now (not counting what the next sync reclaims). */
LOOM_INLINE unsigned loom_tx_space(const struct loom_txring *tx)
{
	const struct netmap_ring *ring = LOOM_RING(tx);

	return loom_ring_distance(ring->head, ring->tail, tx->num_slots);
}

/** Largest packet that loom_send() takes, in bytes: as many slots as a chain may have, or the ring. */
LOOM_INLINE size_t loom_tx_max_payload(const struct loom_txring *tx)
{
	uint32_t slots = tx->num_slots - 1;

	return (size_t)tx->frame_max * (slots < NETMAP_MAX_FRAGS ? slots : NETMAP_MAX_FRAGS);
}

/**
 * Queue a copy of one packet. It leaves at the next sync.
 *
 * Packets larger than a buffer become a chain of slots (NS_MOREFRAG), all or nothing.
 *
 * @return 1 queued; 0 the ring is full (nothing queued: sync, or wait for LOOM_TX);
 *         -EMSGSIZE len is above loom_tx_max_payload()
 */
LOOM_INLINE int loom_send(const struct loom_txring *tx, const void *data, size_t len)
{
	struct netmap_ring *ring = LOOM_RING(tx);
	uint32_t head = ring->head;
	struct netmap_slot *slot = &ring->slot[head];
	uint32_t index;

	if (head == ring->tail)
		return 0;
	index = __atomic_load_n(&slot->buf_idx, __ATOMIC_RELAXED) - LOOM_FIRST_BUFFER;
	if (LOOM_UNLIKELY(len > tx->frame_max || index >= tx->num_bufs))
		return loom_send_unusual(*tx, data, len);
	memcpy(tx->buffers + index * tx->buf_size, data, len);
	loom_slot_set(slot, (uint16_t)len, 0);
	loom_counters(ring)->bytes += len;
	ring->head = loom_ring_next(head, tx->num_slots);
	return 1;
}

/**
 * Borrow up to n free slots, in ring order, to be filled in place.
 *
 * Nothing is queued before loom_commit(); reserving again without a commit gives the same slots.
 * frames[i].len is 0 and frames[i].flags is 0: set both before the commit.
 *
 * @return how many frames were filled in, 0 when the ring is full
 */
LOOM_INLINE unsigned loom_reserve(
    const struct loom_txring *tx, struct loom_frame *frames, unsigned n)
{
	struct netmap_ring *ring = LOOM_RING(tx);
	uint32_t at = ring->head, tail = ring->tail;
	unsigned i = 0;

	for (; i < n && at != tail; at = loom_ring_next(at, tx->num_slots)) {
		struct netmap_slot *slot = &ring->slot[at];
		uint32_t index =
		    __atomic_load_n(&slot->buf_idx, __ATOMIC_RELAXED) - LOOM_FIRST_BUFFER;

		if (LOOM_UNLIKELY(index >= tx->num_bufs)) {
			int usable = loom_reserve_unusual(*tx, at, &frames[i]);

			if (usable == 0)
				continue; /* a bad first slot was passed over */
			if (usable < 0)
				break;
		} else {
			frames[i].data = tx->buffers + index * tx->buf_size;
			frames[i].cap = (uint16_t)tx->frame_max;
			frames[i].slot = slot;
		}
		frames[i].len = 0;
		frames[i].flags = 0;
		i++;
	}
	return i;
}

/**
 * Queue the first n frames of the last loom_reserve(), with the len and flags they carry now.
 *
 * A chain must be committed whole, or be continued by the next commit: a sync holds back a packet
 * whose last fragment has not come.
 *
 * @return 0; -EMSGSIZE a len is above its cap, -EINVAL frames are not the ring's next free slots
 *         (nothing was queued in either case)
 */
LOOM_INLINE int loom_commit(
    const struct loom_txring *tx, const struct loom_frame *frames, unsigned n)
{
	struct netmap_ring *ring = LOOM_RING(tx);
	uint32_t at = ring->head;
	uint64_t bytes = 0;
	uint16_t flags = 0;

	if (LOOM_UNLIKELY(n > loom_ring_distance(at, ring->tail, tx->num_slots)))
		return loom_commit_refused(*tx, NULL);
	for (unsigned i = 0; i < n; i++) {
		const struct loom_frame *frame = &frames[i];

		if (LOOM_UNLIKELY(frame->len > frame->cap || frame->slot != &ring->slot[at]))
			return loom_commit_refused(*tx, frame);
		loom_slot_set(frame->slot, (uint16_t)frame->len, frame->flags);
		bytes += frame->len;
		flags = (uint16_t)(flags | frame->flags);
		at = loom_ring_next(at, tx->num_slots);
	}
	if (LOOM_UNLIKELY(flags & NS_MOREFRAG))
		loom_commit_fragments(*tx, frames, n);
	loom_counters(ring)->bytes += bytes;
	ring->head = at;
	return 0;
}

/* ---- RX --------------------------------------------------------------------------------- */

/** Slots with packets, not yet received. */
LOOM_INLINE unsigned loom_rx_space(const struct loom_rxring *rx)
{
	const struct netmap_ring *ring = LOOM_RING(rx);

	return loom_ring_distance(ring->head, ring->tail, rx->num_slots);
}

/**
 * Receive one frame and release its slot: the frame stays valid until the ring's next sync.
 *
 * A packet of several slots comes as several frames, NS_MOREFRAG on all but the last. Slots with an
 * index or a length outside the region are dropped and counted, with what follows of their packet:
 * a frame with NS_MOREFRAG is then followed by another packet (loom_recv_copy drops it whole).
 *
 * @return 1 one frame; 0 none left (sync, or wait for LOOM_RX)
 */
LOOM_INLINE int loom_recv(const struct loom_rxring *rx, struct loom_frame *frame)
{
	struct netmap_ring *ring = LOOM_RING(rx);
	uint32_t head = ring->head;
	struct netmap_slot *slot = &ring->slot[head];
	uint64_t word;

	if (head == ring->tail)
		return 0;
	word = loom_slot_word(slot) - LOOM_FIRST_BUFFER;
	if (LOOM_UNLIKELY(word & rx->unusual)) {
		struct loom_frame found; /* so that *frame itself can live in registers */
		int got = loom_recv_unusual(*rx, &found);

		if (got)
			*frame = found;
		return got;
	}
	frame->data = rx->buffers + (uint32_t)word * rx->buf_size;
	frame->len = (uint16_t)(word >> 32);
	frame->cap = (uint16_t)rx->buf_size;
	frame->flags = (uint16_t)(word >> 48);
	frame->slot = slot;
	loom_counters(ring)->bytes += frame->len;
	ring->head = loom_ring_next(head, rx->num_slots);
	return 1;
}

/**
 * Look at up to n received frames without releasing them; peeking again gives the same ones.
 *
 * @return how many frames were filled in
 */
LOOM_INLINE unsigned loom_peek(const struct loom_rxring *rx, struct loom_frame *frames, unsigned n)
{
	struct netmap_ring *ring = LOOM_RING(rx);
	uint32_t at = ring->head, tail = ring->tail;
	uint32_t bytes = 0;
	unsigned i = 0;

	loom_counters(ring)->peeked_fragments = 0;
	for (; i < n && at != tail; at = loom_ring_next(at, rx->num_slots)) {
		struct netmap_slot *slot = &ring->slot[at];
		uint64_t word = loom_slot_word(slot) - LOOM_FIRST_BUFFER;

		if (LOOM_UNLIKELY(word & rx->unusual)) {
			int usable = loom_peek_unusual(*rx, at, &frames[i]);

			if (usable == 0)
				continue; /* a bad first slot was dropped */
			if (usable < 0)
				break;
		} else {
			frames[i].data = rx->buffers + (uint32_t)word * rx->buf_size;
			frames[i].len = (uint16_t)(word >> 32);
			frames[i].cap = (uint16_t)rx->buf_size;
			frames[i].flags = (uint16_t)(word >> 48);
			frames[i].slot = slot;
		}
		bytes += frames[i].len;
		i++;
	}
	loom_counters(ring)->peeked = i;
	loom_counters(ring)->peeked_bytes = bytes;
	return i;
}

/**
 * Give back the first n slots that the last loom_peek() showed. Their buffers are the device's
 * again at the next sync. More than that is clipped in release builds, fatal with LOOM_DEBUG.
 */
LOOM_INLINE void loom_release(const struct loom_rxring *rx, unsigned n)
{
	struct netmap_ring *ring = LOOM_RING(rx);
	struct loom_counters *count = loom_counters(ring);
	uint32_t held = loom_ring_distance(ring->head, ring->tail, rx->num_slots);

	LOOM_CHECK_RELEASE(n, held);
	if (n > held)
		n = held;
	if (n == count->peeked) {
		count->bytes += count->peeked_bytes;
		count->fragments += count->peeked_fragments;
	} else {
		loom_release_counted(*rx, n);
	}
	count->peeked = count->peeked_bytes = count->peeked_fragments = 0;
	ring->head = loom_ring_add(ring->head, n, rx->num_slots);
}

/**
 * Receive one whole packet as a copy, gathering its fragments. Out of line.
 *
 * @param cap  bytes that data can take
 * @return the packet's length in bytes; -EAGAIN none (a chain that is still incomplete included);
 *         -EMSGSIZE it does not fit (it stays in the ring; *needed, if not NULL, says how much it takes)
 */
ssize_t loom_recv_copy(const struct loom_rxring *rx, void *data, size_t cap, size_t *needed);

/** When the last sync that brought packets took them in, as the ring's time stamp. */
LOOM_INLINE struct timeval loom_rx_time(const struct loom_rxring *rx)
{
	return rx->ring->ts;
}

/* ---- forward ---------------------------------------------------------------------------- */

enum loom_forwarding {
	LOOM_FORWARD_SWAP =
	    1, /* both rings live in one region: buffers change places, no byte moves */
	LOOM_FORWARD_COPY = 2
};

/** How loom_forward() moves packets between these two rings. */
LOOM_INLINE enum loom_forwarding loom_forward_how(
    const struct loom_rxring *rx, const struct loom_txring *tx)
{
	return rx->region == tx->region ? LOOM_FORWARD_SWAP : LOOM_FORWARD_COPY;
}

/**
 * Move up to n slots of received packets to a TX ring, as far as there is room. Out of line; one
 * call moves the whole batch. Only complete packets are moved; a packet larger than the target's buffers is
 * spread over more slots, one larger than loom_tx_max_payload() is dropped and counted.
 *
 * Both rings must be used by the calling thread. Neither is synced.
 * @return packets moved
 */
unsigned loom_forward(const struct loom_rxring *rx, const struct loom_txring *tx, unsigned n);

#ifdef __cplusplus
}
#endif
#endif
