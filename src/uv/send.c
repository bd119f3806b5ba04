/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending: requests, filling, and the turn of the TX rings. */
#include <uv.h>

#include "adaptor.h"

#define ROUNDS 16u /* syncs of one ring in a turn: the loop has other handles */

/* ---- queues ---- */

static void queue_push(struct loom_uv_queue *queue, struct loom_uv_send_req *req)
{
	req->next = NULL;
	if (queue->first)
		queue->last->next = req;
	else
		queue->first = req;
	queue->last = req;
}

static struct loom_uv_send_req *queue_pop(struct loom_uv_queue *queue)
{
	struct loom_uv_send_req *req = queue->first;

	if (req)
		queue->first = req->next;
	return req;
}

static void finish_all(struct loom_uv *uv, struct loom_uv_queue *queue, int status)
{
	struct loom_uv_send_req *req;

	while ((req = queue_pop(queue)) != NULL) {
		req->status = status;
		queue_push(&uv->done, req);
	}
}

static void cancel_waiting(struct loom_uv *uv, struct loom_uv_tx *ring, int status)
{
	for (const struct loom_uv_send_req *req = ring->waiting.first; req; req = req->next)
		uv->num_waiting--;
	finish_all(uv, &ring->waiting, status);
}

void adaptor_send_fail(struct loom_uv *uv, int status)
{
	for (unsigned i = 0; i < uv->num_tx; i++)
		cancel_waiting(uv, &uv->tx[i], status);
}

bool adaptor_send_finish(struct loom_uv *uv)
{
	struct loom_uv_queue done = uv->done; /* callbacks may add to it */
	bool any = done.first != NULL;
	struct loom_uv_send_req *req;

	uv->done = (struct loom_uv_queue){NULL, NULL};
	while ((req = queue_pop(&done)) != NULL)
		if (req->cb)
			req->cb(req, req->status);
	return any;
}

/* ---- filling ---- */

static void fill_stop(struct loom_uv *uv)
{
	for (unsigned i = 0; i < uv->num_tx; i++)
		uv->tx[i].filling = false;
	uv->num_filling = 0;
}

static void fill_fail(struct loom_uv *uv, unsigned index, int status)
{
	bool filling = uv->tx[index].filling;

	fill_stop(uv);
	if (filling)
		uv->fill(uv, index, NULL, status);
}

/*
 * All but one slot, so that the ring is not armed while it is hot. Where there is only one, that
 * one.
 */
static unsigned room_to_fill(const struct loom_uv_tx *ring)
{
	unsigned room = loom_tx_space(&ring->tx), spare = ring->tx.num_slots > 2;

	room = room > spare ? room - spare : 0;
	return room < ADAPTOR_BATCH ? room : ADAPTOR_BATCH;
}

static bool fill(struct loom_uv *uv, unsigned index)
{
	struct loom_uv_tx *ring = &uv->tx[index];
	struct loom_frame frames[ADAPTOR_BATCH];
	unsigned n, filled;
	int err;

	if (!ring->filling || ring->waiting.first)
		return false;
	n = loom_reserve(&ring->tx, frames, room_to_fill(ring));
	if (n == 0)
		return false;
	filled = adaptor_clip(uv->fill(uv, index, frames, (int)n), n);
	if (filled == 0 && ring->filling) {
		ring->filling = false;
		uv->num_filling--;
	}
	err = loom_commit(&ring->tx, frames, filled);
	if (err)
		fill_fail(uv, index, err);
	return filled > 0;
}

/* ---- a ring's turn ---- */

static bool is_waiting(const struct loom_uv_tx *ring)
{
	return ring->waiting.first || ring->filling;
}

/*
 * Who waits for room has looked at what there is, and it was not enough: readiness only for more.
 * Nobody waits, or soon looks again: room is no news.
 */
static int ring_sync(struct loom_uv *uv, unsigned index)
{
	struct loom_uv_tx *ring = &uv->tx[index];
	struct netmap_ring *shared = ring->tx.ring;
	int err;

	shared->cur = is_waiting(ring) && uv->hot == 0 ? shared->tail : shared->head;
	err = ring->tx.sync->sync(ring->tx.sync);
	finish_all(uv, &ring->placed, err);
	if (!err)
		return 0;
	cancel_waiting(uv, ring, err);
	fill_fail(uv, index, err);
	return err;
}

