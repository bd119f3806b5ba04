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
 * A port opened with offsets (loom_config.offset, "@offset:initial=64") has packets that do not start
 * where their buffers do. Frames then have data = buffer + offset and cap = buffer size - offset, and
 * every slot takes the verbs' careful way, out of line: ports without offsets pay nothing. Sending verbs
 * put a slot's packet at the port's initial offset, whatever the slot said before; receiving ones
 * find it where its sender says, and drop (bad-length) what would not lie inside the buffer.
 * The bytes before data are the program's: to put a header there, move data back and say so in the slot
 * (loom_tx_slot(), NETMAP_WOFFSET of <net/netmap_user.h>). Both ends of a pipe need offsets, or none:
 * the slots are the same, and who has none looks at the buffer's start.
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

/*
 * Static in programs, so that what a compiler does not inline is the program's own (its -DLOOM_DEBUG, its
 * version of these headers). src/port/exports.c has every inline once more as a function, for other
 * languages.
 */
#ifndef LOOM_INLINE
#define LOOM_INLINE static inline
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
	uint8_t *buffers; /* address of buffer LOOM_FIRST_BUFFER, plus the initial offset */
	struct loom_sync *sync;
	size_t buf_size;
	uint32_t num_slots;
	uint32_t num_bufs;  /* from LOOM_FIRST_BUFFER on; with offsets 0: no slot is ordinary */
	uint32_t frame_max; /* bytes that fit one slot: buf_size less the initial offset */
	uint32_t chain_max; /* slots that one packet may have */
	const void *region;
	uint32_t id;          /* of the port, for debug builds */
	uint32_t all_bufs;    /* num_bufs as it really is */
	uint64_t offset_mask; /* bits of slot.ptr that hold offsets; 0: there are none */
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
	uint64_t offset_mask; /* bits of slot.ptr that hold offsets; 0: there are none */
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
int loom_send_unusual(struct loom_txring ring, const void *data, size_t len);
int loom_recv_unusual(struct loom_rxring ring, struct loom_frame *frame);
int loom_peek_unusual(
    struct loom_rxring rx, const struct netmap_slot *slot, struct loom_frame *frame);
int loom_commit_refused(struct loom_txring tx, unsigned n);
int loom_put_refused(uint32_t len, uint32_t cap);
void loom_commit_fragments(struct loom_txring ring, const struct loom_frame *frames, unsigned n);
void loom_release_counted(struct loom_rxring ring, unsigned n);
unsigned loom_reserve_unusual(struct loom_txring ring, struct loom_frame *frames, unsigned n);
bool loom_tx_slot_unusual(struct loom_txring ring);
uint32_t loom_tx_slots_unusual(struct loom_txring ring);
void loom_rx_drop(struct loom_rxring rx);
struct loom_sync *loom_ring_enter(struct loom_sync *sync, uint32_t id, const char *verb);
void loom_ring_leave(struct loom_sync **entered);
void loom_debug_begin(void);
void loom_release_check(unsigned n, unsigned held);

/*
 * Begins a verb: declares `ring`. -DLOOM_DEBUG: a verb on a handle of a closed port, or while another thread is
 * in a verb of the same ring or waits for its port, stops the program with a message.
 */
#ifdef LOOM_DEBUG
__attribute__((constructor)) static void loom_debug(void)
{
	loom_debug_begin();
}
/* NOLINTBEGIN(bugprone-macro-parentheses): a declaration */
#define LOOM_RING(ring_, handle)                                                                   \
	struct loom_sync *loom_entered_ __attribute__((cleanup(loom_ring_leave), unused)) =        \
	    loom_ring_enter((handle)->sync, (handle)->id, __func__);                               \
	struct netmap_ring *ring_ = (handle)->ring
/* NOLINTEND(bugprone-macro-parentheses) */
#define LOOM_CHECK_RELEASE(n, held) loom_release_check((n), (held))
#else
#define LOOM_RING(ring_, handle)    struct netmap_ring *ring_ = (handle)->ring
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

/*
 * The wrap is a branch that is predicted, not a conditional move, which would put three cycles into a
 * chain through every slot (recv 1.27 → 1.04 ns a packet; plain __builtin_expect does not sway gcc 12).
 */
LOOM_INLINE uint32_t loom_ring_next(uint32_t index, uint32_t num_slots)
{
	return __builtin_expect_with_probability(index + 1 == num_slots, 0, 0.9999) ? 0 : index + 1;
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
	LOOM_RING(ring, tx);

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
	LOOM_RING(ring, rx);

	ring->cur = ring->head;
	return rx->sync->sync(rx->sync);
}

