/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Syncing a whole descriptor, and netmap's poll: sync, look, spin for a while, then sleep until a bound
 * ring has news.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/error.h"
#include "soft.h"

/* A sync loop may be at the rings, and what their headers say is not the program's word. */
static int refuse_csb(const struct soft *soft)
{
	return error_set(
	    -EBUSY, "\"%s\" is in CSB mode: only a sync loop syncs its rings", soft->port->name);
}

static int ring_call(struct ring *r)
{
	return r->common.sync.sync(&r->common.sync);
}

/* As the module: a ring that was reset is its own affair, a dead link is everybody's. */
static int sync_answer(int err)
{
	return err == -EINVAL ? 0 : err;
}

static __attribute__((noinline)) int sync_rings(struct ring *rings, uint32_t n)
{
	int err = 0;

	for (uint32_t i = 0; i < n; i++) {
		int one = sync_answer(ring_call(&rings[i]));

		err = one ? one : err;
	}
	return err;
}

/* What classic programs call all the time; nearly all have one ring of a direction. */
int soft_sync(struct device *device, bool tx)
{
	struct soft *soft = (struct soft *)(void *)device;
	const struct soft_range *bound = tx ? &soft->tx : &soft->rx;
	uint32_t n = bound->end - bound->first;
	struct ring *rings;

	if (LOOM_UNLIKELY(!soft->port))
		return error_set(-ENXIO, "the descriptor is not bound to a port");
	if (LOOM_UNLIKELY(soft->csb.atok))
		return refuse_csb(soft);
	rings = (tx ? soft->port->tx : soft->port->rx) + bound->first;
	return n == 1 ? sync_answer(ring_call(rings)) : sync_rings(rings, n);
}

/* Sync rings [first, end) and say whether one of them is ready (POLLERR: one was reset or failed). */
static short sync_range(struct ring *rings, const struct soft_range *bound, short ready)
{
	short events = 0;

	for (uint32_t i = bound->first; i < bound->end; i++) {
		if (ring_call(&rings[i]))
			events |= POLLERR;
		if (ring_ready(&rings[i]))
			events |= ready;
	}
	return events;
}

/*
 * netmap's rule: POLLIN alone flushes TX too, and does not report room. NR_DO_RX_POLL takes packets in where
 * they were not asked for, but not when the answer is there already: a poll for room that finds some
 * leaves the RX rings alone, as the module does.
 */
static short sync_and_look(struct soft *soft, short events)
{
	struct port *port = soft->port;
	short found = 0;

	if ((events & POLLOUT) || !(soft->flags & NR_NO_TX_POLL))
		found |= sync_range(port->tx, &soft->tx, events & POLLOUT);
	if ((events & POLLIN) || (!found && (soft->flags & NR_DO_RX_POLL)))
		found |= sync_range(port->rx, &soft->rx, events & POLLIN);
	return found;
}

static short spin(struct soft *soft, short events, uint64_t deadline)
{
	uint64_t end = os_now_ns() + (uint64_t)soft->spin_us * 1000u;
	short found;

	if (end > deadline)
		end = deadline;
	do {
		os_cpu_relax();
		found = sync_and_look(soft, events);
	} while (!found && os_now_ns() < end);
	return found;
}

/*
 * Arm rings [first, end); *n counts their descriptors. -EAGAIN: one has news; else < 0: one cannot be
 * slept on.
 */
static int arm_range(struct ring *rings, const struct soft_range *bound, struct pollfd *out,
    unsigned room, unsigned *n)
{
	for (uint32_t i = bound->first; i < bound->end; i++) {
		struct pollfd wake = {.fd = -1};
		int news = rings[i].port->kind->arm(&rings[i], &wake);

		if (news)
			return news > 0 ? -EAGAIN : news;
		rings[i].common.stats.waits++;
		if (wake.fd < 0)
			continue;
		if (*n < room)
			out[*n] = wake;
		++*n;
	}
	return 0;
}

/*
 * TX rings with slots that the system did not take yet: a wait for packets must not outlast the
 * chance to send what may be their cause. What else such a ring has to say is of no interest here.
 */
static int arm_pending(struct ring *rings, const struct soft_range *bound, struct pollfd *out,
    unsigned room, unsigned *n)
{
	for (uint32_t i = bound->first; i < bound->end; i++) {
		struct pollfd wake = {.fd = -1};
		int news = 0;

		if (rings[i].hwcur != rings[i].rhead || rings[i].pending)
			news = rings[i].port->kind->arm(&rings[i], &wake);
		if (news < 0)
			return news;
		if (news > 0 || wake.fd < 0)
			continue;
		if (*n < room)
			out[*n] = wake;
		++*n;
	}
	return 0;
}

int soft_arm(struct device *device, short events, struct pollfd *out, unsigned room)
{
	struct soft *soft = (struct soft *)(void *)device;
	struct port *port = soft->port;
	unsigned n = 0;
	int err = 0;

	if (!port)
		return error_set(-ENXIO, "the descriptor is not bound to a port");
	if (soft->csb.atok)
		return refuse_csb(soft);
	if (events & POLLIN)
		err = arm_range(port->rx, &soft->rx, out, room, &n);
	if (!err && (events & POLLOUT))
		err = arm_range(port->tx, &soft->tx, out, room, &n);
	else if (!err && !(soft->flags & NR_NO_TX_POLL))
		err = arm_pending(port->tx, &soft->tx, out, room, &n);
	if (err && err != -EAGAIN)
		return error_set(
		    err, "cannot make a wakeup for \"%s\" (descriptors used up?)", port->name);
	return err ? err : (int)n;
}