/* Requests go into the ring as far as there is room. */
static bool place(struct loom_uv *uv, struct loom_uv_tx *ring)
{
	const struct loom_uv_send_req *req;
	bool any = false;

	while ((req = ring->waiting.first) != NULL &&
	       loom_send(&ring->tx, req->packet, req->len) == 1) {
		queue_push(&ring->placed, queue_pop(&ring->waiting));
		uv->num_waiting--;
		any = true;
	}
	return any;
}

/*
 * Nobody waits, or the next turn looks, or the ring says when there is more room: its tail did not
 * move beyond cur.
 */
static bool may_rest(const struct loom_uv *uv, const struct loom_uv_tx *ring)
{
	return !is_waiting(ring) || uv->hot > 0 || ring->tx.ring->cur == ring->tx.ring->tail;
}

/* It ends with a sync that sent all that is in the ring. */
static void ring_turn(struct loom_uv *uv, unsigned index)
{
	struct loom_uv_tx *ring = &uv->tx[index];

	if (ring->placed.first)
		adaptor_moved(uv);
	for (unsigned round = 0; round < ROUNDS; round++) {
		bool placed;

		if (ring_sync(uv, index) != 0)
			return;
		placed = place(uv, ring);
		placed |= fill(uv, index);
		if (placed)
			adaptor_moved(uv);
		else if (may_rest(uv, ring))
			return;
	}
	uv->more_tx = true;
}

void adaptor_send_turn(struct loom_uv *uv)
{
	uv->more_tx = false;
	for (unsigned i = 0; i < uv->num_tx && !uv->closing; i++)
		if (uv->tx[i].bound)
			ring_turn(uv, i);
}

/* ---- for programs ---- */

int loom_uv_send(struct loom_uv_send_req *req, struct loom_uv *uv, unsigned ring,
    const void *packet, size_t len, loom_uv_send_cb cb)
{
	struct loom_uv_tx *to;
	int sent = 0;

	if (uv->closing)
		return UV_ECANCELED;
	if (ring >= uv->num_tx || !uv->tx[ring].bound)
		return UV_EINVAL;
	to = &uv->tx[ring];
	if (!to->waiting.first)
		sent = loom_send(&to->tx, packet, len);
	else if (len > loom_tx_max_payload(&to->tx))
		sent = UV_EMSGSIZE;
	if (sent < 0)
		return sent;
	/* One that is not the first to wait waits for what has been seen to already. */
	uv->more_tx |= !to->waiting.first;
	uv->num_waiting += !sent;
	req->uv = uv;
	req->cb = cb;
	req->packet = packet;
	req->len = len;
	queue_push(sent ? &to->placed : &to->waiting, req);
	adaptor_settle(uv);
	return 0;
}

unsigned loom_uv_send_waiting(const struct loom_uv *uv)
{
	return uv->num_waiting;
}

int loom_uv_fill_start(struct loom_uv *uv, loom_uv_fill_cb cb)
{
	if (uv->closing)
		return UV_ECANCELED;
	if (!cb)
		return UV_EINVAL;
	uv->fill = cb;
	uv->num_filling = 0;
	for (unsigned i = 0; i < uv->num_tx; i++)
		uv->num_filling += uv->tx[i].filling = uv->tx[i].bound;
	uv->more_tx = true;
	adaptor_settle(uv);
	return 0;
}

void loom_uv_fill_stop(struct loom_uv *uv)
{
	fill_stop(uv);
	adaptor_settle(uv);
}

int loom_uv_flush(struct loom_uv *uv)
{
	int err = 0;

	if (uv->closing)
		return UV_ECANCELED;
	for (unsigned i = 0; i < uv->num_tx; i++) {
		struct loom_uv_tx *ring = &uv->tx[i];
		int one = 0;

		if (ring->placed.first) {
			one = loom_tx_sync(&ring->tx);
			finish_all(uv, &ring->placed, one);
		}
		err = one ? one : err;
	}
	uv->more_tx = true; /* the sync gave room perhaps, and said so to nobody */
	adaptor_settle(uv);
	return err;
}
