/* SPDX-License-Identifier: BSD-2-Clause */
/* Building a port's rings over a region. */
#include "port.h"

#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "place.h"
#include "soft.h"

/* netmap's own size for a netmap_if object; larger only where the ring table needs it. */
#define IF_OBJECT 1024u

/* What a region that others may join has beyond its first user's needs: address space, not memory. */
#define SPARE_PLAIN   32u
#define SPARE_PAIRS   128u
#define SPARE_BUFS    ((uint64_t)(SPARE_PLAIN + SPARE_PAIRS) * SOFT_SLOTS_DEFAULT)
#define SPARE_IF_SIZE 8192u

/* What a region for one port has: zero-copy monitors have their rings there. */
#define SPARE_MONITORS 2u

void port_ring_setup(struct port *port, struct ring *r, uint32_t object, bool tx, uint32_t index)
{
	r->common.ring = region_ring(port->region, object);
	r->common.sync.sync = tx ? port->kind->tx_entry : port->kind->rx_entry;
	r->port = port;
	r->index = (uint16_t)index;
	r->tx = tx;
	r->kick = -1;
	r->called = &ring_never_called;
	r->num_slots = tx ? port->tx_slots : port->rx_slots;
}

static void ring_init(struct port *port, struct ring *r, uint32_t object, bool tx, uint32_t index)
{
	uint32_t nic = tx ? port->num_tx - port->host_tx : port->num_rx - port->host_rx;
	uint16_t ringid = (uint16_t)(index < nic ? index : index - nic);

	port_ring_setup(port, r, object, tx, index);
	region_ring_init(port->region, object, r->num_slots, tx, ringid);
	place_init(r);
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

int port_rings_allocate(struct port *port, const struct port_request *request)
{
	port->num_tx = request->tx_rings + request->host_tx_rings;
	port->num_rx = request->rx_rings + request->host_rx_rings;
	port->host_tx = request->host_tx_rings;
	port->host_rx = request->host_rx_rings;
	port->tx_slots = request->tx_slots;
	port->rx_slots = request->rx_slots;
	port->tx = rings_allocate(port->num_tx);
	port->rx = rings_allocate(port->num_rx);
	port->tx_users = calloc(port->num_tx + 1, sizeof *port->tx_users);
	port->rx_users = calloc(port->num_rx + 1, sizeof *port->rx_users);
	if (!port->tx || !port->rx || !port->tx_users || !port->rx_users)
		return error_set(-ENOMEM, "out of memory for the rings of \"%s\"", request->name);
	if (port_if_size(port->num_tx + port->num_rx) <= port->region->shape.if_size)
		return 0;
	return error_set(-ENOMEM, "memory region %u has no room for a port with %u rings",
	    port->region->id, port->num_tx + port->num_rx);
}

int port_build(struct port *port, const struct port_request *request, struct region *region,
    struct region_claim *claim, const uint32_t *objects)
{
	int err;

	port->region = region;
	port->claim = *claim;
	err = port_rings_allocate(port, request);
	if (err) {
		port_unbuild(port);
		return err;
	}
	for (uint32_t i = 0; i < port->num_tx; i++)
		ring_init(port, &port->tx[i], objects[i], true, i);
	for (uint32_t i = 0; i < port->num_rx; i++)
		ring_init(port, &port->rx[i], objects[port->num_tx + i], false, i);
	return 0;
}

uint32_t port_buffers_for(uint64_t wanted)
{
	uint64_t n = 1;

	while (n < wanted && n < UINT32_MAX / 2)
		n <<= 1;
	return (uint32_t)n + REGION_FIRST_BUFFER;
}

uint32_t port_if_size(uint32_t rings)
{
	size_t size = sizeof(struct netmap_if) + rings * sizeof(ssize_t);

	return (uint32_t)((size + IF_OBJECT - 1) / IF_OBJECT * IF_OBJECT);
}

/* What rings [tx first, then rx] want; for mirrored ones the TX ring stands for both. */
static uint64_t buffers_wanted(const struct port_request *request, bool mirrored)
{
	uint32_t num_tx = request->tx_rings + request->host_tx_rings;
	uint32_t num_rx = request->rx_rings + request->host_rx_rings;

	return (uint64_t)num_tx * request->tx_slots + request->extra_bufs +
	       (mirrored ? 0 : (uint64_t)num_rx * request->rx_slots);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* Rings of monitors that may come; nobody watches a monitor. */
static uint32_t spare_rings(const struct port_request *request)
{
	uint32_t num_tx = request->tx_rings + request->host_tx_rings;
	uint32_t num_rx = request->rx_rings + request->host_rx_rings;
	uint32_t spare = SPARE_MONITORS * (1 + larger(num_tx, num_rx));

	return request->monitor_flags || spare > SPARE_PLAIN ? 0 : spare;
}

static void exact_shape(const struct port_request *request, bool mirrored, struct region_shape *out)
{
	uint32_t num_tx = request->tx_rings + request->host_tx_rings;
	uint32_t num_rx = request->rx_rings + request->host_rx_rings;
	uint32_t ring_slots = larger(request->tx_slots, request->rx_slots);
	uint32_t spare = spare_rings(request);
	uint64_t bufs = buffers_wanted(request, mirrored) + (uint64_t)spare * ring_slots;

	*out = (struct region_shape){.plain = (mirrored ? 0 : num_tx + num_rx) + spare,
	    .pairs = mirrored ? num_tx : 0,
	    .ring_slots = ring_slots,
	    .num_bufs = port_buffers_for(bufs),
	    .buf_size = request->buf_size,
	    .if_size = port_if_size(num_tx + num_rx)};
}

void port_region_shape(const struct port_request *request, struct region_shape *out)
{
	uint32_t rings = port_request_rings(request);
	uint64_t bufs = buffers_wanted(request, false) + SPARE_BUFS;

	*out = (struct region_shape){.plain = rings + SPARE_PLAIN,
	    .pairs = rings + SPARE_PAIRS,
	    .ring_slots = SOFT_SLOTS_MAX,
	    .num_bufs = port_buffers_for(bufs),
	    .buf_size = request->buf_size,
	    .if_size = larger(port_if_size(rings), SPARE_IF_SIZE)};
	if (out->plain + out->pairs > REGION_AREAS_MAX)
		out->plain = REGION_AREAS_MAX - out->pairs;
}

/* Take the areas and say which ring objects are whose. */
static int rings_take(const struct port_request *request, struct region *region, bool mirrored,
    struct region_claim *claim, uint32_t *objects)
{
	uint32_t num_tx = request->tx_rings + request->host_tx_rings;
	uint32_t num_rx = request->rx_rings + request->host_rx_rings;
	uint32_t n = num_tx + (mirrored ? 0 : num_rx);
	uint32_t *slots = calloc(n + 1, sizeof *slots);
	int err;

	if (!slots)
		return error_set(-ENOMEM, "out of memory for the rings of \"%s\"", request->name);
	for (uint32_t i = 0; i < n; i++)
		slots[i] = i < num_tx ? request->tx_slots : request->rx_slots;
	err = region_areas_take(region, mirrored ? 0 : n, mirrored ? n : 0, slots, claim);
	free(slots);
	for (uint32_t i = 0; i < num_tx + num_rx && !err; i++)
		objects[i] =
		    region_ring_of(region, claim->areas[mirrored && i >= num_tx ? i - num_tx : i],
			mirrored && i >= num_tx);
	return err;
}

int port_build_own(
    struct port *port, const struct port_request *request, struct region *region, bool mirrored)
{
	uint32_t rings = port_request_rings(request);
	uint32_t *objects = calloc(rings + 1, sizeof *objects);
	struct region_claim claim;
	struct region_shape shape;
	int err = 0;

	if (!objects)
		err = error_set(-ENOMEM, "out of memory for the rings of \"%s\"", request->name);
	if (!err && !region) {
		exact_shape(request, mirrored, &shape);
		err = region_create(&shape, &region);
	}
	if (!err)
		err = rings_take(request, region, mirrored, &claim, objects);
	if (!err)
		err = port_build(port, request, region, &claim, objects);
	else if (region)
		region_release(region);
	free(objects);
	return err;
}

struct region *port_region(const struct port_request *request)
{
	if (request->region)
		region_reference(request->region);
	return request->region;
}

int port_region_of_interfaces(const struct port_request *request, struct region **out)
{
	*out = port_region(request);
	if (*out || request->buf_size != region_global_shape.buf_size)
		return 0;
	return region_open(NULL, request->directory, REGION_GLOBAL_NAME, &region_global_shape, out);
}

void port_unbuild(struct port *port)
{
	free(port->tx);
	free(port->rx);
	free(port->tx_users);
	free(port->rx_users);
	port->tx = port->rx = NULL;
	port->tx_users = port->rx_users = NULL;
	if (port->region) {
		region_areas_give(port->region, &port->claim);
		region_release(port->region);
	}
	port->region = NULL;
}
