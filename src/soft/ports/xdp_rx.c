/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receiving through AF_XDP: buffers of released slots go to the fill ring, received descriptors come to
 * slots. Nothing is copied here but what does not start where the ring's packets start.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_xdp.h>

#include "../../os/os.h"
#include "xdp.h"

static inline uint64_t address_of(const struct xdp_umem *umem, uint32_t buffer)
{
	return (uint64_t)buffer << umem->shift;
}

static inline bool is_buffer(const struct xdp_umem *umem, uint64_t buffer)
{
	return buffer >= REGION_FIRST_BUFFER && buffer < umem->num_bufs;
}

/* Rings of other threads may name the same buffer, wrongly: the mark is a byte that both can write. */
static inline void mark(const struct xdp_umem *umem, uint32_t buffer, bool held)
{
	__atomic_store_n(&umem->held[buffer], held, __ATOMIC_RELAXED);
}

static inline bool is_marked(const struct xdp_umem *umem, uint32_t buffer)
{
	return __atomic_load_n(&umem->held[buffer], __ATOMIC_RELAXED);
}

/* ---- to the kernel ---- */

/* A slot's buffer for the kernel; 0: it has none that could be given, and is counted. */
static inline uint32_t slot_take(struct ring *r, struct xdp_rx *rx, uint32_t at)
{
	uint32_t buffer = __atomic_load_n(&r->common.ring->slot[at].buf_idx, __ATOMIC_RELAXED);

	if (LOOM_UNLIKELY(!is_buffer(rx->umem, buffer) || is_marked(rx->umem, buffer))) {
		ring_drop(r, LOOM_DROP_BAD_INDEX, 1);
		rx->held[at] = 0;
		return 0;
	}
	mark(rx->umem, buffer, true);
	rx->held[at] = buffer;
	return buffer;
}

/* Buffers of n slots from `at` on. The fill ring has room for two of each. */
static void give(struct ring *r, struct xdp_rx *rx, uint32_t at, uint32_t n)
{
	uint32_t index, given = 0;

	if (xsk_prod_nb_free(&rx->fill, n) < n)
		return; /* the kernel is behind by a whole ring: not reached */
	xsk_ring_prod__reserve(&rx->fill, 0, &index);
	for (; n > 0; n--, at = ring_next(r, at)) {
		uint32_t buffer = slot_take(r, rx, at);

		*xsk_ring_prod__fill_addr(&rx->fill, index + given) = address_of(rx->umem, buffer);
		given += buffer != 0;
	}
	if (given == 0)
		return;
	xsk_ring_prod__reserve(&rx->fill, given, &index);
	xsk_ring_prod__submit(&rx->fill, given);
}

/* One buffer that was received in vain. */
static void give_back(struct xdp_rx *rx, uint32_t buffer)
{
	uint32_t index;

	if (xsk_ring_prod__reserve(&rx->fill, 1, &index) != 1)
		return;
	*xsk_ring_prod__fill_addr(&rx->fill, index) = address_of(rx->umem, buffer);
	xsk_ring_prod__submit(&rx->fill, 1);
}

/* ---- from the kernel ---- */

/* The slot in [at, end) that a received buffer stands in for; `end` if there is none. */
static uint32_t slot_of(
    const struct ring *r, const struct xdp_rx *rx, uint32_t at, uint32_t end, uint32_t buffer)
{
	while (at != end && rx->held[at] != buffer)
		at = ring_next(r, at);
	return at;
}

/* Let the slot at `at` show the received buffer. False: the kernel never had it for this ring. */
static inline bool slot_show(struct ring *r, struct xdp_rx *rx, uint32_t at, uint32_t buffer)
{
	uint32_t other;

	if (rx->held[at] == buffer)
		return true;
	other = slot_of(r, rx, ring_next(r, at), r->hwcur, buffer);
	if (other == r->hwcur)
		return false;
	rx->held[other] = rx->held[at];
	rx->held[at] = buffer;
	__atomic_store_n(&r->common.ring->slot[other].buf_idx, rx->held[other], __ATOMIC_RELAXED);
	return true;
}

/* A packet that does not start where the ring's packets do is moved there; false: it does not fit. */
static bool move(const struct ring *r, uint32_t at, const uint8_t *from, uint32_t len)
{
	uint32_t room;
	uint8_t *to = ring_slot_space(r, at, &room);

	if (!to || len > room)
		return false;
	if (to != from)
		memmove(to, from, len);
	return true;
}

/* A packet that is not taken: its buffer, and what of it has yet to come, go back to the kernel. */
static bool drop(struct xdp_rx *rx, uint32_t buffer, bool more)
{
	rx->skipping = more;
	give_back(rx, buffer);
	return false;
}

