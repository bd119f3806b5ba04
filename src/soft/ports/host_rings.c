/* SPDX-License-Identifier: BSD-2-Clause */
/* Syncs of host rings: a read or a write of a TAP queue for each packet. */
#include <errno.h>
#include <linux/if_ether.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../base/error.h"
#include "host_internal.h"

#define LOOK_MS 100L /* as host_look() does at most */

static int gone(const struct ring *r)
{
	return error_set(-ENETDOWN,
	    "port \"%s\": the TAP device of its host rings was taken away or down; close the port "
	    "and open it again",
	    r->port->name);
}

/* Describe the packet from *at on; its parts, 0: it is not complete, or -1: it is bad, and passed. */
static int gather(struct ring *r, uint32_t *at, struct iovec parts[NETMAP_MAX_FRAGS])
{
	uint32_t total = 0, len;
	uint16_t flags = NS_MOREFRAG;
	bool bad = false;
	int n = 0;

	while (flags & NS_MOREFRAG && *at != r->rhead) {
		uint8_t *data = ring_slot_data(r, *at, &len, &flags);

		bad = bad || !data || n == NETMAP_MAX_FRAGS;
		if (!data) /* the slot's flags say where the chain goes on, nevertheless */
			flags = (uint16_t)(loom_slot_word(&r->common.ring->slot[*at]) >> 48);
		else if (!bad)
			parts[n++] = (struct iovec){.iov_base = data, .iov_len = len};
		total += data ? len : 0;
		*at = ring_next(r, *at);
	}
	/* A chain that fills the ring will never be complete. */
	if (flags & NS_MOREFRAG && ring_distance(r, r->hwcur, *at) < r->num_slots - 1)
		return 0;
	if (!bad && !(flags & NS_MOREFRAG) && total >= ETH_HLEN)
		return n;
	ring_drop(r, LOOM_DROP_BAD_LENGTH, 1);
	return -1;
}

static int send_one(struct ring *r, int queue, const struct iovec *parts, int n)
{
	ssize_t sent;

	do
		sent = writev(queue, parts, n);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	if (errno == EIO || errno == EBADFD)
		return gone(r);
	ring_drop(r, LOOM_DROP_REFUSED, 1);
	return 0;
}

/* A write never blocks: what the host has no room for, it drops. */
int host_txsync(struct ring *r)
{
	const struct host_queue *queue = r->state;
	struct iovec parts[NETMAP_MAX_FRAGS];
	int err = 0;

	host_look(queue->host);
	while (r->hwcur != r->rhead && !err) {
		uint32_t at = r->hwcur;
		int n = gather(r, &at, parts);

		if (n == 0)
			break;
		if (n > 0)
			err = send_one(r, queue->fd, parts, n);
		if (!err)
			r->hwcur = at;
	}
	r->hwtail = ring_prev(r, r->hwcur);
	return err;
}

/* One packet; its length, 0: it does not fit, and is counted, or a negative errno. */
static int receive_one(struct ring *r, int queue, uint8_t *to, uint32_t room)
{
	uint8_t more;
	const struct iovec parts[] = {
	    {.iov_base = to, .iov_len = room}, {.iov_base = &more, .iov_len = 1}};
	ssize_t n = readv(queue, parts, 2);

	if (n < 0)
		return -errno;
	if (n <= (ssize_t)room)
		return (int)n;
	ring_drop(r, LOOM_DROP_OVERSIZED, 1);
	return 0;
}

int host_rxsync(struct ring *r)
{
	const struct host_queue *queue = r->state;
	uint32_t taken = 0;
	int n = 0;

	r->hwcur = r->rhead;
	host_look(queue->host);
	while (n >= 0 && ring_next(r, r->hwtail) != r->hwcur) {
		struct netmap_slot *slot = &r->common.ring->slot[r->hwtail];
		uint32_t room;
		uint8_t *to = ring_slot_space(r, r->hwtail, &room);

		n = to ? receive_one(r, queue->fd, to, room) : 0;
		if (n < 0 || (to && n == 0))
			continue;
		slot->len = (uint16_t)n;
		slot->flags = 0;
		r->hwtail = ring_next(r, r->hwtail);
		taken += n > 0;
	}
	if (taken) {
		r->common.stats.packets += taken;
		ring_stamp(r);
	}
	return n < 0 && n != -EAGAIN && n != -EINTR && !taken ? gone(r) : 0;
}

/* A descriptor that is readable when the queue is, and every LOOK_MS. */
static int pollset_open(struct host_queue *queue)
{
	int err;

	queue->pollset = os_pollset_create();
	if (queue->pollset < 0)
		return queue->pollset;
	queue->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	err = queue->timer < 0 ? -errno : os_pollset_add(queue->pollset, queue->timer, POLLIN);
	return err ? err : os_pollset_add(queue->pollset, queue->fd, POLLIN);
}

/* Without rings of the NIC in this process, something may come as soon as another has some. */
int host_arm(struct ring *r, struct pollfd *out)
{
	const struct itimerspec soon = {.it_value.tv_nsec = LOOK_MS * 1000000};
	struct host_queue *queue = r->state;
	int err = 0;

	out->fd = r->tx ? -1 : queue->fd;
	out->events = POLLIN;
	if (r->tx || !host_waits_for_others(queue->host))
		return ring_ready(r);
	if (queue->pollset < 0)
		err = pollset_open(queue);
	if (!err && timerfd_settime(queue->timer, 0, &soon, NULL) != 0)
		err = -errno;
	out->fd = queue->pollset;
	return err ? err : ring_ready(r);
}
