/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sending through AF_XDP: descriptors of the slots' buffers go to the TX ring, completions give slots back in
 * order, whatever order they come in.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <sys/socket.h>

#include "xdp.h"

/* ---- what was sent ---- */

/* The oldest slot in flight with that buffer: as a rule the oldest one of all. */
static inline void complete(struct ring *r, struct xdp_tx *tx, uint32_t first, uint64_t buffer)
{
	uint32_t at = first;

	while (at != r->hwcur && LOOM_UNLIKELY(tx->held[at] != buffer))
		at = ring_next(r, at);
	if (at != r->hwcur)
		tx->held[at] = 0;
	else
		ring_drop(r, LOOM_DROP_BAD_PEER, 1);
}

static inline uint32_t skip_sent(const struct ring *r, const struct xdp_tx *tx, uint32_t first)
{
	while (first != r->hwcur && tx->held[first] == 0)
		first = ring_next(r, first);
	return first;
}

static void reclaim(struct ring *r, struct xdp_tx *tx)
{
	uint32_t first = skip_sent(r, tx, ring_next(r, r->hwtail));
	uint32_t index, n = xsk_ring_cons__peek(&tx->done, tx->done.size, &index);

	for (uint32_t i = 0; i < n; i++) {
		complete(r, tx, first,
		    *xsk_ring_cons__comp_addr(&tx->done, index + i) >> tx->umem->shift);
		first = skip_sent(r, tx, first);
	}
	if (n > 0) {
		xsk_ring_cons__release(&tx->done, n);
		retry_reset(&tx->retry);
	}
	r->hwtail = ring_prev(r, first);
}

/* ---- what is to be sent ---- */

enum described { WHOLE, UNFINISHED, BAD };

/*
 * Describe the packet whose slots start at *at in descriptors from `index` on; *n counts them. Slots without
 * bytes need none. Nothing is handed over yet.
 */
static inline enum described describe(
    struct ring *r, struct xdp_tx *tx, uint32_t index, uint32_t *at, uint32_t *n)
{
	const uint32_t start = *at;
	uint32_t total = 0, len;
	uint16_t flags;

	*n = 0;
	do {
		const uint8_t *data = ring_slot_data(r, *at, &len, &flags);
		uint64_t address = data ? (uint64_t)(data - tx->umem->chunks) : 0;

		tx->held[*at] = data && len > 0 ? (uint32_t)(address >> tx->umem->shift) : 0;
		*at = ring_next(r, *at);
		if (!data) {
			tx->over = flags & NS_MOREFRAG;
			return BAD;
		}
		if (len > 0)
			*xsk_ring_prod__tx_desc(&tx->ring, index + (*n)++) = (struct xdp_desc){
			    .addr = address, .len = len, .options = XDP_DESC_CONTINUED};
		total += len;
	} while (flags & NS_MOREFRAG && *at != r->rhead && *n < XDP_FRAGS_MAX);
	/* A chain that can never be finished would block the ring for ever. */
	if (flags & NS_MOREFRAG && *n < XDP_FRAGS_MAX &&
	    ring_distance(r, start, *at) < r->num_slots - 1)
		return UNFINISHED;
	tx->over = flags & NS_MOREFRAG;
	if (tx->over || total < ETH_HLEN || (*n > 1 && !tx->fragments)) {
		ring_drop(r, LOOM_DROP_BAD_LENGTH, 1);
		return BAD;
	}
	xsk_ring_prod__tx_desc(&tx->ring, index + *n - 1)->options = 0;
	return WHOLE;
}

/* Slots in [from, to) are not sent. */
static void forget(const struct ring *r, struct xdp_tx *tx, uint32_t from, uint32_t to)
{
	for (; from != to; from = ring_next(r, from))
		tx->held[from] = 0;
}

/* What remains of a chain whose beginning was dropped. */
static void pass_over(struct ring *r, struct xdp_tx *tx)
{
	while (tx->over && r->hwcur != r->rhead) {
		uint64_t word = loom_slot_word(&r->common.ring->slot[r->hwcur]);

		tx->over = (word >> 48) & NS_MOREFRAG;
		tx->held[r->hwcur] = 0;
		r->hwcur = ring_next(r, r->hwcur);
	}
}

/* The TX ring is never shorter than the ring; but the kernel may say late what it has taken. */
static bool has_room(struct ring *r, struct xdp_tx *tx)
{
	uint32_t n = ring_distance(r, r->hwcur, r->rhead);

	return xsk_prod_nb_free(&tx->ring, n) >= n;
}

