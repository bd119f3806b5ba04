/* SPDX-License-Identifier: BSD-2-Clause */
/* REGISTER: binding a descriptor to some rings of a port, and letting go of them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/hint.h"
#include "extmem.h"
#include "monitor.h"
#include "offsets.h"
#include "options.h"
#include "place.h"
#include "soft.h"

static uint32_t or_default(uint32_t value, uint32_t fallback, uint32_t most)
{
	if (value == 0)
		return fallback;
	return value < most ? value : most;
}

static bool wants_host(uint32_t mode)
{
	return mode == NR_REG_SW || mode == NR_REG_NIC_SW || mode == NR_REG_ONE_SW;
}

static void request_fill(struct port_request *out, const struct nmreq_header *header,
    const struct nmreq_register *reg, const struct device_opt_soft *soft)
{
	*out = (struct port_request){
	    .name = header->nr_name,
	    .tx_rings = or_default(reg->nr_tx_rings, 1, SOFT_RINGS_MAX),
	    .rx_rings = or_default(reg->nr_rx_rings, 1, SOFT_RINGS_MAX),
	    .any_tx_rings = reg->nr_tx_rings == 0,
	    .any_rx_rings = reg->nr_rx_rings == 0,
	    .tx_slots = or_default(reg->nr_tx_slots, SOFT_SLOTS_DEFAULT, SOFT_SLOTS_MAX),
	    .rx_slots = or_default(reg->nr_rx_slots, SOFT_SLOTS_DEFAULT, SOFT_SLOTS_MAX),
	    .host_tx_rings = or_default(reg->nr_host_tx_rings, 0, SOFT_RINGS_MAX),
	    .host_rx_rings = or_default(reg->nr_host_rx_rings, 0, SOFT_RINGS_MAX),
	    .host = wants_host(reg->nr_mode),
	    .buf_size = SOFT_BUF_DEFAULT,
	    .extra_bufs = or_default(reg->nr_extra_bufs, 0, SOFT_EXTRA_MAX),
	};
	if (reg->nr_mode == NR_REG_ALL_NIC || reg->nr_mode == NR_REG_NIC_SW)
		out->end_bound = SOFT_RINGS_MAX;
	if (reg->nr_mode == NR_REG_ONE_NIC) {
		out->first_bound = reg->nr_ringid;
		out->end_bound = reg->nr_ringid + 1u;
	}
	if (soft && soft->buffer_size)
		out->buf_size = soft->buffer_size;
	if (soft) {
		out->directory = soft->directory;
		out->xdp_mode = soft->xdp_mode;
		out->xdp_busy_poll_us = soft->xdp_busy_poll_us;
		out->huge_pages = soft->huge_pages;
	}
}

/* The rings of one direction that a mode selects; end <= first selects none. */
static struct soft_range select_rings(uint32_t mode, uint32_t ringid, uint32_t all, uint32_t host)
{
	uint32_t nic = all - host;

	switch (mode) {
	case NR_REG_NULL:
		return (struct soft_range){0, 0};
	case NR_REG_ALL_NIC:
		return (struct soft_range){0, nic};
	case NR_REG_SW:
		return (struct soft_range){nic, all};
	case NR_REG_NIC_SW:
		return (struct soft_range){0, all};
	case NR_REG_ONE_NIC:
		return ringid < nic ? (struct soft_range){ringid, ringid + 1}
				    : (struct soft_range){0, 0};
	default: /* NR_REG_ONE_SW */
		return ringid < host ? (struct soft_range){nic + ringid, nic + ringid + 1}
				     : (struct soft_range){0, 0};
	}
}

static bool is_empty(const struct soft_range *range)
{
	return range->end <= range->first;
}

static int ranges_set(struct soft *soft, const struct port *port, const struct nmreq_register *reg)
{
	uint32_t mode = reg->nr_mode, ringid = reg->nr_ringid;
	uint64_t only = reg->nr_flags & (NR_TX_RINGS_ONLY | NR_RX_RINGS_ONLY);

	if (wants_host(mode) && port->host_tx + port->host_rx == 0)
		return error_set(-EINVAL, "port \"%s\" has no host rings", port->name);
	soft->tx = select_rings(mode, ringid, port->num_tx, port->host_tx);
	soft->rx = select_rings(mode, ringid, port->num_rx, port->host_rx);
	if (mode != NR_REG_NULL && is_empty(&soft->tx) && is_empty(&soft->rx))
		return error_set(-EINVAL, "port \"%s\" has no ring %u (%u TX, %u RX)", port->name,
		    ringid, port->num_tx - port->host_tx, port->num_rx - port->host_rx);
	if (only == NR_TX_RINGS_ONLY)
		soft->rx = (struct soft_range){0, 0};
	if (only == NR_RX_RINGS_ONLY)
		soft->tx = (struct soft_range){0, 0};
	return 0;
}

