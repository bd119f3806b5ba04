/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tap: an interface of this host whose other side is the port: what the host sends on it is received here,
 * what is sent here the host receives. The interface is there, and up, while the port is open; addresses
 * are the user's affair. A device that was there before stays.
 *
 * Large packets and missing checksums come only to programs that asked for a virtio-net header
 * (PORT_HDR_SET): without one, the host finishes what it sends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../offsets.h"
#include "../parcel.h"
#include "tap.h"

struct tap {
	struct tap_ring *rx, *tx;
	uint32_t num_rx, num_tx; /* queues: as many as RX rings */
	uint32_t header;         /* bytes, 0: the program sees none */
	int *queues;
};

static int tap_error(const struct port_request *request, int err)
{
	const char *name = request->name;

	switch (err) {
	case -ENOENT:
	case -ENODEV:
	case -ENXIO:
		return error_set(-ENXIO,
		    "port \"%s\": this system has no TAP devices, /dev/net/tun is missing "
		    "(modprobe "
		    "tun; in a container, give it the device)",
		    name);
	case -EPERM:
	case -EACCES:
		return error_set(err,
		    "port \"%s\": a TAP device needs CAP_NET_ADMIN: run as root, or let root make "
		    "it "
		    "for you (ip tuntap add dev %s mode tap user YOU%s), or run in a user "
		    "namespace "
		    "with a network of its own (unshare -Urn)",
		    name, request->ident, request->rx_rings > 1 ? " multi_queue" : "");
	case -EBUSY:
		return error_set(err,
		    "port \"%s\": another program has the TAP device \"%s\" open, which has one "
		    "queue",
		    name, request->ident);
	case -E2BIG:
		return error_set(err,
		    "port \"%s\": %u RX rings are more queues than \"%s\" has left", name,
		    request->rx_rings, request->ident);
	case -EINVAL:
		return error_set(err,
		    "port \"%s\": \"%s\" is there already and is no TAP device%s; \"ip -d link "
		    "show "
		    "%s\" tells what it is",
		    name, request->ident,
		    request->rx_rings > 1 ? " of several queues (multi_queue)" : "",
		    request->ident);
	default:
		return error_set(err, "port \"%s\": cannot open the TAP device \"%s\": %s", name,
		    request->ident, strerror(-err));
	}
}

/* ---- state ---- */

static void tap_free(struct tap *tap)
{
	for (uint32_t i = 0; tap->queues && i < tap->num_rx; i++)
		if (tap->queues[i] >= 0)
			close(tap->queues[i]);
	for (uint32_t i = 0; tap->rx && i < tap->num_rx; i++)
		free(tap->rx[i].rest);
	free(tap->queues);
	free(tap->rx);
	free(tap->tx);
	free(tap);
}

static void *rings_allocate(size_t n)
{
	void *rings = NULL;
	const size_t size = n * sizeof(struct tap_ring);

	if (posix_memalign(&rings, _Alignof(struct tap_ring), size) != 0)
		return NULL;
	return memset(rings, 0, size);
}

static struct tap *tap_new(uint32_t num_tx, uint32_t num_rx)
{
	struct tap *tap = calloc(1, sizeof *tap);

	if (!tap)
		return NULL;
	tap->num_rx = num_rx;
	tap->num_tx = num_tx;
	tap->rx = rings_allocate(num_rx);
	tap->tx = rings_allocate(num_tx);
	tap->queues = calloc(num_rx, sizeof *tap->queues);
	for (uint32_t i = 0; tap->queues && i < num_rx; i++)
		tap->queues[i] = -1;
	if (tap->rx && tap->tx && tap->queues)
		return tap;
	tap_free(tap);
	return NULL;
}

static int rings_init(struct tap *tap)
{
	bool fine = true;

	for (uint32_t i = 0; i < tap->num_rx; i++)
		fine = tap_ring_init(&tap->rx[i], false, tap->queues[i], &tap->header) && fine;
	for (uint32_t i = 0; i < tap->num_tx; i++)
		tap_ring_init(&tap->tx[i], true, tap->queues[i % tap->num_rx], &tap->header);
	return fine ? 0 : -ENOMEM;
}

static void attach(struct port *port, struct tap *tap)
{
	for (uint32_t i = 0; i < tap->num_rx; i++)
		port->rx[i].state = &tap->rx[i];
	for (uint32_t i = 0; i < tap->num_tx; i++)
		port->tx[i].state = &tap->tx[i];
	port->state = tap;
}

/* ---- opening ---- */

static int request_check(const struct port_request *request)
{
	if (request->host_tx_rings || request->host_rx_rings)
		return error_set(-EOPNOTSUPP,
		    "port \"%s\": a TAP device has no host rings, all its traffic is the host's; "
		    "leave out '^', '*' and host-rings",
		    request->name);
	if (strlen(request->ident) >= TAP_NAME_SIZE)
		return error_set(-EINVAL,
		    "port \"%s\": the name of an interface has at most %u characters",
		    request->name, TAP_NAME_SIZE - 1);
	return 0;
}

