/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Catching two threads in one ring, for programs built with -DLOOM_DEBUG: their verbs enter the ring and
 * leave it. Only verbs that really meet are a mistake; a ring may be handed from thread to thread.
 *
 * Everything here is relaxed: it must not put threads in an order that their program forgot to.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../os/thread.h"
#include "port.h"

/* A ring's place in the table stays its own; memory that becomes another ring later keeps it. */
#define PLACES 16384u

struct user {
	const struct loom_sync *ring; /* NULL: free */
	uint32_t thread;              /* 0: nobody */
	const char *verb;
};

static struct user users[PLACES];
static bool debugging; /* there are verbs that enter and leave */

void loom_debug_begin(void)
{
	__atomic_store_n(&debugging, true, __ATOMIC_RELAXED);
}

static bool is_for(struct user *user, const struct loom_sync *ring)
{
	const struct loom_sync *there = __atomic_load_n(&user->ring, __ATOMIC_RELAXED);

	if (!there && __atomic_compare_exchange_n(
			  &user->ring, &there, ring, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return true;
	return there == ring;
}

/* NULL: the table is full, and the ring goes unwatched. */
static struct user *user_of(const struct loom_sync *ring)
{
	uintptr_t first = (uintptr_t)ring / _Alignof(struct device_ring);

	for (size_t i = 0; i < PLACES; i++) {
		struct user *user = &users[(first + i) % PLACES];

		if (is_for(user, ring))
			return user;
	}
	return NULL;
}

static void refuse(const struct user *user, const struct loom_sync *sync, uint32_t id,
    const char *verb, uint32_t me, uint32_t other, const char *other_name)
{
	const struct netmap_ring *ring = ((const struct device_ring *)(const void *)sync)->ring;
	const char *other_verb = __atomic_load_n(&user->verb, __ATOMIC_RELAXED);
	char name[32];

	os_thread_name(me, name, sizeof name);
	fprintf(stderr,
	    "pktloom: %s on %s ring %u of port \"%s\" in thread %u (\"%s\"), while thread %u "
	    "(\"%s\") is in %s on it: one thread per ring, or a lock\n",
	    verb, ring->dir ? "TX" : "RX", ring->ringid, port_id_name(id), me, name, other,
	    other_name, other_verb ? other_verb : "a verb");
	abort();
}

struct loom_sync *loom_ring_enter(struct loom_sync *sync, uint32_t id, const char *verb)
{
	uint32_t me = os_thread_number(), other = 0;
	struct user *user;
	char name[32];

	port_id_check(id, verb);
	user = user_of(sync);
	if (!user)
		return NULL;
	while (!__atomic_compare_exchange_n(
	    &user->thread, &other, me, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		if (other == me) /* a verb in a verb, which the outer one will leave */
			return NULL;
		/* A thread that this process has not: it was forked, or the thread was cancelled in a wait. */
		if (other != 0 && os_thread_name(other, name, sizeof name))
			refuse(user, sync, id, verb, me, other, name);
	}
	__atomic_store_n(&user->verb, verb, __ATOMIC_RELAXED);
	return sync;
}

void loom_ring_leave(struct loom_sync **entered)
{
	struct user *user = *entered ? user_of(*entered) : NULL;

	if (user)
		__atomic_store_n(&user->thread, 0, __ATOMIC_RELAXED);
}

struct loom_sync *port_verb_begin(struct loom_sync *sync, uint32_t id, const char *verb)
{
	if (__atomic_load_n(&debugging, __ATOMIC_RELAXED))
		return loom_ring_enter(sync, id, verb);
	port_id_check(id, verb);
	return NULL;
}

/* ---- waits ---- */

/* As a device's poll: pending packets leave whatever is waited for, unless that was switched off. */
static bool wait_syncs(const struct loom_port *port, int events, bool tx)
{
	uint64_t flags = port->reg.nr_flags;

	return tx ? (events & LOOM_TX) || !(flags & NR_NO_TX_POLL)
		  : (events & LOOM_RX) || (flags & NR_DO_RX_POLL);
}

static void wait_visit(const struct loom_port *port, bool tx, bool begins)
{
	for (unsigned i = 0; i < port_rings(port, tx); i++) {
		struct device_ring *ring = port_ring_at(port, tx, i);
		struct loom_sync *sync = ring ? &ring->sync : NULL;

		if (!sync)
			continue;
		if (begins)
			loom_ring_enter(sync, port->id, "loom_port_wait");
		else
			loom_ring_leave(&sync);
	}
}

static void wait_rings(const struct loom_port *port, int events, bool begins)
{
	if (wait_syncs(port, events, true))
		wait_visit(port, true, begins);
	if (wait_syncs(port, events, false))
		wait_visit(port, false, begins);
}

bool port_wait_begin(const struct loom_port *port, int events)
{
	if (!__atomic_load_n(&debugging, __ATOMIC_RELAXED))
		return false;
	wait_rings(port, events, true);
	return true;
}

void port_wait_end(const struct loom_port *port, int events)
{
	wait_rings(port, events, false);
}
