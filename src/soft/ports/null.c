/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * null: a port that swallows what is sent and never receives. The smallest port kind and the one to
 * read first; docs/adding-a-port-kind.md walks through it.
 */
#include "../offsets.h"
#include "../port.h"

static int null_open(struct port *port, const struct port_request *request)
{
	return port_build_own(port, request, port_region(request), false);
}

static void null_close(struct port *port)
{
	(void)port;
}

/* Everything up to the program's head is gone at once: one slot stays empty, the rest is free. */
static int null_txsync(struct ring *r)
{
	r->hwcur = r->rhead;
	r->hwtail = ring_prev(r, r->rhead);
	return 0;
}

static int null_rxsync(struct ring *r)
{
	r->hwcur = r->rhead;
	return 0;
}

static int null_arm(struct ring *r, struct pollfd *out)
{
	out->fd = -1;
	out->events = 0;
	return ring_ready(r);
}

static void null_disarm(struct ring *r)
{
	(void)r;
}

/* Its rings are all there is to it. */
static int null_pack(struct port *port, struct parcel *parcel)
{
	(void)port;
	(void)parcel;
	return 0;
}

RING_SYNCS(null)

const struct port_kind port_kind_null = {
    .name = "null",
    .example = "null:",
    .help = "swallows what is sent, never receives",
    .local = true,
    .open = null_open,
    .close = null_close,
    .pack = null_pack,
    .adopt = null_pack,
    .tx_entry = null_tx_entry,
    .rx_entry = null_rx_entry,
    .arm = null_arm,
    .disarm = null_disarm,
    .offsets_start = offsets_start,
};
