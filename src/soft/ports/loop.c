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
#include "../port.h"

struct loop {
	struct exchange *exchanges; /* one per ring pair */
	struct exchange_end *ends;  /* TX rings, then RX rings */
};

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
	free(loop->exchanges);
	free(loop->ends);
	free(loop);
}

static struct loop *loop_new(uint32_t pairs)
{
	struct loop *loop = calloc(1, sizeof *loop);
	void *exchanges = NULL;

	if (!loop)
		return NULL;
	loop->ends = calloc((size_t)pairs * 2, sizeof *loop->ends);
	if (posix_memalign(&exchanges, EXCHANGE_LINE, pairs * sizeof(struct exchange)) == 0)
		loop->exchanges = memset(exchanges, 0, pairs * sizeof(struct exchange));
	if (loop->ends && loop->exchanges)
		return loop;
	loop_free(loop);
	return NULL;
}

static void ring_attach(struct ring *r, struct exchange_end *end, struct exchange *exchange)
{
	exchange_end_init(end, exchange, loop_wake_open);
	r->state = end;
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
	for (uint32_t i = 0; i < request.tx_rings; i++) {
		ring_attach(&port->tx[i], &loop->ends[i], &loop->exchanges[i]);
		ring_attach(&port->rx[i], &loop->ends[request.tx_rings + i], &loop->exchanges[i]);
	}
	port->state = loop;
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
    .tx_entry = loop_tx_entry,
    .rx_entry = loop_rx_entry,
    .arm = exchange_arm,
    .disarm = exchange_disarm,
    .offsets_start = offsets_start_tx,
};
