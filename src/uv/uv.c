/* SPDX-License-Identifier: BSD-2-Clause */
/* A port on a loop: its life, and what the loop calls. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "adaptor.h"

/*
 * A descriptor that stays readable without news (a socket whose packets nobody takes, a dead
 * interface) would keep the loop awake: after so many events in a row that brought nothing, a clock
 * takes its place.
 */
#define FRUITLESS_MAX 8u
#define MUTED_MS      2u

static void on_poll(uv_poll_t *handle, int status, int events);
static void on_idle(uv_idle_t *handle);
static void on_timer(uv_timer_t *handle);

/* ---- what the loop shall call ---- */

static bool wants_news(const struct loom_uv *uv)
{
	return uv->recv || uv->num_waiting > 0 || uv->num_filling > 0;
}

/* Something to do that no descriptor will speak of. */
static bool has_more(const struct loom_uv *uv)
{
	return uv->more_rx || uv->more_tx || uv->done.first || (uv->hot > 0 && wants_news(uv));
}

/*
 * Packets that the device has not taken, or that the other side has not: a sync may be called for.
 */
static bool is_lingering(const struct loom_uv *uv)
{
	for (unsigned i = 0; i < uv->num_tx; i++)
		if (uv->tx[i].bound && loom_tx_space(&uv->tx[i].tx) < uv->tx[i].tx.num_slots - 1)
			return true;
	return false;
}

static void reference(uv_handle_t *handle, bool keeps_loop)
{
	if (keeps_loop)
		uv_ref(handle);
	else
		uv_unref(handle);
}

/*
 * Starting and stopping the poll handle costs system calls, so it goes on while nothing is wanted,
 * unreferenced.
 */
static void settle_poll(struct loom_uv *uv)
{
	bool active = uv_is_active((uv_handle_t *)&uv->poll);

	if (uv->muted && active)
		uv_poll_stop(&uv->poll);
	else if (!uv->muted && !active)
		uv_poll_start(&uv->poll, UV_READABLE, on_poll);
}

static void settle_timer(struct loom_uv *uv)
{
	bool active = uv_is_active((uv_handle_t *)&uv->timer);
	bool wanted = uv->muted && (wants_news(uv) || is_lingering(uv));

	if (wanted && !active)
		uv_timer_start(&uv->timer, on_timer, MUTED_MS, 0);
	else if (!wanted && active)
		uv_timer_stop(&uv->timer);
}

void adaptor_settle(struct loom_uv *uv)
{
	bool keeps_loop = !uv->unreferenced && wants_news(uv);

	if (uv->closing || uv->turning)
		return;
	if (has_more(uv))
		uv_idle_start(&uv->idle, on_idle);
	else
		uv_idle_stop(&uv->idle);
	settle_poll(uv);
	settle_timer(uv);
	reference((uv_handle_t *)&uv->poll, keeps_loop);
	reference((uv_handle_t *)&uv->timer, keeps_loop);
	reference((uv_handle_t *)&uv->idle, !uv->unreferenced);
}

/* ---- a turn ---- */

/*
 * What finished requests' callbacks send leaves in this turn as well; its own callbacks come in the
 * next.
 */
static void turn(struct loom_uv *uv, bool event)
{
	uv->turning = true;
	uv->moved = false;
	adaptor_recv_turn(uv);
	adaptor_send_turn(uv);
	if (adaptor_send_finish(uv)) {
		uv->moved = true;
		if (uv->more_tx)
			adaptor_send_turn(uv);
	}
	if (uv->moved)
		uv->fruitless = 0;
	else if (event && ++uv->fruitless > FRUITLESS_MAX)
		uv->muted = true;
	uv->turning = false;
	adaptor_settle(uv);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	(void)status; /* of a descriptor that is no more one: the port's syncs answer */
	(void)events;
	turn(handle->data, true);
}

static void on_idle(uv_idle_t *handle)
{
	struct loom_uv *uv = handle->data;

	if (uv->hot > 0)
		uv->hot--;
	turn(uv, false);
}

static void on_timer(uv_timer_t *handle)
{
	struct loom_uv *uv = handle->data;

	uv->muted = false;
	uv->fruitless = FRUITLESS_MAX; /* the next event has to bring something */
	turn(uv, false);
}

/* ---- life ---- */

static int rings_open(struct loom_uv *uv)
{
	uv->num_rx = loom_rx_rings(uv->port) + loom_host_rx_rings(uv->port);
	uv->num_tx = loom_tx_rings(uv->port) + loom_host_tx_rings(uv->port);
	uv->rx = calloc((size_t)uv->num_rx + 1, sizeof *uv->rx);
	uv->tx = calloc((size_t)uv->num_tx + 1, sizeof *uv->tx);
	if (!uv->rx || !uv->tx)
		return UV_ENOMEM;
	for (unsigned i = 0; i < uv->num_rx; i++)
		uv->rx[i].bound = loom_rx(uv->port, i, &uv->rx[i].rx) == 0;
	for (unsigned i = 0; i < uv->num_tx; i++)
		uv->tx[i].bound = loom_tx(uv->port, i, &uv->tx[i].tx) == 0;
	return 0;
}

static void rings_close(struct loom_uv *uv)
{
	free(uv->rx);
	free(uv->tx);
	uv->rx = NULL;
	uv->tx = NULL;
	uv->num_rx = uv->num_tx = 0;
}

int loom_uv_init(uv_loop_t *loop, struct loom_uv *uv, struct loom_port *port)
{
	const size_t ours = offsetof(struct loom_uv, loop); /* data may be set already */
	int err, fd = loom_port_fd(port);

	if (fd < 0)
		return fd;
	memset((char *)uv + ours, 0, sizeof *uv - ours);
	uv->loop = loop;
	uv->port = port;
	err = rings_open(uv);
	if (!err)
		err = uv_poll_init(loop, &uv->poll, fd);
	if (err) { /* before there is a handle that only the loop can close */
		rings_close(uv);
		return err;
	}
	uv_idle_init(loop, &uv->idle);
	uv_timer_init(loop, &uv->timer);
	uv->poll.data = uv->idle.data = uv->timer.data = uv;
	uv->num_handles = 3;
	adaptor_settle(uv);
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct loom_uv *uv = handle->data;

	if (--uv->num_handles > 0)
		return;
	adaptor_recv_let_go(uv);
	rings_close(uv);
	adaptor_send_finish(uv);
	if (uv->closed)
		uv->closed(uv);
}

int loom_uv_close(struct loom_uv *uv, loom_uv_close_cb cb)
{
	if (uv->closing)
		return UV_EALREADY;
	loom_uv_flush(uv);
	adaptor_send_fail(uv, UV_ECANCELED);
	uv->recv = NULL;
	loom_uv_fill_stop(uv);
	uv->closing = true;
	uv->closed = cb;
	uv_close((uv_handle_t *)&uv->poll, on_closed);
	uv_close((uv_handle_t *)&uv->idle, on_closed);
	uv_close((uv_handle_t *)&uv->timer, on_closed);
	return 0;
}

bool loom_uv_is_closing(const struct loom_uv *uv)
{
	return uv->closing;
}

bool loom_uv_is_active(const struct loom_uv *uv)
{
	return !uv->closing && (wants_news(uv) || has_more(uv));
}

void loom_uv_ref(struct loom_uv *uv)
{
	uv->unreferenced = false;
	adaptor_settle(uv);
}

void loom_uv_unref(struct loom_uv *uv)
{
	uv->unreferenced = true;
	adaptor_settle(uv);
}
