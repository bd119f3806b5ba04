/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pipe: two ends, in one process or two. The TX ring k of one end and the RX ring k of the other are a
 * pair of their region: the same slot pages behind two headers. Descriptors never move, nor does data.
 * What else the ends share stands in pipe_memory.h; where that gets its region from, too.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/error.h"
#include "../exchange.h"
#include "../offsets.h"
#include "../parcel.h"
#include "../port.h"
#include "pipe_memory.h"

#define PARENT_MAX 15 /* the kernel's limit for the names of interfaces */

struct pipe {
	struct pipe_memory memory;
	struct exchange_end *ends; /* TX rings, then RX rings */
};

/* ---- rings ---- */

static int pipe_wake_open(struct ring *r, bool own)
{
	const struct pipe *pipe = r->port->state;
	unsigned end = own ? pipe->memory.share.end : 1 - pipe->memory.share.end;
	char name[NAME_MAX + 32];

	snprintf(name, sizeof name, "%s.%u%c%u", pipe->memory.share.file, end,
	    own == r->tx ? 't' : 'r', r->index);
	return os_wake_open(pipe->memory.share.dirfd, name);
}

static void rings_attach(struct port *port, struct pipe *pipe, bool resume)
{
	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++) {
		bool tx = i < port->num_tx;
		uint32_t k = tx ? i : i - port->num_tx;
		struct ring *r = tx ? &port->tx[k] : &port->rx[k];

		exchange_end_init(&pipe->ends[i],
		    pipe_memory_exchange(&pipe->memory, pipe_pair_of(&pipe->memory, tx, k)),
		    pipe_wake_open);
		r->state = &pipe->ends[i];
		if (!resume)
			continue;
		exchange_resume(r);
		if (tx) /* what the end's last user, who had offsets, left in the slots is not meant */
			offsets_write(
			    r, UINT64_MAX, r->rhead, ring_distance(r, r->rhead, r->hwtail) + 1, 0);
	}
}

/* The object's shape, from this end's point of view. */
static void request_adopt(struct port_request *request, const struct pipe_shape *s, bool master)
{
	request->tx_rings = master ? s->tx_rings : s->rx_rings;
	request->rx_rings = master ? s->rx_rings : s->tx_rings;
	request->tx_slots = master ? s->tx_slots : s->rx_slots;
	request->rx_slots = master ? s->rx_slots : s->tx_slots;
	request->host_tx_rings = request->host_rx_rings = 0;
}

/* Not where the other end is free: who comes there looks before it sleeps. */
static void nudge_peer(struct port *port, const struct pipe *pipe)
{
	const struct share *share = &pipe->memory.share;

	if (share->created || share_end_held(share, 1 - share->end) == 0)
		return;
	for (uint32_t i = 0; i < port->num_tx; i++)
		exchange_nudge(&port->tx[i]);
	for (uint32_t i = 0; i < port->num_rx; i++)
		exchange_nudge(&port->rx[i]);
}

/* The claim becomes the port's, also on failure. */
static int build(struct port *port, struct pipe *pipe, const struct port_request *wanted,
    struct region *region, struct region_claim *claim)
{
	struct port_request request = *wanted;
	uint32_t objects[2 * SOFT_RINGS_MAX], n = 0;
	bool master = pipe->memory.share.end == 0;
	int err;

	request_adopt(&request, &pipe->memory.header.shape, master);
	for (uint32_t i = 0; i < request.tx_rings; i++)
		objects[n++] = region_ring_of(
		    region, claim->areas[pipe_pair_of(&pipe->memory, true, i)], !master);
	for (uint32_t i = 0; i < request.rx_rings; i++)
		objects[n++] = region_ring_of(
		    region, claim->areas[pipe_pair_of(&pipe->memory, false, i)], !master);
	region_reference(region);
	err = port_build(port, &request, region, claim, objects);
	if (err)
		return err;
	pipe->ends = calloc((size_t)n + 1, sizeof *pipe->ends);
	if (!pipe->ends) {
		port_unbuild(port);
		return error_set(-ENOMEM, "out of memory for \"%s\"", wanted->name);
	}
	port->state = pipe;
	rings_attach(port, pipe, true);
	nudge_peer(port, pipe);
	return 0;
}

/* A region that was found is the caller's to release, when the directory is not locked any more. */
static int enter(struct port *port, struct pipe *pipe, const struct port_request *request,
    struct region **region)
{
	struct region_claim claim;
	int err = pipe_memory_get(&pipe->memory, request, region, &claim);

	return err ? err : build(port, pipe, request, *region, &claim);
}