/* A device of one queue, or a persistent one of several that can spare one. */
static int first_queue_open(char name[TAP_NAME_SIZE], struct tap_shape *shape)
{
	int fd = tap_queue_open(name, shape);

	if (fd != -EINVAL || shape->many)
		return fd;
	shape->many = true;
	return tap_queue_open(name, shape);
}

static int queues_open(struct tap *tap, const char *ident)
{
	struct tap_shape shape = {.many = tap->num_rx > 1, .header = TAP_HEADER};
	char name[TAP_NAME_SIZE];
	int err;

	snprintf(name, sizeof name, "%s", ident);
	for (uint32_t i = 0; i < tap->num_rx; i++) {
		tap->queues[i] = i ? tap_queue_open(name, &shape) : first_queue_open(name, &shape);
		if (tap->queues[i] < 0)
			return tap->queues[i];
	}
	/* Who may use a device but not change it waits until somebody sets it up. */
	err = tap_up(name, true);
	return err == -EPERM ? 0 : err;
}

static int tap_open(struct port *port, const struct port_request *request)
{
	struct region *region;
	struct tap *tap;
	int err = request_check(request);

	if (err)
		return err;
	tap = tap_new(request->tx_rings, request->rx_rings);
	if (!tap)
		return error_set(-ENOMEM, "out of memory for \"%s\"", request->name);
	err = queues_open(tap, request->ident);
	if (!err)
		err = rings_init(tap);
	if (err)
		err = tap_error(request, err);
	else
		err = port_region_of_interfaces(request, &region);
	if (!err)
		err = port_build_own(port, request, region, false);
	if (err) {
		tap_free(tap);
		return err;
	}
	attach(port, tap);
	snprintf(port->mode, sizeof port->mode, "read and write, %u queue%s", tap->num_rx,
	    tap->num_rx > 1 ? "s" : "");
	return 0;
}

static void tap_close(struct port *port)
{
	tap_free(port->state);
}

static void tap_disarm(struct ring *r)
{
	(void)r; /* a queue is readable only while it has frames */
}

/* ---- virtio-net headers ---- */

static uint32_t tap_header(const struct port *port)
{
	const struct tap *tap = port->state;

	return __atomic_load_n(&tap->header, __ATOMIC_RELAXED);
}

/* A program that sees headers gets what they are for: large packets, checksums to complete. */
static int tap_header_set(struct port *port, uint32_t len)
{
	struct tap *tap = port->state;
	const uint32_t before = tap->header;
	int err;

	if (len != 0 && len != TAP_HEADER && len != TAP_HEADER_MAX)
		return error_set(
		    -EINVAL, "a virtio-net header has 10 or 12 bytes, or 0 for none, not %u", len);
	if (len) /* before anything comes that needs one */
		__atomic_store_n(&tap->header, len, __ATOMIC_RELAXED);
	err = tap_offload(tap->queues[0], len != 0);
	__atomic_store_n(&tap->header, err ? before : len, __ATOMIC_RELAXED);
	return err ? error_set(err,
			 "port \"%s\": the offloads of its TAP device cannot be changed: %s",
			 port->name, strerror(-err))
		   : 0;
}

/* ---- several users ---- */

static int tap_pack(struct port *port, struct parcel *parcel)
{
	const struct tap *tap = port->state;
	bool fits = true;

	for (uint32_t i = 0; i < tap->num_rx; i++)
		fits = fits && parcel_put(parcel, tap->queues[i]);
	parcel->own.words[0] = tap_header(port);
	return fits ? 0
		    : error_set(
			  -EOPNOTSUPP, "\"%s\" has too many rings to be passed on", port->name);
}

static int tap_adopt(struct port *port, struct parcel *parcel)
{
	const uint32_t header = parcel->own.words[0];
	struct tap *tap = tap_new(port->num_tx, port->num_rx);
	int err = 0;

	if (!tap)
		return error_set(-ENOMEM, "out of memory for \"%s\"", port->name);
	tap->header = header == TAP_HEADER || header == TAP_HEADER_MAX ? header : 0;
	for (uint32_t i = 0; i < tap->num_rx && !err; i++) {
		tap->queues[i] = parcel_take(parcel);
		err = tap->queues[i] < 0 ? -EPROTO : 0;
	}
	if (!err)
		err = rings_init(tap);
	if (err) {
		tap_free(tap);
		return error_set(
		    err, "cannot take over the queues of \"%s\": %s", port->name, strerror(-err));
	}
	attach(port, tap);
	return 0;
}

RING_SYNCS(tap)

const struct port_kind port_kind_tap = {
    .name = "tap",
    .example = "tap:t0",
    .help = "an interface of the host that this makes: the host sends to it, and receives from it",
    .is_parent = true,
    .open = tap_open,
    .close = tap_close,
    .pack = tap_pack,
    .adopt = tap_adopt,
    .header = tap_header,
    .header_set = tap_header_set,
    .tx_entry = tap_tx_entry,
    .rx_entry = tap_rx_entry,
    .arm = tap_arm,
    .disarm = tap_disarm,
    .offsets_start = offsets_start,
};