static bool in_use(const uint32_t *users, const struct soft_range *range, bool exclusive)
{
	for (uint32_t i = range->first; i < range->end; i++)
		if (users[i] == PORT_EXCLUSIVE || (exclusive && users[i] > 0))
			return true;
	return false;
}

static void unuse(struct ring *rings, uint32_t *users, const struct soft_range *range)
{
	for (uint32_t i = range->first; i < range->end; i++) {
		users[i] = users[i] == PORT_EXCLUSIVE ? 0 : users[i] - 1;
		if (users[i] == 0 && rings[i].port->kind->end)
			rings[i].port->kind->end(&rings[i]);
	}
}

static int use_one(struct ring *ring, uint32_t *users, bool exclusive)
{
	const struct port_kind *kind = ring->port->kind;
	int err = *users == 0 && kind->begin ? kind->begin(ring) : 0;

	if (!err)
		*users = exclusive ? PORT_EXCLUSIVE : *users + 1;
	return err;
}

/* All of them or none. */
static int use(struct ring *rings, uint32_t *users, const struct soft_range *range, bool exclusive)
{
	struct soft_range done = {range->first, range->first};
	int err = 0;

	for (; done.end < range->end && !err; done.end += !err)
		err = use_one(&rings[done.end], &users[done.end], exclusive);
	if (err)
		unuse(rings, users, &done);
	return err;
}

static int use_both(struct soft *soft, struct port *port, bool exclusive)
{
	int err = use(port->tx, port->tx_users, &soft->tx, exclusive);

	if (err)
		return err;
	err = use(port->rx, port->rx_users, &soft->rx, exclusive);
	if (err)
		unuse(port->tx, port->tx_users, &soft->tx);
	return err;
}

static struct soft nic_rings(const struct port *port)
{
	return (struct soft){
	    .tx = {0, port->num_tx - port->host_tx}, .rx = {0, port->num_rx - port->host_rx}};
}

int soft_port_take(struct port *port)
{
	struct soft all = nic_rings(port);

	if (in_use(port->tx_users, &all.tx, true) || in_use(port->rx_users, &all.rx, true))
		return error_set(-EBUSY,
		    "rings of \"%s\" are in use, so no other port can stand before it", port->name);
	return use_both(&all, port, true);
}

void soft_port_give(struct port *port)
{
	struct soft all = nic_rings(port);

	unuse(port->tx, port->tx_users, &all.tx);
	unuse(port->rx, port->rx_users, &all.rx);
}

/* Rings that have a user get another one. */
static void share_used(struct ring *rings, const uint32_t *users, const struct soft_range *range)
{
	for (uint32_t i = range->first; i < range->end; i++)
		if (users[i] > 0)
			place_share(&rings[i]);
}

/* Offsets from the netmap_if to rings[first, end), 0 for those not bound. */
static ssize_t *offsets_fill(const struct netmap_if *nifp, ssize_t *out, struct ring *rings,
    uint32_t n, const struct soft_range *bound)
{
	for (uint32_t i = 0; i < n; i++)
		*out++ = i >= bound->first && i < bound->end
			     ? (const uint8_t *)rings[i].common.ring - (const uint8_t *)nifp
			     : 0;
	return out;
}

static void if_fill(struct soft *soft, const struct port *port)
{
	struct netmap_if *nifp = soft->nifp;
	ssize_t *offsets = (ssize_t *)(uintptr_t)nifp->ring_ofs;

	memcpy(nifp->ni_name, port->name, strnlen(port->name, sizeof nifp->ni_name - 1));
	CONST_SET(uint32_t, nifp->ni_flags, port->region->id == REGION_GLOBAL ? 0 : NI_PRIV_MEM);
	CONST_SET(uint32_t, nifp->ni_tx_rings, port->num_tx - port->host_tx);
	CONST_SET(uint32_t, nifp->ni_rx_rings, port->num_rx - port->host_rx);
	CONST_SET(uint32_t, nifp->ni_host_tx_rings, port->host_tx);
	CONST_SET(uint32_t, nifp->ni_host_rx_rings, port->host_rx);
	offsets = offsets_fill(nifp, offsets, port->tx, port->num_tx, &soft->tx);
	offsets_fill(nifp, offsets, port->rx, port->num_rx, &soft->rx);
}

