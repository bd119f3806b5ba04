/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop: what is sent on TX ring k comes back on RX ring k of the same port. The two rings share their
 * slot pages, so a packet is received in the very slot and buffer that it was sent in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../exchange.h"
#include "../offsets.h"
#include "../parcel.h"
#include "../place.h"
#include "../port.h"

/* The exchange of a pair stands with its TX ring's positions: all users of the port have it. */
struct loop {
	struct exchange_end *ends; /* TX rings, then RX rings */
};

_Static_assert(sizeof(struct exchange) <= PLACE_OWN && PLACE_OWN_AT % EXCHANGE_LINE == 0,
    "an exchange does not fit where a ring's kind may keep it");

static int loop_wake_open(struct ring *r, bool own)
{
	const struct ring *partner = r->tx ? &r->port->rx[r->index] : &r->port->tx[r->index];
	const struct exchange_end *other = partner->state;
	int fd;

	if (own)
		return os_wake_create();
	fd = dup(other->own_wake);
	return fd < 0 ? -errno : fd;
}

static void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	free(loop->ends);
	free(loop);
}

static struct loop *loop_new(uint32_t pairs)
{
	struct loop *loop = calloc(1, sizeof *loop);

	if (!loop)
		return NULL;
	loop->ends = calloc((size_t)pairs * 2, sizeof *loop->ends);
	if (loop->ends)
		return loop;
	loop_free(loop);
	return NULL;
}

static void rings_attach(struct port *port, struct loop *loop)
{
	for (uint32_t i = 0; i < port->num_tx; i++) {
		struct exchange *exchange = place_own(&port->tx[i]);

		exchange_end_init(&loop->ends[i], exchange, loop_wake_open);
		exchange_end_init(&loop->ends[port->num_tx + i], exchange, loop_wake_open);
		port->tx[i].state = &loop->ends[i];
		port->rx[i].state = &loop->ends[port->num_tx + i];
	}
	port->state = loop;
}

static int loop_open(struct port *port, const struct port_request *wanted)
{
	struct port_request request = *wanted;
	struct loop *loop;
	int err;

	/* A loop has pairs of like rings. */
	request.rx_rings = request.tx_rings;
	request.rx_slots = request.tx_slots;
	request.host_tx_rings = request.host_rx_rings = 0;
	loop = loop_new(request.tx_rings);
	if (!loop)
		return error_set(-ENOMEM, "out of memory for \"%s\"", request.name);
	err = port_build_own(port, &request, port_region(&request), true);
	if (err) {
		loop_free(loop);
		return err;
	}
	rings_attach(port, loop);
	port->zero_copy = true;
	return 0;
}

static void loop_close(struct port *port)
{
	struct loop *loop = port->state;

	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++)
		exchange_end_close(&loop->ends[i]);
	loop_free(loop);
}

/* ---- several users ---- */

/* Wakeups have no names: all users have them from the beginning. */
static int loop_share(struct port *port)
{
	struct loop *loop = port->state;

	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++) {
		struct exchange_end *end = &loop->ends[i];

		if (end->own_wake < 0)
			end->own_wake = os_wake_create();
		if (end->own_wake < 0)
			return error_set(
			    end->own_wake, "out of descriptors for \"%s\"", port->name);
	}
	return 0;
}

static int loop_pack(struct port *port, struct parcel *parcel)
{
	const struct loop *loop = port->state;

	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++)
		if (!parcel_put(parcel, loop->ends[i].own_wake))
			return error_set(
			    -EOPNOTSUPP, "\"%s\" has too many rings to be passed on", port->name);
	return 0;
}

static int loop_adopt(struct port *port, struct parcel *parcel)
{
	struct loop *loop = loop_new(port->num_tx);

	if (!loop)
		return error_set(-ENOMEM, "out of memory for \"%s\"", port->name);
	if (port->num_tx != port->num_rx || port->tx_slots != port->rx_slots) {
		loop_free(loop);
		return error_set(-EPROTO, "\"%s\" was passed on in another shape", port->name);
	}
	rings_attach(port, loop);
	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++)
		loop->ends[i].own_wake = parcel_take(parcel);
	return 0;
}

#define loop_txsync exchange_txsync
#define loop_rxsync exchange_rxsync
RING_SYNCS(loop)

const struct port_kind port_kind_loop = {
    .name = "loop",
    .example = "loop:a",
    .help = "what is sent comes back, in the same slots and buffers",
    .local = true,
    .open = loop_open,
    .close = loop_close,
    .share = loop_share,
    .pack = loop_pack,
    .adopt = loop_adopt,
    .tx_entry = loop_tx_entry,
    .rx_entry = loop_rx_entry,
    .arm = exchange_arm,
    .disarm = exchange_disarm,
    .offsets_start = offsets_start_tx,
};