/* "x{id" and "x}id" name an end; "pipe{name}" takes whichever is free. */
static int key_and_end(const char *name, char *key, size_t size)
{
	size_t len = strnlen(name, size - 1);
	char *brace;

	memcpy(key, name, len);
	key[len] = 0;
	if (strncmp(name, "pipe{", 5) == 0 && len > 6 && name[len - 1] == '}')
		return SHARE_ANY_END;
	brace = strpbrk(key, "{}");
	if (!brace || brace == key || !brace[1])
		return error_set(-EINVAL,
		    "\"%s\": a pipe is called parent{id (master), parent}id (slave) or pipe{name}",
		    name);
	if (brace - key > PARENT_MAX || strcspn(key, " \t\n\v\f\r") < (size_t)(brace - key))
		return error_set(-ENXIO,
		    "\"%s\": what stands before a pipe's brace is the name of an interface or of a "
		    "switch port, with at most %d characters and no space",
		    name, PARENT_MAX);
	if (*brace == '{')
		return 0;
	*brace = '{'; /* both ends are one object */
	return 1;
}

static void pipe_free(struct pipe *pipe)
{
	pipe_memory_release(&pipe->memory);
	free(pipe->ends);
	free(pipe);
}

static int pipe_open(struct port *port, const struct port_request *request)
{
	struct region *region = NULL;
	struct pipe *pipe;
	char key[NETMAP_REQ_IFNAMSIZ];
	int end = key_and_end(request->ident, key, sizeof key);
	int err;

	if (end < SHARE_ANY_END)
		return end;
	pipe = calloc(1, sizeof *pipe);
	if (!pipe)
		return error_set(-ENOMEM, "out of memory for \"%s\"", request->name);
	err = share_open(&pipe->memory.share, request->directory, key, end);
	if (err) {
		free(pipe);
		return err;
	}
	err = enter(port, pipe, request, &region);
	if (err)
		pipe_free(pipe); /* before anybody saw a half-made object */
	else
		share_ready(&pipe->memory.share);
	if (region)
		region_release(region);
	if (err)
		return err;
	port->zero_copy = true;
	snprintf(port->mode, sizeof port->mode, "%s%s",
	    pipe->memory.share.end == 0 ? "master" : "slave",
	    port->region->id == REGION_GLOBAL ? ", in the memory that interfaces share" : "");
	return 0;
}

static void pipe_close(struct port *port)
{
	struct pipe *pipe = port->state;

	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++)
		exchange_end_close(&pipe->ends[i]);
	pipe_free(pipe);
}

/* ---- passing on ---- */

static int pipe_pack(struct port *port, struct parcel *parcel)
{
	const struct pipe *pipe = port->state;

	return parcel_put_share(parcel, &pipe->memory.share, &parcel->own.share[0])
		   ? 0
		   : error_set(-EOPNOTSUPP, "\"%s\" is too large to be passed on", port->name);
}

static bool is_shaped(const struct port *port, const struct pipe *pipe)
{
	struct port_request request = {0};

	request_adopt(&request, &pipe->memory.header.shape, pipe->memory.share.end == 0);
	return request.tx_rings == port->num_tx && request.rx_rings == port->num_rx &&
	       request.tx_slots == port->tx_slots && request.rx_slots == port->rx_slots;
}

static int pipe_join(struct port *port, struct pipe *pipe)
{
	int err = pipe_memory_adopt(&pipe->memory, port->name);

	if (!err && (pipe->memory.share.end > 1 || !is_shaped(port, pipe)))
		err = error_set(-EPROTO, "\"%s\" was passed on in another shape", port->name);
	if (err)
		return err;
	pipe->ends = calloc((size_t)port->num_tx + port->num_rx, sizeof *pipe->ends);
	return pipe->ends ? 0 : error_set(-ENOMEM, "out of memory for \"%s\"", port->name);
}

static int pipe_adopt(struct port *port, struct parcel *parcel)
{
	struct pipe *pipe = calloc(1, sizeof *pipe);
	int err;

	if (!pipe)
		return error_set(-ENOMEM, "out of memory for \"%s\"", port->name);
	err = parcel_take_share(parcel, &parcel->own.share[0], &pipe->memory.share);
	if (err) {
		free(pipe);
		return err;
	}
	err = pipe_join(port, pipe);
	if (err) {
		pipe_free(pipe);
		return err;
	}
	port->state = pipe;
	rings_attach(port, pipe, false);
	return 0;
}

#define pipe_txsync exchange_txsync
#define pipe_rxsync exchange_rxsync
RING_SYNCS(pipe)

const struct port_kind port_kind_pipe = {
    .name = "pipe",
    .example = "pipe{demo}",
    .help = "two ends in any processes of one user, over shared memory, without a copy",
    .open = pipe_open,
    .close = pipe_close,
    .pack = pipe_pack,
    .adopt = pipe_adopt,
    .tx_entry = pipe_tx_entry,
    .rx_entry = pipe_rx_entry,
    .arm = exchange_arm,
    .disarm = exchange_disarm,
    .offsets_start = offsets_start_tx,
};