/* ---- TX --------------------------------------------------------------------------------- */

/** Free slots that may be filled now (not counting what the next sync reclaims). */
LOOM_INLINE unsigned loom_tx_space(const struct loom_txring *tx)
{
	LOOM_RING(ring, tx);

	return loom_ring_distance(ring->head, ring->tail, tx->num_slots);
}

/** Largest packet that loom_send() takes, in bytes: as many slots as a packet may have here. */
LOOM_INLINE size_t loom_tx_max_payload(const struct loom_txring *tx)
{
	return (size_t)tx->frame_max * tx->chain_max;
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
	LOOM_RING(ring, tx);
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

/* Frames for n slots in a row; fewer where one has no buffer. */
LOOM_INLINE unsigned loom_reserve_run(const struct loom_txring *tx, const struct netmap_slot *slot,
    struct loom_frame *frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++, slot++) {
		uint32_t index =
		    __atomic_load_n(&slot->buf_idx, __ATOMIC_RELAXED) - LOOM_FIRST_BUFFER;

		if (LOOM_UNLIKELY(index >= tx->num_bufs))
			return i;
		frames[i].data = tx->buffers + index * tx->buf_size;
		frames[i].cap = tx->frame_max;
		frames[i].len = 0;
		frames[i].flags = 0;
	}
	return n;
}

/**
 * Borrow up to n free slots, in ring order, to be filled in place.
 *
 * Nothing is queued before loom_commit(); reserving again without a commit gives the same slots.
 * frames[i].len and frames[i].flags are 0: set both before the commit.
 *
 * @return how many frames were filled in, 0 when the ring is full
 */
LOOM_INLINE unsigned loom_reserve(
    const struct loom_txring *tx, struct loom_frame *frames, unsigned n)
{
	LOOM_RING(ring, tx);
	uint32_t head = ring->head;
	uint32_t free = loom_ring_distance(head, ring->tail, tx->num_slots);
	uint32_t all = n < free ? n : free;
	uint32_t run = all < tx->num_slots - head ? all : tx->num_slots - head;
	unsigned got = loom_reserve_run(tx, &ring->slot[head], frames, run);

	if (got == run)
		got += loom_reserve_run(tx, &ring->slot[0], frames + run, all - run);
	return got > 0 || all == 0 ? got : loom_reserve_unusual(*tx, frames, n);
}

/* Give n slots in a row the len and flags of their frames; false: one len is too large. */
LOOM_INLINE bool loom_commit_run(const struct loom_txring *tx, struct netmap_slot *slot,
    const struct loom_frame *frames, unsigned n, uint64_t *bytes, uint16_t *flags)
{
	for (unsigned i = 0; i < n; i++, slot++) {
		if (LOOM_UNLIKELY(frames[i].len > tx->frame_max))
			return false;
		loom_slot_set(slot, frames[i].len, frames[i].flags);
		*bytes += frames[i].len;
		*flags = (uint16_t)(*flags | frames[i].flags);
	}
	return true;
}

/**
 * Queue the first n slots of the last loom_reserve(): frames[i] is the i-th, with the len and flags it
 * carries now.
 *
 * A chain must be committed whole, or be continued by the next commit: a sync holds back a packet
 * whose last fragment has not come.
 *
 * @return 0; -EMSGSIZE a len is above its cap, -EINVAL fewer than n slots are free (nothing was
 *         queued in either case)
 */
LOOM_INLINE int loom_commit(
    const struct loom_txring *tx, const struct loom_frame *frames, unsigned n)
{
	LOOM_RING(ring, tx);
	uint32_t head = ring->head;
	uint32_t run = n < tx->num_slots - head ? n : tx->num_slots - head;
	uint64_t bytes = 0;
	uint16_t flags = 0;

	if (LOOM_UNLIKELY(n > loom_ring_distance(head, ring->tail, tx->num_slots)) ||
	    !loom_commit_run(tx, &ring->slot[head], frames, run, &bytes, &flags) ||
	    !loom_commit_run(tx, &ring->slot[0], frames + run, n - run, &bytes, &flags))
		return loom_commit_refused(*tx, n);
	if (LOOM_UNLIKELY(flags & NS_MOREFRAG))
		loom_commit_fragments(*tx, frames, n);
	loom_counters(ring)->bytes += bytes;
	ring->head = loom_ring_add(head, n, tx->num_slots);
	return 0;
}

