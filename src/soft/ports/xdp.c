/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xdp: an interface of this machine, through AF_XDP. A queue whose RX ring is in use is taken from the host,
 * the others are not; it goes back when the ring is let go, or its process dies.
 *
 * Native mode first (in the driver), then generic; zero-copy where the driver has it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../base/error.h"
#include "../soft.h"
#include "xdp.h"
#include "xdp_check.h"

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* As the module: there are as many rings as the interface has queues, or fewer if fewer are wanted. */
static void rings_choose(struct port_request *request, const struct xdp_facts *facts)
{
	const uint32_t rx = smaller(facts->rx_queues, SOFT_RINGS_MAX);
	const uint32_t tx = smaller(facts->tx_queues, SOFT_RINGS_MAX);

	request->rx_rings = request->any_rx_rings ? rx : smaller(request->rx_rings, rx);
	request->tx_rings = request->any_tx_rings ? tx : smaller(request->tx_rings, tx);
}

static int request_check(struct port_request *request, int *interface, struct xdp_facts *facts)
{
	int err;

	err = host_rings_choose(request);
	if (err)
		return err;
	err = link_find(request, interface);
	if (err)
		return err;
	err = xdp_facts_read(*interface, facts);
	if (err)
		return error_set(err, "port \"%s\": cannot ask the interface for its queues: %s",
		    request->name, strerror(-err));
	rings_choose(request, facts);
	return 0;
}

/* Generic where there is no native one and none was asked for; but not where that is in use. */
static int program_attach(struct xdp_port *xdp, const char *name)
{
	int err = 0;

	if (xdp->mode != LOOM_XDP_GENERIC)
		err = xdp_program_attach(xdp->interface, true, name, &xdp->program);
	if (xdp->mode == LOOM_XDP_ANY)
		xdp->no_native = err;
	if (xdp->mode == LOOM_XDP_GENERIC ||
	    (xdp->mode == LOOM_XDP_ANY && err && err != -EPERM && err != -EBUSY))
		err = xdp_program_attach(xdp->interface, false, name, &xdp->program);
	return err;
}

/* ---- memory ---- */

static void queue_init(struct xdp_port *xdp, uint32_t number, uint32_t rx_slots, uint32_t tx_slots)
{
	struct xdp_queue *q = &xdp->queues[number];
	uint32_t *held = xdp->held + (size_t)number * (rx_slots + tx_slots);

	q->number = number;
	q->rx = (struct xdp_rx){
	    .held = held, .umem = xdp->umem, .fd = -1, .link.fd = -1, .pollset = -1};
	q->tx =
	    (struct xdp_tx){.held = held + rx_slots, .umem = xdp->umem, .fd = -1, .link_fd = -1};
	retry_init(&q->tx.retry);
}

