/* SPDX-License-Identifier: BSD-2-Clause */
/* Sleeping and waking at an exchange; the fast path is in exchange.h. */
#include "exchange.h"

#include <unistd.h>

void exchange_end_init(
    struct exchange_end *end, struct exchange *exchange, int (*wake_open)(struct ring *, bool))
{
	*end = (struct exchange_end){
	    .exchange = exchange, .wake_open = wake_open, .own_wake = -1, .peer_wake = -1};
}

void exchange_end_close(struct exchange_end *end)
{
	if (end->own_wake >= 0)
		close(end->own_wake);
	if (end->peer_wake >= 0)
		close(end->peer_wake);
	end->own_wake = end->peer_wake = -1;
}

static uint32_t in_range(const struct ring *r, uint32_t index)
{
	return index < r->num_slots ? index : 0;
}

void exchange_resume(struct ring *r)
{
	const struct exchange_end *end = r->state;
	struct exchange *x = end->exchange;
	uint32_t published = in_range(r, __atomic_load_n(&x->sender.published, __ATOMIC_ACQUIRE));
	uint32_t released = in_range(r, __atomic_load_n(&x->receiver.released, __ATOMIC_ACQUIRE));

	if (r->tx)
		ring_start(r, published, ring_prev(r, released));
	else
		ring_start(r, released, released);
	/* A previous user that was killed in its sleep may have left its mark. */
	__atomic_store_n(r->tx ? &x->sender.waiting : &x->receiver.waiting, 0, __ATOMIC_RELAXED);
}

void exchange_nudge(struct ring *r)
{
	struct exchange_end *end = r->state;
	struct exchange *x = end->exchange;

	if (end->peer_wake < 0)
		end->peer_wake = end->wake_open(r, false);
	if (end->peer_wake < 0)
		return; /* out of descriptors: the next move finds the mark, if it stands */
	__atomic_store_n(r->tx ? &x->receiver.waiting : &x->sender.waiting, 0, __ATOMIC_SEQ_CST);
	os_wake_signal(end->peer_wake);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): written by the atomic exchange */
void exchange_wake_peer(struct ring *r, uint32_t *waiting)
{
	struct exchange_end *end = r->state;

	if (!__atomic_exchange_n(waiting, 0, __ATOMIC_SEQ_CST))
		return;
	if (end->peer_wake < 0)
		end->peer_wake = end->wake_open(r, false);
	if (end->peer_wake < 0) {
		/* Out of descriptors: leave the mark, so that the next move tries again. */
		__atomic_store_n(waiting, 1, __ATOMIC_SEQ_CST);
		return;
	}
	os_wake_signal(end->peer_wake);
	r->common.stats.wakeups++;
}

/* Whether the other side's index has moved, in a way that a sync will accept. */
static bool has_news(const struct ring *r)
{
	const struct exchange_end *end = r->state;
	const struct exchange *x = end->exchange;
	uint32_t index;

	if (r->tx) {
		index = __atomic_load_n(&x->receiver.released, __ATOMIC_SEQ_CST);
		return index != ring_next(r, r->hwtail) && exchange_can_be_released(r, index);
	}
	index = __atomic_load_n(&x->sender.published, __ATOMIC_SEQ_CST);
	return index != r->hwtail && exchange_can_be_published(r, index);
}

static uint32_t *own_mark(const struct ring *r)
{
	const struct exchange_end *end = r->state;

	return r->tx ? &end->exchange->sender.waiting : &end->exchange->receiver.waiting;
}

static int own_wake_open(struct ring *r)
{
	struct exchange_end *end = r->state;

	end->own_wake = end->wake_open(r, true);
	if (end->own_wake >= 0)
		os_wake_drain(end->own_wake); /* what was meant for a previous user of this end */
	return end->own_wake;
}

/*
 * A mark that was taken is followed by a signal, which may still be on its way. One that nobody takes in keeps
 * the descriptor readable for ever, so they are counted. Whoever takes in signals must set the mark, or
 * take it back, afterwards: the one for a mark that seemed to stand may be among them.
 */
static void take_signals(struct exchange_end *end)
{
	end->owed -= (int64_t)os_wake_drain(end->own_wake);
}

/* What a killed peer signalled to our end's previous user comes when nothing is owed: have a look at times. */
#define QUIET_MAX 64u

static bool may_be_readable(struct exchange_end *end)
{
	return end->owed > 0 || ++end->quiet % QUIET_MAX == 0;
}

/* The mark stands when this returns, set after whatever signals were taken in. */
/* NOLINTNEXTLINE(readability-non-const-parameter): written by the atomic exchange */
static void mark_set(struct exchange_end *end, uint32_t *waiting)
{
	bool stood = __atomic_load_n(waiting, __ATOMIC_RELAXED);

	if (end->armed && !stood)
		end->owed++;
	if (may_be_readable(end))
		take_signals(end);
	else if (end->armed && stood)
		return; /* it will be signalled when it is taken, and nobody takes that in before us */
	/* Pairs with exchange_moved(): first the mark, then a second look at the index. */
	if (!__atomic_exchange_n(waiting, 1, __ATOMIC_SEQ_CST) && end->armed && stood)
		end->owed++;
	if (end->owed < 0) /* somebody else's: another user of the ring's, or a killed peer's */
		end->owed = 0;
	end->armed = true;
}

int exchange_arm(struct ring *r, struct pollfd *out)
{
	struct exchange_end *end = r->state;

	if (end->own_wake < 0 && own_wake_open(r) < 0)
		return end->own_wake;
	out->fd = end->own_wake;
	out->events = POLLIN;
	mark_set(end, own_mark(r));
	return has_news(r);
}

void exchange_disarm(struct ring *r)
{
	struct exchange_end *end = r->state;

	if (end->armed && !__atomic_exchange_n(own_mark(r), 0, __ATOMIC_SEQ_CST))
		end->owed++;
	if (end->owed > 0)
		take_signals(end);
	if (end->owed < 0)
		end->owed = 0;
	end->armed = false;
}