static int milliseconds_until(uint64_t deadline)
{
	uint64_t now = os_now_ns(), left;

	if (deadline == UINT64_MAX)
		return -1;
	left = deadline > now ? (deadline - now + 999999) / 1000000 : 0;
	return left > 1000000000 ? 1000000000 : (int)left;
}

/* 1: look again; 0: time is up; or an error. fds has room for all rings. */
static int sleep_until(struct soft *soft, short events, uint64_t deadline, struct pollfd *fds)
{
	struct port *port = soft->port;
	int n = soft_arm(&soft->device, events, fds, port->num_tx + port->num_rx);

	if (n == -EAGAIN)
		return os_now_ns() < deadline;
	if (n < 0)
		return n;
	if (poll(fds, (nfds_t)n, milliseconds_until(deadline)) < 0)
		return error_set(-errno, "interrupted while waiting for \"%s\"", port->name);
	return os_now_ns() < deadline;
}

int soft_poll(struct device *device, short events, int timeout_ms)
{
	struct soft *soft = (struct soft *)(void *)device;
	uint64_t deadline =
	    timeout_ms <= 0 ? UINT64_MAX : os_now_ns() + (uint64_t)timeout_ms * 1000000u;
	struct pollfd *fds;
	short found;
	int more = 1;

	if (!soft->port || soft->csb.atok)
		return POLLERR;
	found = sync_and_look(soft, events);
	if (found || timeout_ms == 0)
		return found;
	if (soft->spin_us)
		found = spin(soft, events, deadline);
	if (found)
		return found;
	fds = calloc((size_t)soft->port->num_tx + soft->port->num_rx + 1, sizeof *fds);
	if (!fds)
		return error_set(-ENOMEM, "out of memory for a wait on \"%s\"", soft->port->name);
	while (!found && more > 0) {
		more = sleep_until(soft, events, deadline, fds);
		if (more >= 0)
			found = sync_and_look(soft, events);
	}
	free(fds);
	return found || more >= 0 ? found : more;
}

/*
 * Packets that came before the descriptor did: their sender saw no reason to signal. A descriptor of
 * the ring's own stays readable until the ring's next sync.
 */
static int kick(const struct soft *soft, struct ring *r)
{
	if (r->kick < 0)
		r->kick = os_wake_create();
	if (r->kick < 0)
		return r->kick;
	os_wake_signal(r->kick);
	return os_pollset_add(soft->pollset, r->kick, POLLIN);
}

static int watch_ring(const struct soft *soft, struct ring *r)
{
	struct pollfd wake = {.fd = -1};
	int news = r->port->kind->arm(r, &wake);
	int err = news < 0 ? news : 0;

	if (!err && wake.fd >= 0)
		err = os_pollset_add(soft->pollset, wake.fd, POLLIN);
	if (err == -EEXIST) /* TX and RX of a socket are one descriptor */
		err = 0;
	if (!err && news > 0)
		err = kick(soft, r);
	return err;
}

/* Rings may be shared with other descriptors of the port: they stay evented as long as one is. */
static void count_evented(struct ring *rings, const struct soft_range *bound, uint32_t by)
{
	for (uint32_t i = bound->first; i < bound->end; i++) {
		uint32_t unusual = ring_unusual_add(&rings[i], by);

		if (unusual % RING_WATCHED == 0 && rings[i].kick >= 0) {
			close(rings[i].kick);
			rings[i].kick = -1;
		}
	}
}

static int watch(struct soft *soft)
{
	int err = 0;

	soft->pollset = os_pollset_create();
	if (soft->pollset < 0)
		return soft->pollset;
	count_evented(soft->port->rx, &soft->rx, RING_EVENTED);
	count_evented(soft->port->tx, &soft->tx, RING_EVENTED);
	for (uint32_t i = soft->rx.first; i < soft->rx.end && !err; i++)
		err = watch_ring(soft, &soft->port->rx[i]);
	for (uint32_t i = soft->tx.first; i < soft->tx.end && !err; i++)
		err = watch_ring(soft, &soft->port->tx[i]);
	return err;
}

/* The registry's lock is held: it also guards what descriptors of one port share. */
void soft_unwatch(struct soft *soft)
{
	if (soft->pollset < 0)
		return;
	count_evented(soft->port->rx, &soft->rx, 0u - RING_EVENTED);
	count_evented(soft->port->tx, &soft->tx, 0u - RING_EVENTED);
	close(soft->pollset);
	soft->pollset = -1;
}

int soft_fd(struct device *device)
{
	struct soft *soft = (struct soft *)(void *)device;
	int err = 0;

	if (soft->csb.atok)
		return refuse_csb(soft);
	registry_lock();
	if (soft->pollset < 0) {
		err = watch(soft);
		if (err)
			soft_unwatch(soft);
	}
	registry_unlock();
	if (!err)
		return soft->pollset;
	return error_set(err, "cannot make a descriptor to wait on for \"%s\": %s",
	    soft->port->name, strerror(-err));
}
