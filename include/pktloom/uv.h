/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports in a libuv loop. A library of its own: pkg-config pktloom-uv.
 *
 *	static int got(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
 *	{
 *		for (int i = 0; i < n; i++)
 *			handle(frames[i].data, frames[i].len);
 *		return n;
 *	}
 *
 *	loom_uv_init(loop, &uv, port);
 *	loom_uv_recv_start(&uv, got);
 *	loom_uv_send(&request, &uv, 0, "hello", 5, sent);
 *	uv_run(loop, UV_RUN_DEFAULT);
 *
 * What moves packets is the loop: the library syncs a port's rings when its descriptor is readable,
 * and before the loop sleeps what was sent in this turn of it. No callback is ever called from
 * inside a function of this header.
 *
 * Rings:   all that the port is bound to, under their indexes for loom_tx() and loom_rx(). To give
 *          a loop some of a port's rings, open those (loom_port_open_ring(), "eth0-3") and init
 *          with them.
 * Threads: the loop's. Meanwhile the rings are the library's: their handles and loom_port_wait()
 *          are not to be used beside it, except by callbacks on the ring that they are called for.
 * Errors:  0 or one of libuv's codes, which are negative errnos; loom_error() has the words where
 *          the core library refused something.
 */
#ifndef PKTLOOM_UV_H
#define PKTLOOM_UV_H

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

#include <pktloom/frame.h>
#include <pktloom/port.h>

#ifdef __cplusplus
extern "C" {
#endif

struct loom_uv;
struct loom_uv_send_req;
struct loom_uv_rx;
struct loom_uv_tx;

/**
 * Packets came: n borrowed frames of one ring, in order.
 *
 * A batch ends with a packet's last frame, so that a chain (NS_MOREFRAG) can be taken whole.
 * Exceptions are chains without an end: damaged ones, and those of more than 256 frames.
 *
 * Ownership: frames are valid during the call.
 * @param n  > 0; or a libuv error: frames is NULL, receiving has stopped
 * @return how many frames were taken. The others are offered again, in the loop's next turn; if
 *         none was taken, when more have come or loom_uv_recv_start() is called again. A ring that
 *         is full of what nobody takes gets no more.
 */
typedef int (*loom_uv_recv_cb)(
    struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n);

/**
 * There is room: n free frames of one ring, to be filled in place, len and flags (NS_MOREFRAG) set.
 *
 * @param n  > 0; or a libuv error: frames is NULL, filling has stopped
 * @return how many were filled, from the first on; they leave at once. 0: nothing to send; the
 *         ring is not offered again before loom_uv_fill_start(). A chain must be filled whole.
 */
typedef int (*loom_uv_fill_cb)(struct loom_uv *uv, unsigned ring, struct loom_frame *frames, int n);

/**
 * A request is finished, and its memory the program's again.
 *
 * @param status  0: the packet was given to the device; UV_ECANCELED: the handle was closed before;
 *                or why the sync failed
 */
typedef void (*loom_uv_send_cb)(struct loom_uv_send_req *req, int status);

typedef void (*loom_uv_close_cb)(struct loom_uv *uv);

/** One packet to send. Lives until its callback was called; only data is the program's. */
struct loom_uv_send_req {
	void *data;
	struct loom_uv *uv; /* read only */
	/* the library's */
	struct loom_uv_send_req *next;
	loom_uv_send_cb cb;
	const void *packet;
	size_t len;
	int status;
};

/** Requests, the first to be finished first. */
struct loom_uv_queue {
	struct loom_uv_send_req *first, *last;
};

/**
 * A port on a loop. Lives until its close callback was called; data, loop and port may be read, and
 * data is the program's.
 */
struct loom_uv {
	void *data;
	uv_loop_t *loop;
	struct loom_port *port;
	/* the library's */
	uv_poll_t poll;
	uv_idle_t idle;
	uv_timer_t timer;
	struct loom_uv_rx *rx;
	struct loom_uv_tx *tx;
	unsigned num_rx, num_tx;
	loom_uv_recv_cb recv;
	loom_uv_fill_cb fill;
	loom_uv_close_cb closed;
	struct loom_uv_queue done;
	unsigned num_waiting; /* requests for which there was no room yet */
	unsigned num_filling; /* rings */
	unsigned fruitless;   /* events in a row that brought nothing */
	unsigned hot;         /* turns to come without sleep and wakeup */
	unsigned num_handles;
	bool more_rx, more_tx, moved, turning, muted, unreferenced, closing;
};

/**
 * Put an open port on a loop. Nothing is received yet.
 *
 * Ownership: the port remains the program's, to be closed after the close callback.
 * @return 0; UV_EEXIST it is on this loop already; UV_EBUSY a ring of it is opened by itself;
 *         UV_EMFILE, UV_ENFILE, UV_ENOMEM
 */
int loom_uv_init(uv_loop_t *loop, struct loom_uv *uv, struct loom_port *port);

/**
 * Call back with packets from the loop's next turn on; again: with another callback, or to be
 * offered what was not taken. While receiving, the handle is active.
 *
 * @return 0; UV_EINVAL no callback; UV_ECANCELED the handle is closing
 */
int loom_uv_recv_start(struct loom_uv *uv, loom_uv_recv_cb cb);

/**
 * Leave packets in the rings from now on. Also from inside the callback; also when not receiving.
 */
void loom_uv_recv_stop(struct loom_uv *uv);

/**
 * Send one packet. It leaves at the end of this turn of the loop, or with loom_uv_flush(); requests
 * for which the ring has no room wait for it, in order. Several requests of a turn share a sync.
 *
 * Ownership: *req and the packet's bytes until the callback, which the loop calls later.
 * @param ring    as for loom_tx()
 * @param packet  len bytes; larger than a buffer: becomes a chain
 * @param cb      may be NULL; *req is then free when a later request of the ring is finished
 * @return 0; UV_EINVAL no such ring; UV_EMSGSIZE it never fits; UV_ECANCELED the handle is closing.
 *         Without 0 there is no callback
 */
int loom_uv_send(struct loom_uv_send_req *req, struct loom_uv *uv, unsigned ring,
    const void *packet, size_t len, loom_uv_send_cb cb);

/** Requests that wait for room; a program that makes packets faster than they leave looks here. */
unsigned loom_uv_send_waiting(const struct loom_uv *uv);

/**
 * Call back whenever a TX ring has room and no request waits for it: the fastest way to send.
 * Once more: with another callback, or after it had nothing to send. Active while there is a ring to
 * fill.
 *
 * @return 0; UV_EINVAL no callback; UV_ECANCELED the handle is closing
 */
int loom_uv_fill_start(struct loom_uv *uv, loom_uv_fill_cb cb);
void loom_uv_fill_stop(struct loom_uv *uv);

/**
 * Give the device what was sent, now. The requests' callbacks come from the loop as ever.
 *
 * @return 0; UV_ECANCELED the handle is closing; why a sync failed (the requests' callbacks are
 *         told, too)
 */
int loom_uv_flush(struct loom_uv *uv);

/**
 * Take the port off the loop. What was sent and found room leaves; requests that wait are canceled.
 * Their callbacks come first, in order, then this one; no other callback comes any more.
 *
 * @param cb  may be NULL; in it, or later, *uv and the port may go
 * @return 0; UV_EALREADY it is closing: cb will not be called
 */
int loom_uv_close(struct loom_uv *uv, loom_uv_close_cb cb);

/** As of libuv's handles: active ones that are referenced keep uv_run() going. */
bool loom_uv_is_closing(const struct loom_uv *uv);
bool loom_uv_is_active(const struct loom_uv *uv);
void loom_uv_ref(struct loom_uv *uv);
void loom_uv_unref(struct loom_uv *uv);

#ifdef __cplusplus
}
#endif
#endif
