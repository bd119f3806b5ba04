/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packet: an interface of this machine, through AF_PACKET. The host goes on seeing its traffic, unless host
 * rings are in use (host.h). Several RX rings share the traffic by flow (PACKET_FANOUT).
 *
 * An interface that is down can be opened: syncs say -ENETDOWN until it is up. One that goes away
 * stays away, whatever comes by its name later.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../offsets.h"
#include "../parcel.h"
#include "host.h"
#include "packet.h"

struct packet {
	struct host *host; /* NULL: none, or another process's */
	struct packet_rx *rx;
	struct packet_tx *tx;
	uint32_t num_rx, num_tx;
};

int packet_option_set(int fd, int option, const void *value, socklen_t size)
{
	return setsockopt(fd, SOL_PACKET, option, value, size) == 0 ? 0 : -errno;
}

int packet_socket_open(int *fd)
{
	*fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	return *fd < 0 ? -errno : 0;
}

int packet_socket_bind(int fd, int interface, uint16_t protocol)
{
	const struct sockaddr_ll to = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = interface};

	return bind(fd, (const struct sockaddr *)&to, sizeof to) == 0 ? 0 : -errno;
}

/* Make the rings share the traffic by flow, under an id that the kernel finds free. */
static int fanout_join(const struct packet *packet)
{
	int group = (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
	socklen_t size = sizeof group;
	int err = packet_option_set(packet->rx[0].fd, PACKET_FANOUT, &group, sizeof group);

	if (!err && getsockopt(packet->rx[0].fd, SOL_PACKET, PACKET_FANOUT, &group, &size) != 0)
		err = -errno;
	group = (group & 0xffff) | PACKET_FANOUT_HASH << 16;
	for (uint32_t i = 1; i < packet->num_rx && !err; i++)
		err = packet_option_set(packet->rx[i].fd, PACKET_FANOUT, &group, sizeof group);
	return err;
}

static int sockets_open(const struct packet *packet, int interface)
{
	int err = 0;

	for (uint32_t i = 0; i < packet->num_rx && !err; i++)
		err = packet_rx_open(&packet->rx[i], interface, packet->num_rx);
	for (uint32_t i = 0; i < packet->num_tx && !err; i++)
		err = packet_tx_open(&packet->tx[i], interface);
	if (!err && packet->num_rx > 1)
		err = fanout_join(packet);
	return err;
}

static int sockets_error(const char *name, int err)
{
	if (err == -EPERM || err == -EACCES)
		return error_set(err,
		    "port \"%s\": AF_PACKET needs CAP_NET_RAW: run as root, give the program the "
		    "capability (setcap cap_net_raw+ep PROGRAM), or run it in a user namespace "
		    "with a network of its own (unshare -Urn)",
		    name);
	return error_set(
	    err, "port \"%s\": cannot set up its AF_PACKET sockets: %s", name, strerror(-err));
}

/* Aligned: neighbouring rings are synced by different threads. */
static void *rings_allocate(size_t n, size_t size)
{
	void *rings = NULL;

	if (posix_memalign(&rings, _Alignof(struct packet_tx), n * size) != 0)
		return NULL;
	return memset(rings, 0, n * size);
}

static void packet_free(struct packet *packet)
{
	for (uint32_t i = 0; packet->rx && i < packet->num_rx; i++)
		packet_rx_close(&packet->rx[i]);
	for (uint32_t i = 0; packet->tx && i < packet->num_tx; i++)
		packet_tx_close(&packet->tx[i]);
	host_destroy(packet->host);
	free(packet->rx);
	free(packet->tx);
	free(packet);
}

static struct packet *packet_new(uint32_t num_tx, uint32_t num_rx)
{
	struct packet *packet = calloc(1, sizeof *packet);

	if (!packet)
		return NULL;
	packet->num_rx = num_rx;
	packet->num_tx = num_tx;
	packet->rx = rings_allocate(num_rx, sizeof *packet->rx);
	packet->tx = rings_allocate(num_tx, sizeof *packet->tx);
	for (uint32_t i = 0; packet->rx && i < num_rx; i++)
		packet->rx[i].fd = -1;
	for (uint32_t i = 0; packet->tx && i < num_tx; i++) {
		packet->tx[i].fd = -1;
		retry_init(&packet->tx[i].retry);
	}
	if (packet->rx && packet->tx)
		return packet;
	packet_free(packet);
	return NULL;
}

static int request_check(struct port_request *request, int *interface)
{
	int err = host_rings_choose(request);

	return err ? err : link_find(request, interface);
}

static void describe(struct port *port)
{
	const struct packet *packet = port->state;
	const char *host = packet->host ? host_describe(packet->host) : "";
	char fanout[24] = "";

	if (packet->num_rx > 1)
		snprintf(fanout, sizeof fanout, ", fanout %u", packet->num_rx);
	snprintf(port->mode, sizeof port->mode, "tpacket-v3 rx, sendmmsg tx, no qdisc%s%s", fanout,
	    host[0] ? host : ", host sees too");
}

static void attach(struct port *port, struct packet *packet)
{
	for (uint32_t i = 0; i < packet->num_rx; i++)
		port->rx[i].state = &packet->rx[i];
	for (uint32_t i = 0; i < packet->num_tx; i++)
		port->tx[i].state = &packet->tx[i];
	port->state = packet;
	describe(port);
}

static int packet_open(struct port *port, const struct port_request *wanted)
{
	struct port_request request = *wanted;
	struct region *region;
	struct packet *packet;
	int interface = 0, err = request_check(&request, &interface);

	if (err)
		return err;
	packet = packet_new(request.tx_rings, request.rx_rings);
	if (!packet)
		return error_set(-ENOMEM, "out of memory for \"%s\"", request.name);
	err = sockets_open(packet, interface);
	if (err)
		err = sockets_error(request.name, err);
	else
		err = port_region_of_interfaces(&request, &region);
	if (!err)
		err = port_build_own(port, &request, region, false);
	if (!err) {
		err = host_create(port, interface, true, &packet->host);
		if (err)
			port_unbuild(port);
	}
	if (err) {
		packet_free(packet);
		return err;
	}
	attach(port, packet);
	return 0;
}

static void packet_close(struct port *port)
{
	packet_free(port->state);
}

/* A ring of the NIC receives from its first user on. */
static int packet_begin(struct ring *r)
{
	struct packet *packet = r->port->state;
	int err = 0;

	if (!r->tx && !host_owns(r))
		err = packet_rx_start(r->state);
	if (err)
		return sockets_error(r->port->name, err);
	if (packet->host)
		err = host_begin(packet->host, r);
	else if (host_owns(r))
		err = error_set(-EOPNOTSUPP,
		    "port \"%s\" came from another process, which has its host rings",
		    r->port->name);
	describe(r->port);
	return err;
}

static void packet_end(struct ring *r)
{
	struct packet *packet = r->port->state;

	if (packet->host)
		host_end(packet->host, r);
	describe(r->port);
}

static int packet_arm(struct ring *r, struct pollfd *out)
{
	if (host_owns(r))
		return host_arm(r, out);
	return r->tx ? packet_tx_arm(r, out) : packet_rx_arm(r, out);
}

static void packet_disarm(struct ring *r)
{
	if (r->tx && !host_owns(r)) /* a receiving socket is readable only while it has packets */
		packet_tx_disarm(r);
}

/* ---- several users ---- */

static void packet_show(const struct ring *r, void *own)
{
	if (!r->tx && !host_owns(r))
		packet_rx_show(r->state, own);
}

static void packet_take(struct ring *r, const void *own)
{
	if (!r->tx && !host_owns(r) && r->state)
		packet_rx_take(r->state, own);
}

static int packet_pack(struct port *port, struct parcel *parcel)
{
	const struct packet *packet = port->state;
	bool fits = true;

	if (packet->host && host_describe(packet->host)[0])
		return error_set(-EOPNOTSUPP,
		    "\"%s\" has host rings in use, and cannot be passed on before they are closed",
		    port->name);
	for (uint32_t i = 0; i < packet->num_rx; i++)
		fits = fits && parcel_put(parcel, packet->rx[i].fd);
	for (uint32_t i = 0; i < packet->num_tx; i++)
		fits = fits && parcel_put(parcel, packet->tx[i].fd);
	return fits ? 0
		    : error_set(
			  -EOPNOTSUPP, "\"%s\" has too many rings to be passed on", port->name);
}

static int packet_adopt(struct port *port, struct parcel *parcel)
{
	struct packet *packet =
	    packet_new(port->num_tx - port->host_tx, port->num_rx - port->host_rx);
	int err = 0;

	if (!packet)
		return error_set(-ENOMEM, "out of memory for \"%s\"", port->name);
	for (uint32_t i = 0; i < packet->num_rx && !err; i++)
		err = packet_rx_adopt(&packet->rx[i], parcel_take(parcel), packet->num_rx);
	for (uint32_t i = 0; i < packet->num_tx && !err; i++)
		err = packet_tx_adopt(&packet->tx[i], parcel_take(parcel));
	if (err) {
		packet_free(packet);
		return error_set(
		    err, "cannot map the sockets of \"%s\": %s", port->name, strerror(-err));
	}
	attach(port, packet);
	return 0;
}

static inline int either_txsync(struct ring *r)
{
	return LOOM_UNLIKELY(host_owns(r)) ? host_txsync(r) : packet_txsync(r);
}

static inline int either_rxsync(struct ring *r)
{
	return LOOM_UNLIKELY(host_owns(r)) ? host_rxsync(r) : packet_rxsync(r);
}

RING_SYNCS(either)

const struct port_kind port_kind_packet = {
    .name = "packet",
    .example = "packet:eth0",
    .help = "an interface through AF_PACKET; the host sees its traffic, too, without host rings",
    .is_parent = true,
    .open = packet_open,
    .close = packet_close,
    .show = packet_show,
    .take = packet_take,
    .pack = packet_pack,
    .adopt = packet_adopt,
    .begin = packet_begin,
    .end = packet_end,
    .tx_entry = either_tx_entry,
    .rx_entry = either_rx_entry,
    .arm = packet_arm,
    .disarm = packet_disarm,
    .offsets_start = offsets_start,
};
