/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames from and to a TAP device: one system call each, straight into and out of slots' buffers. What of
 * a frame does not fit its first slot is read beside it and copied to the following ones.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../chain.h"
#include "tap.h"

#define REST_MAX (68u << 10) /* more than the largest frame that a device can have */

/* How often a ring that is synced without ever sleeping asks whether the device is up. */
#define LOOK_SYNCS 32u
#define LOOK_NS    20000000u

bool tap_ring_init(struct tap_ring *state, bool tx, int queue, const uint32_t *header)
{
	state->queue = queue;
	state->header = header;
	state->most = 1;
	state->skip = CHAIN_NONE;
	state->rest = tx ? NULL : malloc(REST_MAX); /* pages that are not touched cost nothing */
	return tx || state->rest;
}

/* Whether frames can pass; if not, why, and what can be done. */
static int link_check(struct ring *r)
{
	struct tap_ring *state = r->state;
	int up = tap_is_up(state->queue);

	state->doubtful = up != 1;
	if (up == 1)
		return 0;
	if (up < 0)
		return error_set(-ENETDOWN,
		    "port \"%s\": its TAP device is gone, somebody removed it; close the port and "
		    "open it "
		    "again",
		    r->port->name);
	return error_set(-ENETDOWN,
	    "port \"%s\": its TAP device is down; the port goes on when it is up (ip link set NAME "
	    "up)",
	    r->port->name);
}

static uint32_t header_of(const struct tap_ring *state)
{
	return __atomic_load_n(state->header, __ATOMIC_RELAXED);
}

/* ---- sending ---- */

static const uint8_t no_header[TAP_HEADER];

/*
 * Parts of a packet as the device wants them; first[0] is spare, the packet's own begin behind it. How
 * many; 0: the packet's first slot does not have its header.
 */
static int parts_prepare(struct iovec **first, const struct iovec *end, uint32_t header)
{
	struct iovec *own = *first + 1;

	if (header > 0 && own->iov_len < header)
		return 0;
	if (header == 0)
		**first = (struct iovec){(void *)(uintptr_t)no_header, TAP_HEADER};
	else if (header == TAP_HEADER)
		++*first;
	else {
		**first = (struct iovec){own->iov_base, TAP_HEADER};
		own->iov_base = (uint8_t *)own->iov_base + header;
		own->iov_len -= header;
	}
	return (int)(end - *first);
}

/* 0: sent, or counted as lost; -EAGAIN: not now; -ENETDOWN. */
static int transmit(struct ring *r, const struct iovec *parts, int n)
{
	struct tap_ring *state = r->state;

	if (writev(state->queue, parts, n) >= 0)
		return 0;
	if (errno == EAGAIN || errno == EINTR)
		return -EAGAIN;
	if ((errno != EINVAL && errno != ENOMEM) && link_check(r) != 0)
		return -ENETDOWN;
	ring_drop(r, LOOM_DROP_REFUSED, 1);
	return 0;
}

/* Send the packet at hwcur. -EAGAIN: it stays, it is unfinished or the device took no more. */
static int send_one(struct ring *r, uint32_t header)
{
	struct iovec parts[NETMAP_MAX_FRAGS + 1], *first = parts, *end = parts + 1;
	struct tap_ring *state = r->state;
	uint32_t at = r->hwcur;
	enum chain found = at == state->skip
			       ? CHAIN_BAD
			       : chain_describe(r, &at, &end); /* skip: a dropped one's rest */
	int n, err;

	if (found == CHAIN_UNFINISHED)
		return -EAGAIN;
	if (found == CHAIN_BAD) {
		chain_pass(r, &state->skip);
		return 0;
	}
	n = parts_prepare(&first, end, header);
	if (n == 0)
		ring_drop(r, LOOM_DROP_BAD_LENGTH, 1);
	err = n ? transmit(r, first, n) : 0;
	if (!err)
		r->hwcur = at;
	return err;
}

int tap_txsync(struct ring *r)
{
	const uint32_t header = header_of(r->state);
	int err = 0;

	while (r->hwcur != r->rhead && !err)
		err = send_one(r, header);
	r->hwtail = ring_prev(r, r->hwcur);
	return err == -EAGAIN ? 0 : err;
}

/* ---- receiving ---- */