/* One descriptor to the slot at `at`; false: it was dropped. */
static inline bool take_one(
    struct ring *r, struct xdp_rx *rx, uint32_t at, const struct xdp_desc *desc)
{
	const struct xdp_umem *umem = rx->umem;
	struct netmap_slot *slot = &r->common.ring->slot[at];
	const uint64_t address = desc->addr, buffer = address >> umem->shift;
	const uint16_t changed = rx->held[at] == buffer ? 0 : NS_BUF_CHANGED;
	const bool more = desc->options & XDP_DESC_CONTINUED;
	const uint64_t start = address & ((1u << umem->shift) - 1);

	if (LOOM_UNLIKELY(!is_buffer(umem, buffer) || !slot_show(r, rx, at, (uint32_t)buffer))) {
		ring_drop(r, LOOM_DROP_BAD_PEER, 1);
		rx->skipping = more;
		return false;
	}
	slot->buf_idx = (uint32_t)buffer;
	slot->len = (uint16_t)desc->len;
	slot->flags = (uint16_t)(changed | (more ? NS_MOREFRAG : 0));
	if (LOOM_UNLIKELY(rx->skipping))
		return drop(rx, (uint32_t)buffer, more);
	if (start == XDP_HEADROOM && !ring_offset_mask(r))
		return true;
	if (move(r, at, umem->chunks + address, desc->len))
		return true;
	ring_drop(r, LOOM_DROP_OVERSIZED, 1);
	return drop(rx, (uint32_t)buffer, more);
}

/* The slots of a chain that was begun and cannot be ended are the kernel's again. */
static void chain_give_back(const struct ring *r, struct xdp_rx *rx, uint32_t end)
{
	for (uint32_t at = r->hwtail; at != end; at = ring_next(r, at))
		give_back(rx, rx->held[at]);
}

/*
 * Up to n descriptors from `index` on to slots from hwtail on, which moves behind the last whole packet.
 * Returns how many descriptors that took, those of dropped packets included.
 */
static inline uint32_t take_some(struct ring *r, struct xdp_rx *rx, uint32_t index, uint32_t n)
{
	uint32_t at = r->hwtail, used = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&rx->ring, index + i);

		if (take_one(r, rx, at, desc)) {
			at = ring_next(r, at);
			if (LOOM_UNLIKELY(desc->options & XDP_DESC_CONTINUED))
				continue;
			r->hwtail = at;
		} else {
			chain_give_back(r, rx, at);
			at = r->hwtail;
		}
		used = i + 1;
	}
	return used;
}

static void marks_clear(struct ring *r, const struct xdp_rx *rx, uint32_t at)
{
	for (; at != r->hwtail; at = ring_next(r, at))
		mark(rx->umem, rx->held[at], false);
}

/* A chain without room for its end waits for more; one that never has room is skipped. */
static void chain_wait(struct ring *r, struct xdp_rx *rx, uint32_t n, uint32_t used)
{
	if (used == 0 && n == r->num_slots - 1) {
		ring_drop(r, LOOM_DROP_OVERSIZED, 1);
		rx->skipping = true;
	}
	xsk_ring_cons__cancel(&rx->ring, n - used);
}

/* How many slots were filled. */
static uint32_t take(struct ring *r, struct xdp_rx *rx)
{
	const uint32_t room = ring_distance(r, r->hwtail, ring_prev(r, r->hwcur));
	const uint32_t from = r->hwtail;
	uint32_t index, used, n = xsk_ring_cons__peek(&rx->ring, room, &index);

	if (n == 0)
		return 0;
	used = take_some(r, rx, index, n);
	if (LOOM_UNLIKELY(used < n))
		chain_wait(r, rx, n, used);
	if (used > 0)
		xsk_ring_cons__release(&rx->ring, used);
	marks_clear(r, rx, from);
	return ring_distance(r, from, r->hwtail);
}

/* ---- the rest of a sync ---- */

static void count_kernel_drops(struct ring *r, struct xdp_rx *rx)
{
	struct xdp_statistics counted = {0};
	socklen_t size = sizeof counted;
	uint64_t drops;

	if (getsockopt(rx->fd, SOL_XDP, XDP_STATISTICS, &counted, &size) != 0)
		return;
	drops = counted.rx_dropped + counted.rx_ring_full;
	ring_drop(r, LOOM_DROP_NO_ROOM, drops - rx->counted);
	rx->counted = drops;
}

static int look(struct ring *r, struct xdp_rx *rx)
{
	count_kernel_drops(r, rx);
	return link_look(r->port, &rx->link);
}

