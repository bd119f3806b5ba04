/* SPDX-License-Identifier: BSD-2-Clause */
/* Building a port's rings over a region. */
#include "port.h"

#include <stdlib.h>
#include <string.h>

#include "../base/error.h"

static void ring_setup(
    struct port *port, struct ring *r, uint32_t region_index, bool tx, uint32_t index)
{
	uint32_t nic = tx ? port->num_tx - port->host_tx : port->num_rx - port->host_rx;
	uint16_t ringid = (uint16_t)(index < nic ? index : index - nic);

	region_ring_init(port->region, region_index, tx, ringid);
	r->common.ring = region_ring(port->region, region_index);
	r->common.sync.sync = tx ? port->kind->tx_entry : port->kind->rx_entry;
	r->port = port;
	r->index = (uint16_t)index;
	r->tx = tx;
	r->kick = -1;
	r->called = &ring_never_called;
	r->num_slots = r->common.ring->num_slots;
	ring_start(r, 0, tx ? r->num_slots - 1 : 0);
}

static struct ring *rings_allocate(uint32_t n)
{
	void *rings = NULL;

	if (posix_memalign(&rings, _Alignof(struct ring), (n + 1) * sizeof(struct ring)) != 0)
		return NULL;
	memset(rings, 0, (n + 1) * sizeof(struct ring));
	return rings;
}

int port_build(struct port *port, const struct port_request *request, const struct port_layout *at)
{
	port->num_tx = request->tx_rings + request->host_tx_rings;
	port->num_rx = request->rx_rings + request->host_rx_rings;
	port->host_tx = request->host_tx_rings;
	port->host_rx = request->host_rx_rings;
	port->tx_slots = request->tx_slots;
	port->rx_slots = request->rx_slots;
	port->region = at->region;
	port->tx = rings_allocate(port->num_tx);
	port->rx = rings_allocate(port->num_rx);
	port->tx_users = calloc(port->num_tx + 1, sizeof *port->tx_users);
	port->rx_users = calloc(port->num_rx + 1, sizeof *port->rx_users);
	if (!port->tx || !port->rx || !port->tx_users || !port->rx_users) {
		port_unbuild(port);
		return error_set(-ENOMEM, "out of memory for the rings of \"%s\"", request->name);
	}
	for (uint32_t i = 0; i < port->num_tx; i++)
		ring_setup(port, &port->tx[i], at->first_tx + i, true, i);
	for (uint32_t i = 0; i < port->num_rx; i++)
		ring_setup(port, &port->rx[i], at->first_rx + i, false, i);
	return 0;
}

uint32_t port_buffers_for(uint64_t wanted)
{
	uint64_t n = 1;

	while (n < wanted && n < UINT32_MAX / 2)
		n <<= 1;
	return (uint32_t)n + REGION_FIRST_BUFFER;
}

void port_slots_fill(struct port *port, bool mirrored)
{
	struct region *region = port->region;

	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++) {
		bool rx = i >= port->num_tx;
		struct ring *r = rx ? &port->rx[i - port->num_tx] : &port->tx[i];

		if (rx && mirrored)
			continue;
		region_slots_fill(r->common.ring->slot, r->num_slots, *region->next_buffer,
		    (uint16_t)region->buf_size);
		*region->next_buffer += r->num_slots;
	}
}

int port_build_private(struct port *port, const struct port_request *request, bool mirrored)
{
	uint32_t num_tx = request->tx_rings + request->host_tx_rings;
	uint32_t num_rx = request->rx_rings + request->host_rx_rings;
	uint64_t bufs = (uint64_t)num_tx * request->tx_slots + request->extra_bufs;
	struct region_ring *rings = calloc(num_tx + num_rx + 1, sizeof *rings);
	struct port_layout at = {.first_tx = 0, .first_rx = num_tx};
	struct region_plan plan = {.rings = rings,
	    .num_rings = num_tx + num_rx,
	    .buf_size = request->buf_size,
	    .shared_fd = -1};
	int err;

	if (!rings)
		return error_set(-ENOMEM, "out of memory for the rings of \"%s\"", request->name);
	if (!mirrored)
		bufs += (uint64_t)num_rx * request->rx_slots;
	plan.num_bufs = port_buffers_for(bufs);
	for (uint32_t i = 0; i < plan.num_rings; i++)
		rings[i] = (struct region_ring){
		    .num_slots = i < num_tx ? request->tx_slots : request->rx_slots,
		    .same_as = mirrored && i >= num_tx ? (int)(i - num_tx) : -1};
	err = region_create(&plan, &at.region);
	free(rings);
	if (!err)
		err = port_build(port, request, &at);
	if (!err)
		port_slots_fill(port, mirrored);
	return err;
}

void port_unbuild(struct port *port)
{
	free(port->tx);
	free(port->rx);
	free(port->tx_users);
	free(port->rx_users);
	port->tx = port->rx = NULL;
	port->tx_users = port->rx_users = NULL;
	if (port->region)
		region_release(port->region);
	port->region = NULL;
}
