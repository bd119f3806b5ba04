/* SPDX-License-Identifier: BSD-2-Clause */
/* A queue's socket: made for the first user of one of its two rings, closed after the last one of both. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_xdp.h>

#include "../../base/error.h"
#include "xdp.h"
#include "xdp_check.h"

/* Newer than the headers of some systems: how many packets one call sends where it copies. Linux 6.17. */
#define XDP_SEND_BUDGET 9

/* Each a millisecond longer than the one before it; half a second together. */
#define BUSY_TRIES 30u

/* Packets of one turn: what the kernel's own turns take. */
#define BUSY_POLL_BUDGET 64

/* Positions are counted in slots: a ring of the kernel's has a power of two. */
static uint32_t entries_for(uint32_t slots)
{
	uint32_t n = 1;

	while (n < slots)
		n <<= 1;
	return n;
}

static int socket_create(const struct xdp_port *xdp, struct xdp_queue *q, const struct port *port,
    const char *interface, uint16_t bind_flags)
{
	/*
	 * The kernel says that it took from the fill ring after it says what it received: with as many entries
	 * as slots there would not always be room for those that come back.
	 */
	const struct xsk_umem_config memory = {.fill_size = 2 * entries_for(port->rx_slots),
	    .comp_size = entries_for(port->tx_slots),
	    .frame_size = 1u << xdp->umem->shift};
	const struct xsk_socket_config config = {.rx_size = entries_for(port->rx_slots),
	    .tx_size = memory.comp_size,
	    .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
	    .bind_flags = (uint16_t)(bind_flags | XDP_USE_NEED_WAKEUP)};
	int err = xsk_umem__create(
	    &q->umem, xdp->umem->chunks, xdp->umem->size, &q->rx.fill, &q->tx.done, &memory);

	if (err) {
		q->umem = NULL;
		return xdp_umem_refused(xdp->umem, port->name, err);
	}
	err = xsk_socket__create(
	    &q->socket, interface, q->number, q->umem, &q->rx.ring, &q->tx.ring, &config);
	if (!err)
		return 0;
	q->socket = NULL;
	xsk_umem__delete(q->umem);
	q->umem = NULL;
	return err;
}

void xdp_queue_close(struct xdp_queue *q)
{
	if (q->rx.pollset >= 0)
		close(q->rx.pollset);
	retry_close(&q->tx.retry);
	if (q->rx.link.fd >= 0)
		close(q->rx.link.fd);
	if (q->socket)
		xsk_socket__delete(q->socket);
	if (q->umem)
		xsk_umem__delete(q->umem);
	q->socket = NULL;
	q->umem = NULL;
	q->rx.pollset = q->rx.link.fd = q->rx.fd = q->tx.fd = q->tx.link_fd = -1;
}

static int refused(const struct port *port, const struct xdp_queue *q, int err)
{
	if (err == -EBUSY)
		return error_set(err,
		    "port \"%s\": queue %u has an AF_XDP socket already, of another port or "
		    "process",
		    port->name, q->number);
	return error_set(err, "port \"%s\": cannot bind an AF_XDP socket to queue %u: %s",
	    port->name, q->number, strerror(-err));
}

/*
 * A queue is its last socket's for a moment longer than the socket is there: until the kernel has cleaned up
 * behind it, and what it was sending has been sent.
 */
static int socket_create_patiently(const struct xdp_port *xdp, struct xdp_queue *q,
    const struct port *port, const char *interface, uint16_t bind_flags)
{
	struct timespec moment = {.tv_nsec = 0};
	int err = socket_create(xdp, q, port, interface, bind_flags);

	for (unsigned i = 0; err == -EBUSY && i < BUSY_TRIES; i++) {
		moment.tv_nsec += 1000000;
		nanosleep(&moment, NULL);
		err = socket_create(xdp, q, port, interface, bind_flags);
	}
	return err;
}

static bool is_possible(const struct xdp_port *xdp, uint16_t way)
{
	const bool zero_copy = way & XDP_ZEROCOPY;

	if (way & XDP_BIND_SG && !xdp->program.fragments)
		return false;
	if (zero_copy)
		return xdp->program.native && xdp->mode <= LOOM_XDP_ZERO_COPY;
	return xdp->mode != LOOM_XDP_ZERO_COPY;
}

/* The ways to bind, the best one first. What a driver refuses, it refuses for all its queues. */
static int socket_bind(
    struct xdp_port *xdp, struct xdp_queue *q, const struct port *port, const char *interface)
{
	static const uint16_t ways[] = {
	    XDP_ZEROCOPY | XDP_BIND_SG, XDP_ZEROCOPY, XDP_COPY | XDP_BIND_SG, XDP_COPY};
	int err = -EOPNOTSUPP;

	for (; xdp->way < sizeof ways / sizeof ways[0]; xdp->way++) {
		uint16_t way = ways[xdp->way];

		if (!is_possible(xdp, way))
			continue;
		err = socket_create_patiently(xdp, q, port, interface, way);
		if (!err) {
			xdp->zero_copy = way & XDP_ZEROCOPY;
			xdp->fragments = way & XDP_BIND_SG;
			return 0;
		}
		if (err == -EBUSY || err == -ENOMEM || err == -EPERM || err == -ENOBUFS)
			break;
		if (way & XDP_ZEROCOPY)
			xdp->no_zero_copy = err;
	}
	if (err == -ENOMEM || err == -EPERM || err == -ENOBUFS)
		return xdp_umem_refused(xdp->umem, port->name, err);
	return refused(port, q, err);
}