/** The slot behind frames[i] of the last reserve: for swapping buf_idx by hand (NS_BUF_CHANGED). */
LOOM_INLINE struct netmap_slot *loom_tx_slot(const struct loom_txring *tx, unsigned i)
{
	LOOM_RING(ring, tx);

	return &ring->slot[loom_ring_add(ring->head, i, tx->num_slots)];
}

/* ---- RX --------------------------------------------------------------------------------- */

/** Slots with packets, not yet received. */
LOOM_INLINE unsigned loom_rx_space(const struct loom_rxring *rx)
{
	LOOM_RING(ring, rx);

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
	LOOM_RING(ring, rx);
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
	frame->cap = (uint32_t)rx->buf_size;
	frame->flags = (uint16_t)(word >> 48);
	loom_counters(ring)->bytes += frame->len;
	ring->head = loom_ring_next(head, rx->num_slots);
	return 1;
}

/* Frames for n slots in a row; fewer where one does not hold. */
LOOM_INLINE unsigned loom_peek_run(const struct loom_rxring *rx, const struct netmap_slot *slot,
    struct loom_frame *frames, unsigned n, uint32_t *bytes)
{
	for (unsigned i = 0; i < n; i++, slot++) {
		uint64_t word = loom_slot_word(slot) - LOOM_FIRST_BUFFER;

		if (LOOM_UNLIKELY(word & rx->unusual)) {
			if (!loom_peek_unusual(*rx, slot, &frames[i]))
				return i;
		} else {
			frames[i].data = rx->buffers + (uint32_t)word * rx->buf_size;
			frames[i].cap = (uint32_t)rx->buf_size;
			frames[i].len = (uint16_t)(word >> 32);
			frames[i].flags = (uint16_t)(word >> 48);
		}
		*bytes += frames[i].len;
	}
	return n;
}

/**
 * Look at up to n received frames without releasing them; peeking again gives the same ones.
 *
 * @return how many frames were filled in
 */
LOOM_INLINE unsigned loom_peek(const struct loom_rxring *rx, struct loom_frame *frames, unsigned n)
{
	LOOM_RING(ring, rx);
	struct loom_counters *count = loom_counters(ring);

	for (;;) {
		uint32_t head = ring->head, bytes = 0;
		uint32_t held = loom_ring_distance(head, ring->tail, rx->num_slots);
		uint32_t all = n < held ? n : held;
		uint32_t run = all < rx->num_slots - head ? all : rx->num_slots - head;
		unsigned got;

		count->peeked_fragments = 0;
		got = loom_peek_run(rx, &ring->slot[head], frames, run, &bytes);
		if (got == run)
			got += loom_peek_run(rx, &ring->slot[0], frames + run, all - run, &bytes);
		count->peeked = got;
		count->peeked_bytes = bytes;
		if (got > 0 || all == 0)
			return got;
		loom_rx_drop(*rx);
	}
}

/** The slot behind frames[i] of the last peek: for swapping buf_idx by hand (NS_BUF_CHANGED). */
LOOM_INLINE struct netmap_slot *loom_rx_slot(const struct loom_rxring *rx, unsigned i)
{
	LOOM_RING(ring, rx);

	return &ring->slot[loom_ring_add(ring->head, i, rx->num_slots)];
}

/**
 * Give back the first n slots that the last loom_peek() showed. Their buffers are the device's
 * again at the next sync. More than that is clipped in release builds, fatal with LOOM_DEBUG.
 */
LOOM_INLINE void loom_release(const struct loom_rxring *rx, unsigned n)
{
	LOOM_RING(ring, rx);
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

/**
 * When the last sync that brought packets took them in (wall clock): exact with NR_TIMESTAMP in
 * ring->flags, else up to about five microseconds early.
 */
LOOM_INLINE struct timeval loom_rx_time(const struct loom_rxring *rx)
{
	LOOM_RING(ring, rx);

	return ring->ts;
}

/* ---- forward ---------------------------------------------------------------------------- */

enum loom_forwarding {
	LOOM_FORWARD_SWAP =
	    1, /* both rings live in one region: buffers change places, no byte moves, and a packet
		  keeps its offset */
	LOOM_FORWARD_COPY = 2
};

/**
 * How loom_forward() moves packets between these two rings. Offsets that the target cannot express (it has
 * none, or fewer bits) are a reason to copy: the packet then starts at the target's initial offset.
 */
LOOM_INLINE enum loom_forwarding loom_forward_how(
    const struct loom_rxring *rx, const struct loom_txring *tx)
{
	return rx->region == tx->region && !(rx->offset_mask & ~tx->offset_mask)
		   ? LOOM_FORWARD_SWAP
		   : LOOM_FORWARD_COPY;
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