/* The driver sleeps until it is told that there are buffers, or is run by whoever receives. */
static void wake(const struct xdp_rx *rx)
{
	if (rx->busy_poll || xsk_ring_prod__needs_wakeup(&rx->fill))
		recvfrom(rx->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

int xdp_rxsync(struct ring *r)
{
	struct xdp_rx *rx = r->state;
	uint32_t taken;

	if (r->hwcur != r->rhead) {
		give(r, rx, r->hwcur, ring_distance(r, r->hwcur, r->rhead));
		r->hwcur = r->rhead;
	}
	taken = take(r, rx);
	if (taken > 0) {
		r->common.stats.packets += taken;
		ring_stamp(r);
		return 0;
	}
	wake(rx);
	return ring_ready(r) || !link_look_is_due(&rx->link) ? 0 : look(r, rx);
}

/* Positions are left alone: another process may have the ring's turn. */
static bool is_empty(const struct xdp_rx *rx)
{
	return __atomic_load_n(rx->ring.producer, __ATOMIC_ACQUIRE) ==
	       __atomic_load_n(rx->ring.consumer, __ATOMIC_RELAXED);
}

static int pollset_make(struct xdp_rx *rx)
{
	int err;

	rx->pollset = os_pollset_create();
	if (rx->pollset < 0)
		return rx->pollset;
	err = os_pollset_add(rx->pollset, rx->fd, POLLIN);
	if (!err)
		err = os_pollset_add(rx->pollset, rx->link.fd, POLLIN);
	if (!err)
		return 0;
	close(rx->pollset);
	rx->pollset = -1;
	return err;
}

int xdp_rx_arm(struct ring *r, struct pollfd *out)
{
	struct xdp_rx *rx = r->state;
	int err = rx->pollset < 0 ? pollset_make(rx) : 0;

	if (err)
		return err;
	out->fd = rx->pollset;
	out->events = POLLIN;
	wake(rx);
	/* A link that is down is news too: the sync that follows says so. */
	return look(r, rx) != 0 || ring_ready(r) || !is_empty(rx);
}

/* ---- users come and go ---- */

static uint32_t slots_of_kernel(const struct ring *r)
{
	uint32_t n = ring_distance(r, r->hwtail, r->hwcur);

	return n == 0 ? r->num_slots : n;
}

static void throw_away(struct ring *r, struct xdp_rx *rx)
{
	uint32_t index, n = xsk_ring_cons__peek(&rx->ring, r->num_slots, &index);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t buffer =
		    xsk_ring_cons__rx_desc(&rx->ring, index + i)->addr >> rx->umem->shift;

		if (is_buffer(rx->umem, buffer))
			give_back(rx, (uint32_t)buffer);
	}
	if (n > 0)
		xsk_ring_cons__release(&rx->ring, n);
	rx->skipping = false;
}

/* The ring's own buffers: what is marked there, a process that was killed has left. */
static void fill(struct ring *r, struct xdp_rx *rx)
{
	const uint32_t n = slots_of_kernel(r);

	for (uint32_t i = 0, at = r->hwtail; i < n; i++, at = ring_next(r, at)) {
		uint32_t buffer =
		    __atomic_load_n(&r->common.ring->slot[at].buf_idx, __ATOMIC_RELAXED);

		if (is_buffer(rx->umem, buffer))
			mark(rx->umem, buffer, false);
	}
	give(r, rx, r->hwtail, n);
}

void xdp_rx_start(struct ring *r)
{
	struct xdp_rx *rx = r->state;

	if (rx->filled)
		throw_away(r, rx);
	else
		fill(r, rx);
	rx->filled = true;
}

void xdp_rx_stop(struct ring *r)
{
	struct xdp_rx *rx = r->state;
	uint32_t at = r->hwtail;

	if (!rx->filled)
		return;
	rx->filled = rx->skipping = false;
	if (r->port->held_elsewhere)
		return;
	for (uint32_t n = slots_of_kernel(r); n > 0; n--, at = ring_next(r, at)) {
		__atomic_store_n(&r->common.ring->slot[at].buf_idx, rx->held[at], __ATOMIC_RELAXED);
		mark(rx->umem, rx->held[at], false);
	}
}

/* What the kernel sees of the rings' positions is all there is to know. */
void xdp_rx_take(struct xdp_rx *rx)
{
	rx->ring.cached_cons = __atomic_load_n(rx->ring.consumer, __ATOMIC_RELAXED);
	rx->ring.cached_prod = rx->ring.cached_cons;
	rx->fill.cached_prod = __atomic_load_n(rx->fill.producer, __ATOMIC_RELAXED);
	rx->fill.cached_cons = rx->fill.cached_prod;
}
