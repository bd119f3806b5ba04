/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault: another port, with faults. Each ring stands before the inner port's ring of the same direction
 * and number, with a lane between them (fault_lane.h):
 *
 *   TX: our slots ──lane──▶ inner TX slots      RX: inner RX slots ──lane──▶ our slots
 *
 * What the program sees of room is the inner ring's: a sender may fill what that has free, and what a receiver
 * was given occupies the inner ring until he gives it back. With a delay the packets are on a wire instead.
 */
#include <errno.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../offsets.h"
#include "../soft.h"
#include "fault_port.h"

#define RETRY_NS 1000000u /* a held packet that is due and has no room is looked at so often */

/* ---- syncs ---- */

static int inner_sync(struct ring *inner)
{
	return inner->common.sync.sync(&inner->common.sync);
}

/* From where a sync got that was not ended, if it was one: beyond `at`, the positions that it knew. */
static struct span span_on(struct ring *ring, uint32_t reached, uint32_t at, uint32_t end)
{
	bool ahead = ring_distance(ring, at, reached) <= ring_distance(ring, at, end);

	return lane_span(ring, ahead ? reached : at, end);
}

static struct span inner_free(const struct lane *lane)
{
	const struct ring *inner = lane->inner;

	return span_on(lane->inner, lane->state->put, inner->rhead, inner->hwtail);
}

static struct span inner_filled(const struct lane *lane)
{
	const struct ring *inner = lane->inner;

	return span_on(lane->inner, lane->state->taken, inner->rhead, inner->hwtail);
}

static struct span outer_free(const struct lane *lane)
{
	const struct ring *r = lane->outer;

	return span_on(lane->outer, lane->state->put, r->hwtail, ring_prev(r, r->hwcur));
}

static struct span outer_filled(const struct lane *lane)
{
	const struct ring *r = lane->outer;

	return span_on(lane->outer, lane->state->taken, r->hwcur, r->rhead);
}

static void inner_advance(struct ring *inner, uint32_t head)
{
	struct netmap_ring *user = inner->common.ring;

	user->head = user->cur = head;
}

/* What the inner ring counted since the last time is the program's to know. */
static void stats_take(struct lane *lane)
{
	const struct loom_stats *now = &lane->inner->common.stats;
	struct loom_stats *out = &lane->outer->common.stats, *seen = &lane->seen;

	out->wakeups += now->wakeups - seen->wakeups;
	seen->wakeups = now->wakeups;
	for (unsigned i = 0; i < LOOM_DROP_REASONS; i++) {
		out->drops[i] += now->drops[i] - seen->drops[i];
		seen->drops[i] = now->drops[i];
	}
}

/*
 * The program gets the room that the inner ring has, so that what it sent is beyond it, and not in our slots
 * when it closes. Copies that were made in the lane may have used more: room is never taken back.
 */
static uint32_t tx_tail(const struct lane *lane)
{
	const struct ring *r = lane->outer;
	const struct span free_slots = inner_free(lane);
	uint32_t given = ring_distance(r, r->hwcur, r->hwtail), space = span_room(&free_slots);

	if (lane->settings->delay_ns)
		return ring_prev(r, r->hwcur);
	return space > given ? loom_ring_add(r->hwcur, space, r->num_slots) : r->hwtail;
}

/* For lane_flush() of another thread, which looks before it locks. */
static void soonest_show(const struct lane *lane)
{
	__atomic_store_n(&lane->state->soonest, lane_soonest(lane), __ATOMIC_RELAXED);
}

static int tx_move(struct lane *lane)
{
	struct ring *r = lane->outer, *inner = lane->inner;
	struct span from = outer_filled(lane), to;
	int err = inner_sync(inner);

	if (err)
		return err;
	to = inner_free(lane);
	lane_carry(lane, &from, &to);
	if (to.at != inner->rhead) {
		inner_advance(inner, to.at);
		err = inner_sync(inner);
	}
	r->hwcur = from.at;
	r->hwtail = tx_tail(lane);
	r->pending = lane->state->count || inner->pending || inner->hwcur != inner->rhead;
	return err;
}