static int link_watch_open(const struct xdp_port *xdp, struct xdp_queue *q, const char *name)
{
	int fd = link_socket_open(xdp->interface);

	if (fd < 0)
		return error_set(fd, "port \"%s\": cannot watch its link: %s", name, strerror(-fd));
	link_watch_init(&q->rx.link, fd);
	q->tx.link_fd = fd;
	return 0;
}

/* A wish: a kernel that cannot goes on with interrupts, and the mode says so. */
static int busy_poll_start(int fd, uint32_t microseconds)
{
	const int prefer = 1, budget = BUSY_POLL_BUDGET;
	bool done =
	    setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &prefer, sizeof prefer) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &microseconds, sizeof microseconds) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof budget) == 0;

	return done ? 0 : -errno;
}

static void socket_set_up(struct xdp_port *xdp, struct xdp_queue *q, struct port *port)
{
	const uint32_t budget = entries_for(port->tx_slots);

	q->rx.fd = q->tx.fd = xsk_socket__fd(q->socket);
	q->rx.counted = 0;
	q->tx.fragments = xdp->fragments;
	port->chain_max = xdp->fragments ? XDP_FRAGS_MAX : 1;
	setsockopt(q->tx.fd, SOL_XDP, XDP_SEND_BUDGET, &budget, sizeof budget);
	if (xdp->busy_poll_us == 0)
		return;
	xdp->no_busy_poll = busy_poll_start(q->rx.fd, xdp->busy_poll_us);
	q->rx.busy_poll = xdp->no_busy_poll == 0;
}

/* One more part, if there is room for it. */
static void mode_add(struct port *port, const char *which, const char *what)
{
	size_t used = strlen(port->mode);

	if (used + strlen(which) + strlen(what) + sizeof ", : " <= sizeof port->mode)
		snprintf(port->mode + used, sizeof port->mode - used, ", %s: %s", which, what);
}

static void mode_say(struct port *port, const struct xdp_port *xdp)
{
	const char *how = xdp->zero_copy        ? "zero-copy"
			  : xdp->program.native ? "native, copies"
						: "generic, copies";

	snprintf(port->mode, sizeof port->mode, "%s%s%s%s", how,
	    xdp->busy_poll_us && !xdp->no_busy_poll ? ", busy polling" : "",
	    xdp->fragments ? ", multi-buffer" : "", xdp->umem->alone ? ", memory of its own" : "");
	if (xdp->no_native)
		mode_add(port, "native", strerror(-xdp->no_native));
	if (xdp->no_zero_copy && !xdp->zero_copy)
		mode_add(port, "zero-copy", strerror(-xdp->no_zero_copy));
	if (xdp->no_busy_poll)
		mode_add(port, "busy polling", strerror(-xdp->no_busy_poll));
	if (xdp->hurts[0])
		mode_add(port, "switch off", xdp->hurts);
	if (xdp->rings[0])
		mode_add(port, "the driver's rings", xdp->rings);
	port->zero_copy = xdp->zero_copy;
}

int xdp_queue_open(struct port *port, struct xdp_queue *q)
{
	struct xdp_port *xdp = port->state;
	struct xdp_facts facts;
	int err = xdp_facts_read(xdp->interface, &facts);

	if (err)
		return error_set(
		    err, "port \"%s\": its interface is gone: %s", port->name, strerror(-err));
	memcpy(xdp->hurts, facts.hurts, sizeof xdp->hurts);
	xdp_check_rings(&facts, port->rx_slots, xdp->rings, sizeof xdp->rings);
	err = socket_bind(xdp, q, port, facts.name);
	if (err)
		return err;
	socket_set_up(xdp, q, port);
	err = xdp_check_frames(&facts, port->name, port->region->buf_room, xdp->fragments);
	if (!err)
		err = link_watch_open(xdp, q, port->name);
	if (err) {
		xdp_queue_close(q);
		return err;
	}
	mode_say(port, xdp);
	return 0;
}

static void queue_leave(struct port *port, struct xdp_queue *q)
{
	if (--q->users > 0)
		return;
	xdp_queue_close(q);
	if (q->number < port->num_rx - port->host_rx)
		xdp_rx_stop(&port->rx[q->number]);
	if (q->number < port->num_tx - port->host_tx)
		xdp_tx_stop(&port->tx[q->number]);
}

static int rx_begin(struct port *port, struct xdp_queue *q)
{
	const struct xdp_port *xdp = port->state;
	int err;

	xdp_rx_start(&port->rx[q->number]);
	err = xdp_program_take(&xdp->program, q->number, q->rx.fd);
	return err ? error_set(err, "port \"%s\": cannot direct queue %u to its socket: %s",
			 port->name, q->number, strerror(-err))
		   : 0;
}

int xdp_begin(struct ring *r)
{
	struct port *port = r->port;
	struct xdp_port *xdp = port->state;
	struct xdp_queue *q = &xdp->queues[r->index];
	int err = q->socket ? 0 : xdp_queue_open(port, q);

	if (err)
		return err;
	q->users++;
	err = r->tx ? 0 : rx_begin(port, q);
	if (err)
		queue_leave(port, q);
	return err;
}

void xdp_end(struct ring *r)
{
	const struct xdp_port *xdp = r->port->state;
	struct xdp_queue *q = &xdp->queues[r->index];

	/* Where others have the socket too, it leaves the map when the last of them closes it. */
	if (!r->tx && !r->port->held_elsewhere)
		xdp_program_leave(&xdp->program, q->number);
	queue_leave(r->port, q);
}