static void reply_fill(struct nmreq_register *reg, const struct soft *soft, const struct port *port)
{
	reg->nr_offset = (uint64_t)((const uint8_t *)soft->nifp - port->region->base);
	reg->nr_memsize = port->region->size;
	if (reg->nr_mode != NR_REG_NULL) { /* there, what was asked for stands, as in the module */
		reg->nr_tx_slots = port->tx_slots;
		reg->nr_rx_slots = port->rx_slots;
		reg->nr_tx_rings = (uint16_t)(port->num_tx - port->host_tx);
		reg->nr_rx_rings = (uint16_t)(port->num_rx - port->host_rx);
	}
	reg->nr_host_tx_rings = (uint16_t)port->host_tx;
	reg->nr_host_rx_rings = (uint16_t)port->host_rx;
	reg->nr_mem_id = (uint16_t)port->region->id;
	reg->nr_extra_bufs = soft->extra_bufs;
}

/* Whether the port's packets, or those that a monitor shows, begin with a virtio-net header. */
static bool has_header(const struct port *port)
{
	const struct port *shown = monitor_shown(port);

	return shown->kind->header && shown->kind->header(shown) != 0;
}

/* Everything after the port is found; on failure only the port reference is left to give back. */
static int bind_rings(struct soft *soft, struct port *port, struct nmreq_register *reg,
    struct nmreq_opt_offsets *offsets)
{
	bool exclusive = reg->nr_flags & NR_EXCLUSIVE;
	int err = ranges_set(soft, port, reg);

	if (err)
		return err;
	if (in_use(port->tx_users, &soft->tx, exclusive) ||
	    in_use(port->rx_users, &soft->rx, exclusive))
		return error_set(-EBUSY, "rings of \"%s\" are in use%s", port->name,
		    exclusive ? ", so they cannot be had exclusively" : " exclusively");
	if (has_header(port) && !(reg->nr_flags & NR_ACCEPT_VNET_HDR))
		return error_set(-EIO,
		    "packets of \"%s\" carry a virtio header; ask for NR_ACCEPT_VNET_HDR",
		    port->name);
	err = offsets_bind(port, &soft->tx, &soft->rx, offsets);
	if (err)
		return err;
	err = region_if_take(port->region, &soft->nifp, &soft->if_lock);
	if (err)
		return err;
	share_used(port->tx, port->tx_users, &soft->tx);
	share_used(port->rx, port->rx_users, &soft->rx);
	err = use_both(soft, port, exclusive);
	if (err) {
		region_if_give(port->region, soft->nifp, soft->if_lock);
		return err;
	}
	if_fill(soft, port);
	soft->extra_bufs = region_buffers_take(port->region,
	    or_default(reg->nr_extra_bufs, 0, SOFT_EXTRA_MAX), &soft->nifp->ni_bufs_head);
	soft->port = port;
	soft->mode = reg->nr_mode;
	soft->flags = reg->nr_flags;
	reply_fill(reg, soft, port);
	return 0;
}

static int request_check(const struct nmreq_register *reg, const struct device_opt_soft *soft)
{
	uint32_t buf_size = soft && soft->buffer_size ? soft->buffer_size : SOFT_BUF_DEFAULT;
	uint32_t mode = reg->nr_mode;

	if (buf_size < SOFT_BUF_MIN || buf_size > SOFT_BUF_MAX || buf_size % SOFT_BUF_UNIT)
		return error_set(-EINVAL,
		    "buffers of %u bytes: %u to %u in steps of %u are possible", buf_size,
		    SOFT_BUF_MIN, SOFT_BUF_MAX, SOFT_BUF_UNIT);

	if (mode != NR_REG_ALL_NIC && mode != NR_REG_ONE_NIC && mode != NR_REG_NULL &&
	    !wants_host(mode))
		return error_set(
		    -EINVAL, "register mode %u is not one that the soft device serves", mode);
	return 0;
}

/* NR_ZCOPY_MON by itself is a monitor of both directions, as in the module; the reply says so. */
static bool is_monitor(struct nmreq_register *reg)
{
	const uint64_t directions = NR_MONITOR_TX | NR_MONITOR_RX;

	if ((reg->nr_flags & (NR_ZCOPY_MON | directions)) == NR_ZCOPY_MON)
		reg->nr_flags |= directions;
	return reg->nr_flags & directions;
}

/* The slots that a monitor's request leaves open are the watched port's. */
static int monitor_get(
    struct port_request *request, const struct nmreq_register *reg, struct port **out)
{
	request->monitor_flags = reg->nr_flags;
	request->tx_slots = reg->nr_tx_slots;
	request->rx_slots = reg->nr_rx_slots;
	return registry_monitor(request, out);
}

