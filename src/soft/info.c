/* SPDX-License-Identifier: BSD-2-Clause */
/* PORT_INFO_GET and POOLS_INFO_GET: what a port and its memory are like, without binding to it. */
#include <errno.h>
#include <net/if.h>

#include "../base/error.h"
#include "options.h"
#include "soft.h"

/* A port that is not open is opened for the question, as the module does. */
static int port_ask(const char *name, const char *directory, struct port **out)
{
	struct port_request request = {
	    .name = name,
	    .directory = directory,
	    .tx_rings = 1,
	    .rx_rings = 1,
	    .any_tx_rings = true,
	    .any_rx_rings = true,
	    .tx_slots = SOFT_SLOTS_DEFAULT,
	    .rx_slots = SOFT_SLOTS_DEFAULT,
	    .buf_size = SOFT_BUF_DEFAULT,
	    .any_end = true,
	};
	char tried[256] = "";

	return registry_get(&request, tried, sizeof tried, out);
}

/* ---- ports ---- */

static void port_fill(const struct port *port, struct nmreq_port_info_get *info)
{
	*info = (struct nmreq_port_info_get){
	    .nr_memsize = port->region->size,
	    .nr_tx_slots = port->tx_slots,
	    .nr_rx_slots = port->rx_slots,
	    .nr_tx_rings = (uint16_t)(port->num_tx - port->host_tx),
	    .nr_rx_rings = (uint16_t)(port->num_rx - port->host_rx),
	    .nr_host_tx_rings = (uint16_t)port->host_tx,
	    .nr_host_rx_rings = (uint16_t)port->host_rx,
	    .nr_mem_id = (uint16_t)port->region->id,
	};
}

/* Without a port's name the question is for a region: the one that interfaces share, if none is named. */
static int memory_only(struct nmreq_port_info_get *info)
{
	struct region *region;
	int err = region_by_id(NULL, info->nr_mem_id ? info->nr_mem_id : REGION_GLOBAL, &region);

	if (err)
		return err;
	*info = (struct nmreq_port_info_get){
	    .nr_memsize = region->size, .nr_mem_id = (uint16_t)region->id};
	region_release(region);
	return 0;
}

/* An interface that cannot be opened, as lo: what ports on interfaces are like, as the module says. */
static int unserved(const char *name, int err, struct nmreq_port_info_get *info)
{
	struct nmreq_port_info_get memory = {.nr_mem_id = REGION_GLOBAL};

	if (err != -EINVAL || if_nametoindex(name) == 0)
		return err;
	err = memory_only(&memory);
	if (err)
		return err;
	*info = memory;
	info->nr_tx_slots = info->nr_rx_slots = SOFT_SLOTS_DEFAULT;
	info->nr_tx_rings = info->nr_rx_rings = 1;
	info->nr_host_tx_rings = info->nr_host_rx_rings = 1;
	return 0;
}

static int port_info(const char *name, const char *directory, struct nmreq_port_info_get *info)
{
	struct port *port;
	int err;

	if (name[0] == 0)
		return memory_only(info);
	err = port_ask(name, directory, &port);
	if (err)
		return unserved(name, err, info);
	port_fill(port, info);
	registry_put(port);
	return 0;
}

int soft_port_info(struct nmreq_header *header)
{
	struct soft_options options;
	int err = soft_options_read(header, &options);

	if (err)
		return err;
	registry_lock();
	err = port_info(header->nr_name, options.soft ? options.soft->directory : NULL,
	    (void *)(uintptr_t)header->nr_body);
	registry_unlock();
	return err;
}

/* ---- memory ---- */

/* Objects of a pool are as far apart as they are large; a ring's netmap_ring ends its first page. */
void soft_pools_fill(const struct region *region, struct nmreq_pools_info *info)
{
	*info = (struct nmreq_pools_info){
	    .nr_memsize = region->size,
	    .nr_mem_id = (uint16_t)region->id,
	    .nr_if_pool_offset = 0,
	    .nr_if_pool_objtotal = REGION_IFS,
	    .nr_if_pool_objsize = region->shape.if_size,
	    .nr_ring_pool_offset = region->rings_at,
	    .nr_ring_pool_objtotal = region_rings(&region->shape),
	    .nr_ring_pool_objsize = (uint32_t)region->ring_stride,
	    .nr_buf_pool_offset = (uint64_t)(region_buffer(region, 0) - region->base),
	    .nr_buf_pool_objtotal = region->num_bufs,
	    .nr_buf_pool_objsize = region->buf_size,
	};
}

static int pools_info(const char *name, struct nmreq_pools_info *info)
{
	struct region *asked = NULL;
	struct port *port;
	int err = 0;

	if (info->nr_mem_id)
		err = region_by_id(NULL, info->nr_mem_id, &asked);
	if (err)
		return err;
	err =
	    name[0] ? port_ask(name, NULL, &port) : error_set(-ENXIO, "the request names no port");
	if (!err) {
		soft_pools_fill(asked ? asked : port->region, info);
		registry_put(port);
	}
	if (asked)
		region_release(asked);
	return err;
}

int soft_pools_info(struct nmreq_header *header)
{
	int err;

	registry_lock();
	err = pools_info(header->nr_name, (void *)(uintptr_t)header->nr_body);
	registry_unlock();
	return err;
}