/* A lane whose owner was stopped is as one without room. */
static int fault_txsync(struct ring *r)
{
	struct lane *lane = r->state;
	int err;

	if (!lane_lock(lane))
		return 0;
	err = tx_move(lane);
	stats_take(lane);
	soonest_show(lane);
	lane_unlock(lane);
	return err;
}

/* Also readiness: it is taken back until the next packet is due. The lane is locked, or its ring's thread's. */
static void timer_renew(const struct lane *lane)
{
	uint64_t due = lane_soonest(lane), now;

	if (lane->timer < 0)
		return;
	now = due == UINT64_MAX ? 0 : os_now_ns();
	os_timer_set(lane->timer, due == UINT64_MAX ? 0 : due > now ? due : now + RETRY_NS);
}

/*
 * What is held on a TX ring wakes its program, which may sync the RX ring alone: the packet that it waits for
 * may be the answer to the one that is held.
 */
static void lane_flush(struct lane *lane)
{
	struct span to;

	if (__atomic_load_n(&lane->state->soonest, __ATOMIC_RELAXED) > os_now_ns() ||
	    !lane_try_lock(lane))
		return;
	if (inner_sync(lane->inner) == 0) {
		to = inner_free(lane);
		if (lane_put_due(lane, &to) > 0) {
			inner_advance(lane->inner, to.at);
			inner_sync(lane->inner);
		}
	}
	timer_renew(lane);
	soonest_show(lane);
	lane_unlock(lane);
}

static void tx_flush(const struct ring *rx)
{
	const struct port *port = rx->port;

	for (uint32_t i = rx->index; i < port->num_tx; i += port->num_rx) {
		struct lane *lane = port->tx[i].state;

		if (lane->size > 0 &&
		    __atomic_load_n(&lane->state->soonest, __ATOMIC_RELAXED) != UINT64_MAX)
			lane_flush(lane);
	}
}

/* The inner slots whose packets the program has given back, or never saw. @return whether there are new ones */
static bool inner_release(const struct lane *lane)
{
	const struct ring *r = lane->outer;
	uint32_t *head = &lane->state->released[ring_prev(r, r->hwcur)];

	if (lane->settings->delay_ns || r->hwcur == r->hwtail)
		*head = lane->state->taken;
	inner_advance(lane->inner, *head);
	return *head != lane->inner->rhead;
}

static void rx_move(struct lane *lane)
{
	struct ring *r = lane->outer;
	struct span from = inner_filled(lane), to = outer_free(lane);
	uint32_t n = lane_carry(lane, &from, &to), slots = ring_distance(r, r->hwtail, to.at);

	if (slots == 0)
		return;
	r->hwtail = to.at;
	r->common.stats.packets += slots;
	r->common.fragments += slots - n;
	ring_stamp(r);
}

static int fault_rxsync(struct ring *r)
{
	struct lane *lane = r->state;
	int err;

	tx_flush(r);
	r->hwcur = r->rhead;
	inner_release(lane);
	err = inner_sync(lane->inner);
	if (!err) {
		rx_move(lane);
		if (inner_release(lane)) /* its sender may wait for the room */
			err = inner_sync(lane->inner);
	}
	stats_take(lane);
	return err;
}

RING_SYNCS(fault)

/* ---- sleeping ---- */

static int lane_prepare(struct lane *lane)
{
	int err = 0;

	if (lane->pollset >= 0)
		return 0;
	if (lane->timer < 0)
		lane->timer = os_timer_create();
	if (lane->timer < 0)
		return lane->timer;
	lane->pollset = os_pollset_create();
	if (lane->pollset < 0)
		return lane->pollset;
	err = os_pollset_add(lane->pollset, lane->timer, POLLIN);
	if (err) { /* without the timer it would be taken for a whole one */
		close(lane->pollset);
		lane->pollset = -1;
	}
	return err;
}

/*
 * The inner ring's descriptor, if it has one, is listened to from its first arming on: to begin with it anew after
 * a signal would not be told to who waits for edges. Its own disarming takes its readiness back.
 */
