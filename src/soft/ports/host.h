/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host rings of an interface: what the kinds that serve interfaces have for them.
 *
 *   host RX ring   what the host sends by the interface: a program on the interface's way out redirects
 *                  it to a TAP device, whose queue the ring reads
 *   host TX ring   what the host is to receive by the interface: written to another TAP device, from where
 *                  a program redirects it to the interface's way in
 *
 * As with netmap, the host's packets are diverted only while a TX ring of the NIC is in use, too, here or
 * in another process. Where the kind's RX rings get copies, another program drops what the host would
 * receive beside the rings while host rings are in use; what came by a host TX ring bears a mark and passes.
 *
 * Everything is made when a ring gets its first user and goes with its last one; it also goes with the process,
 * however that ends, so that the host has its network again.
 *
 * Rings are synced by one thread each; the other functions are called under the registry's lock.
 */
#ifndef SOFT_PORTS_HOST_H
#define SOFT_PORTS_HOST_H

#include "../port.h"

/** The mark of a frame that was written to a host TX ring, until it has passed the interface: "host". */
#define HOST_MARK 0x686f7374u

struct host;

/**
 * As the module: interfaces have a pair of host rings, whether or not anybody asked for it. A build without
 * them refuses requests for some with -EOPNOTSUPP.
 */
int host_rings_choose(struct port_request *request);

/**
 * For a port that is built. Makes nothing of the system's yet.
 *
 * @param interface  its index
 * @param copies     the kind's RX rings get copies of what the host receives
 * @return 0; -ENOMEM
 */
int host_create(struct port *port, int interface, bool copies, struct host **out);

/** Let go of everything; NULL is harmless. */
void host_destroy(struct host *host);

static inline bool host_owns(const struct ring *r)
{
	return r->index >=
	       (r->tx ? r->port->num_tx - r->port->host_tx : r->port->num_rx - r->port->host_rx);
}

/** A ring of the port, of the NIC or the host, gets its first user or lost its last one. */
int host_begin(struct host *host, struct ring *r);
void host_end(struct host *host, struct ring *r);

/** What of the port's mode is about host rings, from ", host" on; "" while none is in use. */
const char *host_describe(const struct host *host);

/* ---- host_rings.c: rings that host_owns() ---- */

int host_txsync(struct ring *r);
int host_rxsync(struct ring *r);
int host_arm(struct ring *r, struct pollfd *out);

#endif
