/* SPDX-License-Identifier: BSD-2-Clause */
/* Syncs of rings that have several users; place.h says where they meet. */
#include "place.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../base/error.h"
#include "../os/thread.h"

#define LOCK_TRIES (2u * ROBUST_LOCK_STUCK_US / 1000u) /* a millisecond apart */

/* Lock owners are threads, by the system's number for them: it says whether one still lives. */
static _Thread_local struct robust_lock_user self;

static bool is_alive(const struct robust_lock_user *user, uint32_t owner)
{
	(void)user;
	return os_thread_lives(owner);
}

static void self_learn(void)
{
	self = (struct robust_lock_user){.id = os_thread_number(), .alive = is_alive};
}

void place_in_child(void)
{
	self_learn();
}

struct robust_lock_user *place_user(void)
{
	if (self.id == 0)
		self_learn();
	return &self;
}

/* ---- where it stands ---- */

static uint8_t *page_of(const struct ring *r)
{
	return (uint8_t *)r->common.ring + sizeof(struct netmap_ring) - PLACE_PAGE;
}

static struct ring_place *place_of(const struct ring *r)
{
	return (struct ring_place *)(void *)page_of(r);
}

void *place_own(const struct ring *r)
{
	return page_of(r) + PLACE_OWN_AT;
}

void place_init(struct ring *r)
{
	memset(page_of(r), 0, PLACE_OWN_AT + PLACE_OWN);
	r->turn = 0;
}

/* ---- the positions ---- */

static void positions_show(struct ring *r, struct ring_place *place)
{
	place->rhead = r->rhead;
	place->rcur = r->rcur;
	place->hwcur = r->hwcur;
	place->hwtail = r->hwtail;
	if (r->port->kind->show)
		r->port->kind->show(r, place_own(r));
	r->turn++;
	/* Last, as its owner may be killed: positions of a turn that did not end are taken over anyway. */
	__atomic_store_n(&place->turn, r->turn, __ATOMIC_RELEASE);
}

/* Positions outside the ring are some program's nonsense: our own are as good. */
static void positions_take(struct ring *r, const struct ring_place *place)
{
	uint32_t turn = __atomic_load_n(&place->turn, __ATOMIC_ACQUIRE);
	struct ring_place now;

	if (turn == r->turn)
		return;
	memcpy(&now, place, sizeof now);
	r->turn = turn;
	if (now.rhead >= r->num_slots || now.rcur >= r->num_slots || now.hwcur >= r->num_slots ||
	    now.hwtail >= r->num_slots)
		return;
	r->rhead = now.rhead;
	r->rcur = now.rcur;
	r->hwcur = now.hwcur;
	r->hwtail = now.hwtail;
	if (r->port->kind->take)
		r->port->kind->take(r, place_own(r));
}

static int sync_alone(struct ring *r)
{
	const struct port_kind *kind = r->port->kind;

	return r->tx ? kind->tx_entry(&r->common.sync) : kind->rx_entry(&r->common.sync);
}

/* Its owner may have lost the processor for long; only one that stands still for a second is passed over. */
static int lock(struct ring_place *place, struct robust_lock_user *user)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	int err = robust_lock_take(&place->lock, user);

	for (unsigned i = 0; err && i < LOCK_TRIES; i++) {
		nanosleep(&moment, NULL);
		err = robust_lock_take(&place->lock, user);
	}
	return err;
}

static int shared_entry(struct loom_sync *sync)
{
	struct ring *r = (struct ring *)(void *)sync;
	struct ring_place *place = place_of(r);
	struct robust_lock_user *user = place_user();
	int err = lock(place, user);

	if (err)
		return error_set(-EBUSY,
		    "port \"%s\": another user of %s ring %u does not end his sync (is he "
		    "stopped?)",
		    r->port->name, r->tx ? "TX" : "RX", r->index);
	positions_take(r, place);
	err = sync_alone(r);
	if (robust_lock_is_mine(&place->lock, user->id))
		positions_show(r, place);
	robust_lock_give(&place->lock, user->id);
	return err;
}

static bool is_shared(const struct ring *r)
{
	return __atomic_load_n(&r->common.sync.sync, __ATOMIC_RELAXED) == shared_entry;
}

static void share(struct ring *r)
{
	__atomic_store_n(&r->common.sync.sync, shared_entry, __ATOMIC_RELAXED);
}

/* Without the lock: the first sync takes them once more. */
void place_join(struct ring *r)
{
	const struct ring_place *place = place_of(r);

	r->turn = __atomic_load_n(&place->turn, __ATOMIC_RELAXED) - 1;
	positions_take(r, place);
	r->turn--;
	share(r);
}

/*
 * A sync of another thread that began before ends as it began; its positions are shown by that thread's
 * next one, which finds that the turn is still its own.
 */
void place_share(struct ring *r)
{
	if (is_shared(r))
		return;
	positions_show(r, place_of(r));
	share(r);
}

int place_share_port(struct port *port)
{
	int err = port->kind->share ? port->kind->share(port) : 0;

	for (uint32_t i = 0; i < port->num_tx && !err; i++)
		place_share(&port->tx[i]);
	for (uint32_t i = 0; i < port->num_rx && !err; i++)
		place_share(&port->rx[i]);
	return err;
}