static int lane_listen(struct lane *lane, const struct pollfd *wake)
{
	bool same = wake->fd == lane->inner_fd;
	int err = 0;

	if (wake->fd < 0 || (same && wake->events == lane->inner_events))
		return 0;
	err = same ? os_pollset_change(lane->pollset, wake->fd, wake->events)
		   : os_pollset_add(lane->pollset, wake->fd, wake->events);
	if (err)
		return err;
	lane->inner_fd = wake->fd;
	lane->inner_events = wake->events;
	return 0;
}

static void inner_disarm(const struct lane *lane)
{
	lane->inner->port->kind->disarm(lane->inner);
}

/* Where the lane's packets go: the free slots of the other ring, or of ours. */
static struct span lane_exit(const struct lane *lane)
{
	return lane->outer->tx ? inner_free(lane) : outer_free(lane);
}

/* Nothing is taken from the inner ring while there is no room for it: its news would end no sleep. */
static bool is_full(const struct ring *r)
{
	return !r->tx && ring_next(r, r->hwtail) == r->hwcur;
}

/* One that is due and has no room goes on when there is some, which is the inner ring's news. */
static void timer_arm(const struct lane *lane, const struct span *to)
{
	uint64_t due = lane_soonest(lane);
	bool waits = due != UINT64_MAX && (due > os_now_ns() || lane_can_put(lane, to));

	os_timer_set(lane->timer, waits ? due : 0);
}

/* What the last sync left in the inner ring, which will not say so again. */
static bool inner_has_more(const struct lane *lane, const struct span *to)
{
	const struct span from = inner_filled(lane);

	return !lane->outer->tx && lane_can_take(lane, &from, to);
}

/*
 * Armed in any case: what a sync finds, having been told to look again, may be lost, and then nobody arms once
 * more.
 */
static int lane_arm(struct lane *lane)
{
	const struct span to = lane_exit(lane);
	const struct ring *r = lane->outer;
	struct pollfd wake = {.fd = -1};
	int news, err;

	if (ring_ready(r) && !r->pending)
		return 1;
	timer_arm(lane, &to);
	if (is_full(r)) {
		inner_disarm(lane);
		return 0;
	}
	news = lane->inner->port->kind->arm(lane->inner, &wake);
	err = news < 0 ? news : lane_listen(lane, &wake);
	if (err)
		return err;
	if (lane_can_put(lane, &to) || inner_has_more(lane, &to))
		return 1;
	/* Room of the inner ring is no news to a program that has room: only held packets wait then. */
	if (news > 0 && r->tx && (ring_ready(r) || lane->settings->delay_ns))
		return r->hwcur != r->rhead;
	return news;
}

static int fault_arm(struct ring *r, struct pollfd *out)
{
	struct lane *lane = r->state;
	int err;

	if (!lane_lock(lane))
		return 1;
	err = lane_prepare(lane);
	*out = (struct pollfd){.fd = lane->pollset, .events = POLLIN};
	if (!err)
		err = lane_arm(lane);
	lane_unlock(lane);
	return err;
}

/* What is held on a TX ring is to wake its program all the same. */
static void fault_disarm(struct ring *r)
{
	struct lane *lane = r->state;

	if (!lane_lock(lane))
		return;
	if (lane->pollset >= 0) {
		if (r->tx)
			timer_renew(lane);
		else
			os_timer_set(lane->timer, 0);
		inner_disarm(lane);
	}
	lane_unlock(lane);
}

/* ---- the kind ---- */

static int fault_offsets_start(struct ring *r, const struct offsets *offsets)
{
	const struct lane *lane = r->state;
	int err = offsets_pass(lane->inner, offsets);

	return err ? err : offsets_start(r, offsets);
}

static uint32_t fault_header(const struct port *port)
{
	const struct fault *fault = port->state;
	const struct port *inner = fault->inner;

	return inner->kind->header ? inner->kind->header(inner) : 0;
}

const struct port_kind port_kind_fault = {
    .name = "fault",
    .example = "fault:loss=5,seed=7@pipe{x}",
    .help = "another port with loss, corrupt, dup, reorder (percent), delay (ms, us)",
    .local = true,
    .open = fault_open,
    .close = fault_close,
    .tx_entry = fault_tx_entry,
    .rx_entry = fault_rx_entry,
    .arm = fault_arm,
    .disarm = fault_disarm,
    .header = fault_header,
    .offsets_start = fault_offsets_start,
};