static void slot_set(struct ring *r, uint32_t index, uint32_t len, uint16_t flags)
{
	struct netmap_slot *slot = &r->common.ring->slot[index];

	slot->len = (uint16_t)len;
	slot->flags = flags;
}

/*
 * Read a frame to a slot, and to state->rest behind it. Bytes as the program sees them, header included;
 * or a negative errno.
 */
static int64_t read_frame(const struct tap_ring *state, uint8_t *to, uint32_t room, uint32_t header)
{
	const uint32_t padding = header > TAP_HEADER ? header - TAP_HEADER : 0;
	uint8_t own[TAP_HEADER];
	const struct iovec parts[] = {
	    {header ? to : own, TAP_HEADER}, {to + header, room - header}, {state->rest, REST_MAX}};
	ssize_t n = readv(state->queue, parts, 3);

	if (n < 0)
		return -errno;
	memset(to + TAP_HEADER, 0, padding);
	return (int64_t)n - TAP_HEADER + header;
}

/* How many slots there have to be before the next frame is read: as many as one has taken so far. */
static void most_update(const struct ring *r, uint32_t used)
{
	struct tap_ring *state = r->state;

	if (used > state->most && used <= chain_longest(r))
		state->most = used;
}

/* A frame of len bytes, of which the first slot, at hwtail, has got room; 1, or 0: it is lost, and counted. */
static uint32_t take_in(struct ring *r, uint32_t len, uint32_t room, uint32_t slots)
{
	const struct tap_ring *state = r->state;
	const uint32_t at = r->hwtail, most = chain_longest(r), can = slots < most ? slots : most;
	uint32_t more = 0;

	if (len > room) {
		more = chain_put(r, ring_next(r, at), state->rest, len - room, can - 1);
		most_update(r, more ? more + 1 : can + 1);
		if (more == 0) {
			ring_drop(r, can < most ? LOOM_DROP_NO_ROOM : LOOM_DROP_OVERSIZED, 1);
			return 0;
		}
	}
	slot_set(r, at, more ? room : len, more ? NS_MOREFRAG : 0);
	r->hwtail = loom_ring_add(at, 1 + more, r->num_slots);
	return 1;
}

/* Read until there is no frame, or no room for one. Packets, or a negative errno before the first. */
static int64_t fill(struct ring *r, uint32_t slots)
{
	struct tap_ring *state = r->state;
	const uint32_t header = header_of(state);
	uint32_t room, taken = 0, end = ring_prev(r, r->hwcur);

	for (; slots >= state->most; slots = ring_distance(r, r->hwtail, end)) {
		uint32_t at = r->hwtail;
		uint8_t *to = ring_slot_space(r, at, &room);
		int64_t len;

		if (!to ||
		    room <= TAP_HEADER_MAX) { /* was left without a buffer: passed on empty */
			slot_set(r, at, 0, 0);
			r->hwtail = ring_next(r, at);
			continue;
		}
		len = read_frame(state, to, room, header);
		if (len < 0)
			return taken ? taken : len;
		taken += take_in(r, (uint32_t)len, room, slots);
	}
	return taken;
}

/* What a system call for no packets cannot say. */
static int look_at_times(struct ring *r)
{
	struct tap_ring *state = r->state;
	uint64_t now;

	if (state->doubtful)
		return link_check(r);
	if (++state->idle % LOOK_SYNCS)
		return 0;
	now = os_now_ns();
	if (now - state->looked_ns < LOOK_NS)
		return 0;
	state->looked_ns = now;
	return link_check(r);
}

int tap_rxsync(struct ring *r)
{
	int64_t taken;

	r->hwcur = r->rhead;
	taken = fill(r, ring_distance(r, r->hwtail, ring_prev(r, r->hwcur)));
	if (taken > 0) {
		r->common.stats.packets += (uint64_t)taken;
		ring_stamp(r);
		return 0;
	}
	if (ring_ready(r))
		return 0;
	return taken == 0 || taken == -EAGAIN || taken == -EINTR ? look_at_times(r) : link_check(r);
}

int tap_arm(struct ring *r, struct pollfd *out)
{
	struct tap_ring *state = r->state;

	out->fd = state->queue;
	out->events = r->tx ? POLLOUT : POLLIN;
	/* A device that is down or gone is news: the sync that follows says so. */
	return link_check(r) != 0 || ring_ready(r);
}