/* The memory that was asked for, by id or as the program's own. */
static int region_get(
    struct port_request *request, const struct nmreq_register *reg, struct nmreq_opt_extmem *extmem)
{
	if (extmem && reg->nr_mem_id != 0)
		return error_set(-EINVAL,
		    "port \"%s\": memory of the program's own and region %u, both cannot be",
		    request->name, reg->nr_mem_id);
	if (extmem)
		return extmem_get(extmem, request, &request->region);
	return reg->nr_mem_id == 0
		   ? 0
		   : region_by_id(request->directory, reg->nr_mem_id, &request->region);
}

/* The port, in the region that was asked for: one that is open must be there already. */
static int port_get(struct port_request *request, struct nmreq_register *reg,
    struct nmreq_opt_extmem *extmem, struct soft *soft, struct port **out)
{
	int err;

	if (is_monitor(reg))
		return monitor_get(request, reg, out);
	err = region_get(request, reg, extmem);
	if (err)
		return err;
	if (request->region)
		request->buf_size = request->region->buf_size;
	err = reg->nr_mode == NR_REG_NULL
		  ? null_mode_get(request, out)
		  : registry_get(request, soft->tried, sizeof soft->tried, out);
	if (!err && request->region && (*out)->region != request->region) {
		err = error_set(-EINVAL, "port \"%s\" is in memory region %u, not in %u",
		    request->name, (*out)->region->id, request->region->id);
		registry_put(*out);
	}
	if (request->region)
		region_release(request->region);
	return err;
}

int soft_register(struct soft *soft, struct nmreq_header *header)
{
	struct nmreq_register *reg = (void *)(uintptr_t)header->nr_body;
	struct soft_options options;
	struct port_request request;
	struct port *port;
	int err;

	if (soft->port)
		return error_set(
		    -EBUSY, "this descriptor is bound to \"%s\" already", soft->port->name);
	err = soft_options_read(header, &options);
	if (!err)
		err = request_check(reg, options.soft);
	if (err)
		return err;
	request_fill(&request, header, reg, options.soft);
	if (options.soft && options.soft->spin_us)
		soft->spin_us = options.soft->spin_us == LOOM_SPIN_NONE ? 0 : options.soft->spin_us;
	registry_lock();
	err = port_get(&request, reg, options.extmem, soft, &port);
	if (!err) {
		err = bind_rings(soft, port, reg, options.offsets);
		if (err)
			registry_put(port);
		else if (is_monitor(reg))
			monitor_start(port, &soft->rx);
	}
	registry_unlock();
	if (!err && options.csb) {
		err = csb_enable(soft, options.csb);
		if (err)
			soft_unregister(soft);
	}
	hint_end(err == 0);
	return err;
}

int soft_register_sibling(struct soft *soft, const struct soft *bound, struct nmreq_register *reg)
{
	int err;

	if (!bound->port)
		return error_set(-ENXIO, "the descriptor is not bound to a port");
	registry_lock();
	bound->port->references++;
	err = bind_rings(soft, bound->port, reg, NULL);
	if (err)
		registry_put(bound->port);
	registry_unlock();
	hint_end(err == 0);
	return err;
}

static void count(uint32_t *users, const struct soft_range *range, bool exclusive)
{
	for (uint32_t i = range->first; i < range->end; i++)
		users[i] = exclusive ? PORT_EXCLUSIVE : users[i] + 1;
}

/* Exclusive or not: whoever passed it on has it too. Its rings have begun, there. */
void soft_register_adopted(struct soft *soft, struct port *port)
{
	bool exclusive = soft->flags & NR_EXCLUSIVE;

	count(port->tx_users, &soft->tx, exclusive);
	count(port->rx_users, &soft->rx, exclusive);
	soft->port = port;
}

void soft_unregister(struct soft *soft)
{
	struct port *port = soft->port;
	uint32_t extra;

	if (!port)
		return;
	kloop_close(&soft->kloop);
	soft->csb = (struct csb){0};
	registry_lock();
	soft_unwatch(soft);
	unuse(port->tx, port->tx_users, &soft->tx);
	unuse(port->rx, port->rx_users, &soft->rx);
	extra = soft->nifp->ni_bufs_head;
	if (region_if_give(port->region, soft->nifp, soft->if_lock) || !port->held_elsewhere)
		region_buffers_give(port->region, extra, soft->extra_bufs);
	registry_put(port);
	registry_unlock();
	soft->port = NULL;
}
