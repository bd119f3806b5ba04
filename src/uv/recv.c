/* SPDX-License-Identifier: BSD-2-Clause */
/* Receiving: the turn of the RX rings. */
#include <uv.h>

#include "adaptor.h"

/* Sync, with readiness only for what comes beyond the packets that are there now. */
static int sync_past(const struct loom_rxring *rx)
{
	rx->ring->cur = rx->ring->tail;
	return rx->sync->sync(rx->sync);
}

static bool has_come(const struct loom_rxring *rx)
{
	return rx->ring->cur != rx->ring->tail;
}

/* Of n frames those up to the last packet's end; all if there is no end. */
static unsigned whole_packets(const struct loom_frame *frames, unsigned n)
{
	unsigned whole = n;

	while (whole > 0 && (frames[whole - 1].flags & NS_MOREFRAG))
		whole--;
	return whole ? whole : n;
}

static void let_go(struct loom_uv_rx *ring)
{
	if (ring->held)
		loom_release(&ring->rx, 1);
	ring->held = false;
}

void adaptor_recv_let_go(struct loom_uv *uv)
{
	for (unsigned i = 0; i < uv->num_rx; i++)
		let_go(&uv->rx[i]);
}

/*
 * Frames beyond the slot that is held. @return how many; 0: none that can be had as long as it is
 * held
 */
static unsigned look(struct loom_uv_rx *ring, struct loom_frame *frames)
{
	uint32_t head = ring->rx.ring->head;
	unsigned n = loom_peek(&ring->rx, frames, ADAPTOR_BATCH);

	if (ring->rx.ring->head != head)
		ring->held = false; /* somebody spoiled the slot: it was dropped on the way */
	return whole_packets(frames + ring->held, n - ring->held);
}

/* The callback may do anything, closing included, but the rings stay until the close callback. */
static int offer(struct loom_uv *uv, unsigned index, unsigned *offered)
{
	struct loom_uv_rx *ring = &uv->rx[index];
	struct loom_frame frames[ADAPTOR_BATCH];
	unsigned n = look(ring, frames);
	unsigned took;

	if (n == 0) {
		let_go(ring);
		return 0;
	}
	*offered += n;
	adaptor_moved(uv);
	took = adaptor_clip(uv->recv(uv, index, frames + ring->held, (int)n), n);
	if (took == 0) {
		let_go(ring);
		ring->stalled = true;
		return 0;
	}
	loom_release(&ring->rx, ring->held + took - 1u);
	ring->held = true;
	return loom_rx_sync(&ring->rx);
}

static bool has_work(const struct loom_uv *uv, const struct loom_uv_rx *ring)
{
	return uv->recv && !ring->stalled && loom_rx_space(&ring->rx) > ring->held;
}

/*
 * A ring that is left with packets makes no noise; one that nobody took from is put to sleep behind
 * them, unless more came meanwhile.
 */
static int leave(struct loom_uv *uv, struct loom_uv_rx *ring)
{
	int err = 0;

	if (uv->recv && ring->stalled) {
		err = sync_past(&ring->rx);
		ring->stalled = !has_come(&ring->rx);
	}
	if (has_work(uv, ring))
		uv->more_rx = true;
	return err;
}

static void fail(struct loom_uv *uv, unsigned index, int status)
{
	loom_uv_recv_cb recv = uv->recv;

	let_go(&uv->rx[index]);
	uv->recv = NULL;
	if (recv) {
		uv->moved = true;
		recv(uv, index, NULL, status);
	}
}

/* At most a ring's worth in a turn: the loop has other handles. */
static void ring_turn(struct loom_uv *uv, unsigned index)
{
	struct loom_uv_rx *ring = &uv->rx[index];
	uint32_t before = ring->rx.ring->tail;
	unsigned offered = 0;
	int err;

	if (uv->hot == 0 || !uv->recv)
		let_go(ring);
	if (ring->stalled && has_come(&ring->rx)) /* a kernel's device syncs when it is polled */
		ring->stalled = false;
	err = ring->stalled ? sync_past(&ring->rx) : loom_rx_sync(&ring->rx);
	if (ring->rx.ring->tail != before) {
		uv->moved = true;
		ring->stalled = false;
	}
	while (!err && has_work(uv, ring) && offered < ring->rx.num_slots)
		err = offer(uv, index, &offered);
	if (!err)
		err = leave(uv, ring);
	if (err)
		fail(uv, index, err);
}

void adaptor_recv_turn(struct loom_uv *uv)
{
	uv->more_rx = false;
	for (unsigned i = 0; i < uv->num_rx && !uv->closing; i++)
		if (uv->rx[i].bound)
			ring_turn(uv, i);
}

int loom_uv_recv_start(struct loom_uv *uv, loom_uv_recv_cb cb)
{
	if (uv->closing)
		return UV_ECANCELED;
	if (!cb)
		return UV_EINVAL;
	uv->recv = cb;
	uv->fruitless = 0;
	for (unsigned i = 0; i < uv->num_rx; i++)
		uv->rx[i].stalled = false;
	uv->muted = false;
	uv->more_rx = true;
	adaptor_settle(uv);
	return 0;
}

void loom_uv_recv_stop(struct loom_uv *uv)
{
	uv->recv = NULL;
	uv->more_rx = true; /* for slots that are held */
	adaptor_settle(uv);
}
