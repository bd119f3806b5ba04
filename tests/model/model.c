/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules of rings and of links between them. */
#include "model.h"

#include <errno.h>

#include <pktloom/compat/net/netmap.h>

#define FIRST_BUFFER 2u

uint32_t model_next(const struct model_link *link, uint32_t k)
{
	return (k + 1) % link->n;
}

static uint32_t previous(const struct model_link *link, uint32_t k)
{
	return (k + link->n - 1) % link->n;
}

uint32_t model_distance(const struct model_link *link, uint32_t from, uint32_t to)
{
	return (to + link->n - from) % link->n;
}

/* Whether k is one of [from, to). */
static bool within(const struct model_link *link, uint32_t k, uint32_t from, uint32_t to)
{
	return model_distance(link, from, k) < model_distance(link, from, to);
}

struct model_slot *model_slot(struct model_link *link, uint32_t k)
{
	return within(link, k, link->reclaimed, link->published) ? &link->rx[k] : &link->tx[k];
}

void model_link_init(struct model_link *link, uint32_t n, uint32_t num_bufs, uint32_t buf_size)
{
	*link = (struct model_link){.n = n, .num_bufs = num_bufs, .buf_size = buf_size};
	for (uint32_t k = 0; k < n; k++)
		link->tx[k].len = (uint16_t)buf_size;
}

/* ---- what a program may say ---- */

/* A program that gave up a bad buffer or length gets the slot back empty. */
static bool clear_bad_slots(struct model_link *link)
{
	bool found = false;

	for (uint32_t k = 0; k < link->n; k++) {
		struct model_slot *slot = model_slot(link, k);
		bool bad_buffer = slot->buf_idx < FIRST_BUFFER || slot->buf_idx >= link->num_bufs;

		if (!bad_buffer && slot->len <= link->buf_size)
			continue;
		if (bad_buffer)
			slot->buf_idx = 0;
		slot->len = 0;
		found = true;
	}
	return found;
}

/* Bad pointers: nothing moves. Those that could be a slot's are kept for the next time. */
static void refuse(struct model_ring *ring)
{
	const uint32_t n = ring->link->n;
	bool cleared = clear_bad_slots(ring->link);

	if (ring->head < n && ring->cur < n && !cleared) {
		ring->rhead = ring->head;
		ring->rcur = ring->cur;
	} else {
		ring->head = ring->rhead = ring->hwcur;
		ring->cur = ring->rcur = ring->hwcur;
	}
	ring->tail = ring->hwtail;
}

bool model_acceptable(const struct model_ring *ring)
{
	const struct model_link *link = ring->link;
	uint32_t head, cur, tail;

	if (ring->head >= link->n || ring->cur >= link->n)
		return false;
	head = model_distance(link, ring->rhead, ring->head);
	cur = model_distance(link, ring->rhead, ring->cur);
	tail = model_distance(link, ring->rhead, ring->hwtail);
	return head <= cur && cur <= tail;
}

/* ---- what a sync does ---- */

/* Whole packets only: up to the last slot that is not to be continued. */
static void publish(struct model_ring *ring)
{
	struct model_link *link = ring->link;
	uint32_t end = ring->hwcur;

	for (uint32_t k = ring->hwcur; k != ring->rhead; k = model_next(link, k))
		if (!(link->tx[k].flags & NS_MOREFRAG))
			end = model_next(link, k);
	for (; ring->hwcur != end; ring->hwcur = model_next(link, ring->hwcur))
		link->rx[ring->hwcur] = link->tx[ring->hwcur];
	link->published = end;
}

/* Slots come back as the receiver left them; one of the ring always stays empty. */
static void reclaim(struct model_ring *ring)
{
	struct model_link *link = ring->link;

	for (; link->reclaimed != link->released;
	     link->reclaimed = model_next(link, link->reclaimed))
		link->tx[link->reclaimed] = link->rx[link->reclaimed];
	ring->hwtail = previous(link, link->released);
}

int model_sync(struct model_ring *ring)
{
	if (!model_acceptable(ring)) {
		refuse(ring);
		return -EINVAL;
	}
	ring->rhead = ring->head;
	ring->rcur = ring->cur;
	if (ring->tx) {
		publish(ring);
		reclaim(ring);
	} else {
		ring->link->released = ring->hwcur = ring->rhead;
		ring->hwtail = ring->link->published;
	}
	ring->tail = ring->hwtail;
	return 0;
}

/* The end's last user may have had offsets, which its free slots would still say. */
static void forget_offsets(const struct model_ring *ring)
{
	struct model_link *link = ring->link;
	uint32_t end = model_next(link, ring->hwtail), k = ring->hwcur;

	do
		link->tx[k].ptr = 0;
	while ((k = model_next(link, k)) != end);
}

void model_ring_open(struct model_ring *ring, struct model_link *link, bool tx)
{
	*ring = (struct model_ring){.link = link, .tx = tx};
	ring->hwcur = ring->rhead = ring->rcur = tx ? link->published : link->released;
	ring->hwtail = ring->hwcur;
	if (tx) {
		reclaim(ring);
		forget_offsets(ring);
	}
	ring->head = ring->cur = ring->hwcur;
	ring->tail = ring->hwtail;
}

bool model_ready(const struct model_ring *ring)
{
	return ring->rcur != ring->hwtail;
}