/* Put the packets in [hwcur, rhead) into the TX ring; hwcur follows. */
static void queue(struct ring *r, struct xdp_tx *tx)
{
	uint32_t at, index, n, all = 0;

	if (!has_room(r, tx))
		return;
	xsk_ring_prod__reserve(&tx->ring, 0, &index);
	if (LOOM_UNLIKELY(tx->over))
		pass_over(r, tx);
	for (at = r->hwcur; at != r->rhead; r->hwcur = at) {
		enum described found = describe(r, tx, index + all, &at, &n);

		if (found == UNFINISHED)
			break;
		if (found == WHOLE) {
			all += n;
			continue;
		}
		forget(r, tx, r->hwcur, at);
		r->hwcur = at;
		pass_over(r, tx);
		at = r->hwcur;
	}
	if (all == 0)
		return;
	xsk_ring_prod__reserve(&tx->ring, all, &index);
	xsk_ring_prod__submit(&tx->ring, all);
}

/* ---- telling the kernel ---- */

/* Descriptors that the kernel has not taken yet. */
static uint32_t left(const struct xdp_tx *tx)
{
	return __atomic_load_n(tx->ring.producer, __ATOMIC_RELAXED) -
	       __atomic_load_n(tx->ring.consumer, __ATOMIC_ACQUIRE);
}

/* 0: there is no more to be done now; -EAGAIN: it took some, and more may go; or the link's error. */
static int kick_once(struct ring *r, const struct xdp_tx *tx)
{
	if (sendto(tx->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
		return 0;
	switch (errno) {
	case EBUSY: /* without a carrier: the kernel has thrown one away */
		ring_drop(r, LOOM_DROP_REFUSED, 1);
		return -EAGAIN;
	case ENETDOWN:
	case ENXIO:
	case ENODEV:
		return link_check(r->port, tx->link_fd);
	default: /* EAGAIN and the like: so many at a time, or no more room */
		return -EAGAIN;
	}
}

static int kick(struct ring *r, const struct xdp_tx *tx)
{
	uint32_t now = left(tx), before;
	int err;

	if (now == 0 || !xsk_ring_prod__needs_wakeup(&tx->ring))
		return 0;
	do {
		err = kick_once(r, tx);
		before = now;
		now = left(tx);
	} while (err == -EAGAIN && now > 0 && now < before);
	return err == -EAGAIN ? 0 : err;
}

int xdp_txsync(struct ring *r)
{
	struct xdp_tx *tx = r->state;
	int err;

	if (r->hwcur != r->rhead)
		queue(r, tx);
	err = kick(r, tx);
	reclaim(r, tx);
	r->pending = left(tx) > 0;
	return err;
}

/* ---- sleeping, and users that come and go ---- */

/* Positions are left alone: another process may have the ring's turn. */
static bool has_news(const struct xdp_tx *tx)
{
	return __atomic_load_n(tx->done.producer, __ATOMIC_ACQUIRE) !=
	       __atomic_load_n(tx->done.consumer, __ATOMIC_RELAXED);
}

int xdp_tx_arm(struct ring *r, struct pollfd *out)
{
	struct xdp_tx *tx = r->state;
	int err = retry_open(&tx->retry, out);

	if (err)
		return err;
	if (has_news(tx) || (ring_ready(r) && !r->pending))
		return 1;
	return retry_start(&tx->retry);
}

void xdp_tx_disarm(struct ring *r)
{
	struct xdp_tx *tx = r->state;

	if (r->pending)
		retry_start(&tx->retry); /* there is room again, but what is pending wants a sync */
	else
		retry_stop(&tx->retry);
}

void xdp_tx_stop(struct ring *r)
{
	struct xdp_tx *tx = r->state;

	tx->over = false;
	r->pending = false;
	if (!r->port->held_elsewhere)
		r->hwtail = ring_prev(r, r->hwcur);
}

void xdp_tx_take(struct xdp_tx *tx)
{
	tx->done.cached_cons = __atomic_load_n(tx->done.consumer, __ATOMIC_RELAXED);
	tx->done.cached_prod = tx->done.cached_cons;
	tx->ring.cached_prod = __atomic_load_n(tx->ring.producer, __ATOMIC_RELAXED);
	tx->ring.cached_cons = tx->ring.cached_prod;
}