/* Which buffers the kernel has is known to children, too: their syncs go on with it. */
static int queues_make(struct xdp_port *xdp, const struct port_request *request)
{
	const size_t slots = (size_t)request->rx_slots + request->tx_slots;
	void *queues = NULL, *held;

	xdp->num_queues =
	    request->rx_rings > request->tx_rings ? request->rx_rings : request->tx_rings;
	xdp->held_size = xdp->num_queues * slots * sizeof *xdp->held;
	if (posix_memalign(
		&queues, _Alignof(struct xdp_queue), xdp->num_queues * sizeof *xdp->queues) != 0)
		return -ENOMEM;
	memset(queues, 0, xdp->num_queues * sizeof *xdp->queues);
	xdp->queues = queues;
	held =
	    mmap(NULL, xdp->held_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (held == MAP_FAILED)
		return -ENOMEM;
	xdp->held = held;
	for (uint32_t i = 0; i < xdp->num_queues; i++)
		queue_init(xdp, i, request->rx_slots, request->tx_slots);
	return 0;
}

static void xdp_free(struct xdp_port *xdp)
{
	host_destroy(xdp->host);
	for (uint32_t i = 0; xdp->held && i < xdp->num_queues; i++)
		xdp_queue_close(&xdp->queues[i]);
	if (xdp->umem)
		xdp_umem_release(xdp->umem);
	xdp_program_detach(&xdp->program);
	if (xdp->held)
		munmap(xdp->held, xdp->held_size);
	free(xdp->queues);
	free(xdp);
}

/* ---- the kind ---- */

static void attach(struct port *port, struct xdp_port *xdp)
{
	for (uint32_t i = 0; i < port->num_rx - port->host_rx; i++)
		port->rx[i].state = &xdp->queues[i].rx;
	for (uint32_t i = 0; i < port->num_tx - port->host_tx; i++)
		port->tx[i].state = &xdp->queues[i].tx;
	snprintf(port->mode, sizeof port->mode, "%s, no queue in use",
	    xdp->program.native ? "native" : "generic");
	port->state = xdp;
}

/* Generic programs run again on what host rings bring in: the port would receive its own frames. */
static int host_check(const struct xdp_port *xdp, const char *name)
{
	return xdp->program.native
		   ? 0
		   : error_set(-EOPNOTSUPP,
			 "port \"%s\": the driver has no XDP of its own, and without that AF_XDP "
			 "ports have no host rings; open \"packet:%s\"",
			 name, name);
}

/* While another kind can still be tried: the sockets of the rings that are about to be used. */
static int queues_open(struct port *port, const struct port_request *request)
{
	struct xdp_port *xdp = port->state;
	int err = 0;

	for (uint32_t i = request->first_bound;
	     i < request->end_bound && i < xdp->num_queues && !err; i++)
		err = xdp_queue_open(port, &xdp->queues[i]);
	return err;
}

/* What is there by now is given back by the caller. */
static int set_up(struct port *port, const struct port_request *request,
    const struct xdp_facts *facts, struct xdp_port *xdp)
{
	int err = program_attach(xdp, request->name);

	if (!err && request->host)
		err = host_check(xdp, request->ident);
	if (!err)
		err = xdp_umem_build(port, request, &xdp->umem);
	if (err)
		return err;
	err =
	    xdp_check_frames(facts, request->name, port->region->buf_room, xdp->program.fragments);
	if (!err && queues_make(xdp, request) != 0)
		err = error_set(-ENOMEM, "out of memory for \"%s\"", request->name);
	if (!err) {
		attach(port, xdp);
		err = host_create(port, xdp->interface, false, &xdp->host);
	}
	if (!err)
		err = queues_open(port, request);
	if (err)
		port_unbuild(port);
	return err;
}

static int xdp_open(struct port *port, const struct port_request *wanted)
{
	struct port_request request = *wanted;
	struct xdp_facts facts;
	struct xdp_port *xdp;
	int interface = 0, err = request_check(&request, &interface, &facts);

	if (err)
		return err;
	xdp = calloc(1, sizeof *xdp);
	if (!xdp)
		return error_set(-ENOMEM, "out of memory for \"%s\"", request.name);
	xdp->interface = interface;
	xdp->program.link = xdp->program.map = -1;
	xdp->mode = (enum loom_xdp_mode)request.xdp_mode;
	xdp->busy_poll_us = request.xdp_busy_poll_us;
	err = set_up(port, &request, &facts, xdp);
	if (err) {
		xdp_free(xdp);
	}
	return err;
}

static void xdp_close(struct port *port)
{
	xdp_free(port->state);
}

/* Host rings are the last part of the port's mode. */
static void host_say(struct port *port)
{
	const struct xdp_port *xdp = port->state;
	char *part = strstr(port->mode, ", host");
	size_t used = part ? (size_t)(part - port->mode) : strlen(port->mode);

	snprintf(port->mode + used, sizeof port->mode - used, "%s", host_describe(xdp->host));
}

static int either_begin(struct ring *r)
{
	const struct xdp_port *xdp = r->port->state;
	int err = host_owns(r) ? host_check(xdp, r->port->name) : xdp_begin(r);

	if (err || !xdp->host)
		return err;
	err = host_begin(xdp->host, r);
	if (err && !host_owns(r))
		xdp_end(r);
	host_say(r->port);
	return err;
}

static void either_end(struct ring *r)
{
	const struct xdp_port *xdp = r->port->state;

	if (!host_owns(r))
		xdp_end(r);
	if (!xdp->host)
		return;
	host_end(xdp->host, r);
	host_say(r->port);
}

static int either_txsync(struct ring *r)
{
	return LOOM_UNLIKELY(host_owns(r)) ? host_txsync(r) : xdp_txsync(r);
}

static int either_rxsync(struct ring *r)
{
	return LOOM_UNLIKELY(host_owns(r)) ? host_rxsync(r) : xdp_rxsync(r);
}

static int xdp_arm(struct ring *r, struct pollfd *out)
{
	if (host_owns(r))
		return host_arm(r, out);
	return r->tx ? xdp_tx_arm(r, out) : xdp_rx_arm(r, out);
}

static void xdp_disarm(struct ring *r)
{
	if (r->tx && !host_owns(r)) /* a receiving socket is readable only while it has packets */
		xdp_tx_disarm(r);
}

/* Of a ring without users here: another process may have some. */
static void xdp_take(struct ring *r, const void *own)
{
	struct xdp_port *xdp = r->port->state;
	struct xdp_queue *q;

	(void)own;
	if (host_owns(r))
		return;
	q = &xdp->queues[r->index];
	if (!q->socket)
		return;
	if (r->tx)
		xdp_tx_take(&q->tx);
	else
		xdp_rx_take(&q->rx);
}

RING_SYNCS(either)

const struct port_kind port_kind_xdp = {
    .name = "xdp",
    .example = "xdp:eth0",
    .help = "an interface through AF_XDP; the host does not see what its queues receive",
    .is_parent = true,
    .own_memory = true,
    .open = xdp_open,
    .close = xdp_close,
    .begin = either_begin,
    .end = either_end,
    .take = xdp_take,
    .tx_entry = either_tx_entry,
    .rx_entry = either_rx_entry,
    .arm = xdp_arm,
    .disarm = xdp_disarm,
};
