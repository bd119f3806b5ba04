/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the libuv adaptor share. It stands above the public interface and knows nothing
 * of devices.
 *
 *   poll (readable)  ┐
 *   idle (again)     ├─► turn: RX rings, TX rings, requests that are finished ─► settle
 *   timer (muted)    ┘
 *
 * Why a poll handle alone is not enough: the port's descriptor speaks of rings whose last sync left
 * them with nothing to do (<pktloom/port.h>). So a turn ends, for each ring, in one of two ways:
 * the last sync left it with nothing, and the descriptor will speak; or something is left (packets
 * beyond a turn's share, those that were there when receiving began, requests made outside a turn),
 * of which nobody will speak: then more_rx, more_tx or a finished request runs the idle handle,
 * with which libuv does not sleep. A prepare handle would not do: one started by another prepare
 * callback does not run before that sleep.
 *
 * Work that cannot go on with what the ring has (a chain that needs more room, frames that nobody
 * took) is put behind the ring's cur: netmap's own way of saying "wake me for what comes after
 * this".
 *
 * While packets move, rings are hot: looked at in each turn of the loop, and not armed, so that the
 * peer makes no system call to wake who is awake. A sync arms a ring that it leaves with nothing to
 * do; so a hot RX ring keeps one slot back that was taken already, and a hot TX ring that is filled
 * one that is free. When nothing moved for some turns, the last of them gives that up, and so arms.
 */
#ifndef UV_ADAPTOR_H
#define UV_ADAPTOR_H

#include <pktloom.h>
#include <pktloom/uv.h>

#define ADAPTOR_BATCH 256u /* frames for one callback; more than the longest chain */

/*
 * So many turns look for more after something moved, before the port goes to sleep: a look costs a
 * tenth of what a wakeup costs both sides. Two are enough for a peer in the same loop (bench row
 * uv_rtt).
 */
#define ADAPTOR_HOT 3u

/* One element for each index of the port, bound or not. */
struct loom_uv_rx {
	struct loom_rxring rx;
	bool bound;
	bool stalled; /* the callback took nothing: only what comes after it is news */
	bool held;    /* the first slot was taken, but is not given back yet */
};

struct loom_uv_tx {
	struct loom_txring tx;
	bool bound;
	bool filling;                 /* the fill callback has not said yet that it has nothing */
	struct loom_uv_queue placed;  /* in the ring; finished by the next sync */
	struct loom_uv_queue waiting; /* for room */
};

static inline unsigned adaptor_clip(int n, unsigned most)
{
	return n < 0 ? 0 : (unsigned)n < most ? (unsigned)n : most;
}

/** Packets or room came, and were used. */
static inline void adaptor_moved(struct loom_uv *uv)
{
	uv->moved = true;
	uv->hot = ADAPTOR_HOT;
}

/** The turn of all RX rings, and of all TX rings. */
void adaptor_recv_turn(struct loom_uv *uv);
void adaptor_send_turn(struct loom_uv *uv);

/** Give back slots that are held. */
void adaptor_recv_let_go(struct loom_uv *uv);

/** Call back for what is finished. @return whether anything was */
bool adaptor_send_finish(struct loom_uv *uv);

/** Whatever waits for room is finished with this status. */
void adaptor_send_fail(struct loom_uv *uv, int status);

/** After a change of what the program wants: start or stop what the loop calls. */
void adaptor_settle(struct loom_uv *uv);

#endif
