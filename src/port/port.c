/* SPDX-License-Identifier: BSD-2-Clause */
/* Ring handles, waiting, information and statistics of an open port. */
#include "port.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/error.h"

unsigned loom_tx_rings(const struct loom_port *port)
{
	return port->reg.nr_tx_rings;
}

unsigned loom_rx_rings(const struct loom_port *port)
{
	return port->reg.nr_rx_rings;
}

static bool has_host(const struct loom_port *port)
{
	uint32_t mode = port->reg.nr_mode;

	return mode == NR_REG_SW || mode == NR_REG_NIC_SW || mode == NR_REG_ONE_SW;
}

unsigned loom_host_tx_rings(const struct loom_port *port)
{
	return has_host(port) ? port->reg.nr_host_tx_rings : 0;
}

unsigned loom_host_rx_rings(const struct loom_port *port)
{
	return has_host(port) ? port->reg.nr_host_rx_rings : 0;
}

bool loom_port_is_host(const struct loom_port *port)
{
	return port->reg.nr_mode == NR_REG_SW || port->reg.nr_mode == NR_REG_ONE_SW;
}

struct netmap_if *loom_port_netmap_if(const struct loom_port *port)
{
	return port->map.nifp;
}

unsigned port_rings(const struct loom_port *port, bool tx)
{
	return tx ? (unsigned)port->reg.nr_tx_rings + port->reg.nr_host_tx_rings
		  : (unsigned)port->reg.nr_rx_rings + port->reg.nr_host_rx_rings;
}

struct device_ring *port_ring_at(const struct loom_port *port, bool tx, unsigned index)
{
	return port->device->ops->ring(port->device, tx, index);
}

int port_ring(const struct loom_port *port, bool tx, unsigned index, struct device_ring **out)
{
	unsigned n = port_rings(port, tx);

	if (index >= n)
		return error_set(-EINVAL, "port \"%s\" has %u %s ring%s, there is no ring %u",
		    port->name, n, tx ? "TX" : "RX", n == 1 ? "" : "s", index);
	*out = port_ring_at(port, tx, index);
	if (!*out)
		return error_set(-EINVAL,
		    "%s ring %u of port \"%s\" is not bound: the name's mode or flags leave it out",
		    tx ? "TX" : "RX", index, port->name);
	return lending_check_ring(port, tx, index);
}

/* Slots that one packet may have on a TX ring of so many. */
static uint32_t chain_max(const struct loom_port *port, uint32_t slots, bool host)
{
	uint32_t most = host ? 0 : port->map.chain_max;

	if (most == 0)
		most = NETMAP_MAX_FRAGS;
	return slots - 1 < most ? slots - 1 : most;
}

int loom_tx(struct loom_port *port, unsigned index, struct loom_txring *out)
{
	struct device_ring *ring;
	int err = port_ring(port, true, index, &ring);

	if (err)
		return err;
	*out = (struct loom_txring){
	    .ring = ring->ring,
	    .buffers =
		port->map.buffers + (size_t)LOOM_FIRST_BUFFER * port->map.buf_size + port->offset,
	    .num_slots = ring->ring->num_slots,
	    .buf_size = port->map.buf_size,
	    .num_bufs = port->map.num_bufs - LOOM_FIRST_BUFFER,
	    .frame_max = port->map.buf_room - port->offset,
	    .chain_max = chain_max(port, ring->ring->num_slots, index >= port->reg.nr_tx_rings),
	    .sync = &ring->sync,
	    .region = port->map.region,
	    .id = port->id,
	    .all_bufs = port->map.num_bufs - LOOM_FIRST_BUFFER,
	    .offset_mask = ring->ring->offset_mask,
	};
	if (out->offset_mask)
		out->num_bufs = 0; /* every slot is looked at out of line */
	return 0;
}

static uint64_t bits_from(uint32_t least)
{
	uint64_t below = 1;

	while (below * 2 <= least)
		below *= 2;
	return ~(below - 1);
}

/*
 * The bits no ordinary slot has: an index or a length at or above the largest power of two that the region
 * and the buffers hold, and the flags that need a decision. Such a slot may still be right; it is
 * looked at out of line. With offsets every slot is, but for an empty packet in the first buffer, which
 * has nothing to find.
 */
static uint64_t unusual_bits(const struct device_map *map, uint64_t offset_mask)
{
	uint64_t index = bits_from(map->num_bufs - LOOM_FIRST_BUFFER) & 0xffffffffu;
	uint64_t len = bits_from(map->buf_size) & 0xffffu;
	uint64_t flags = NS_MOREFRAG | NS_INDIRECT;

	return offset_mask ? UINT64_MAX : index | len << 32 | flags << 48;
}

int loom_rx(struct loom_port *port, unsigned index, struct loom_rxring *out)
{
	struct device_ring *ring;
	int err = port_ring(port, false, index, &ring);

	if (err)
		return err;
	*out = (struct loom_rxring){
	    .ring = ring->ring,
	    .buffers = port->map.buffers + (size_t)LOOM_FIRST_BUFFER * port->map.buf_size,
	    .unusual = unusual_bits(&port->map, ring->ring->offset_mask),
	    .num_slots = ring->ring->num_slots,
	    .buf_size = port->map.buf_size,
	    .num_bufs = port->map.num_bufs - LOOM_FIRST_BUFFER,
	    .sync = &ring->sync,
	    .region = port->map.region,
	    .id = port->id,
	    .offset_mask = ring->ring->offset_mask,
	};
	return 0;
}

/* The verbs move head alone; netmap's poll looks at cur. */
static void cur_follow(const struct loom_port *port, bool tx)
{
	for (unsigned i = 0; i < port_rings(port, tx); i++) {
		struct device_ring *ring = port_ring_at(port, tx, i);

		if (ring)
			ring->ring->cur = ring->ring->head;
	}
}

int loom_port_wait(struct loom_port *port, int events, int timeout_ms)
{
	short wanted = (short)((events & LOOM_RX ? POLLIN : 0) | (events & LOOM_TX ? POLLOUT : 0));
	bool entered;
	int found;

	if (!wanted || events & ~(LOOM_RX | LOOM_TX))
		return error_set(-EINVAL,
		    "port \"%s\": events to wait for are LOOM_RX, LOOM_TX or both", port->name);
	found = lending_check(port);
	if (found)
		return found;
	entered = port_wait_begin(port, events);
	cur_follow(port, true);
	cur_follow(port, false);
	found = port->device->ops->poll(port->device, wanted, timeout_ms);
	if (entered)
		port_wait_end(port, events);
	if (found < 0)
		return found;
	return (found & POLLIN ? LOOM_RX : 0) | (found & POLLOUT ? LOOM_TX : 0) |
	       (found & POLLERR ? LOOM_ERROR : 0);
}

int loom_port_fd(struct loom_port *port)
{
	int err = lending_check(port);

	return err ? err : port->device->ops->fd(port->device);
}

int loom_port_info(const struct loom_port *port, struct loom_info *out)
{
	const struct nmreq_register *reg = &port->reg;

	memset(out, 0, sizeof *out);
	snprintf(out->tried, sizeof out->tried, "%s", port->tried);
	port->device->ops->describe(port->device, out);
	snprintf(out->name, sizeof out->name, "%s", port->name);
	out->host = loom_port_is_host(port);
	out->tx_rings = reg->nr_tx_rings;
	out->rx_rings = reg->nr_rx_rings;
	out->host_tx_rings = loom_host_tx_rings(port);
	out->host_rx_rings = loom_host_rx_rings(port);
	out->tx_slots = reg->nr_tx_slots;
	out->rx_slots = reg->nr_rx_slots;
	out->buffer_size = port->map.buf_size;
	out->max_payload =
	    (port->map.buf_room - port->offset) * chain_max(port, out->tx_slots, out->host);
	out->extra_buffers = reg->nr_extra_bufs;
	return 0;
}

/* Counters have one writer each and are read without locks: see struct loom_stats. */
__attribute__((no_sanitize("thread"))) static void stats_add(
    struct loom_stats *sum, const struct device_ring *ring)
{
	const struct loom_counters *count = loom_counters(ring->ring);
	uint64_t slots = ring->stats.packets;
	uint64_t fragments = ring->ring->dir ? ring->fragments : count->fragments;

	sum->packets += slots > fragments ? slots - fragments : 0;
	sum->bytes += count->bytes;
	sum->syncs += ring->stats.syncs;
	sum->waits += ring->stats.waits;
	sum->wakeups += ring->stats.wakeups;
	for (unsigned i = 0; i < LOOM_DROP_REASONS; i++)
		sum->drops[i] += ring->stats.drops[i];
	for (unsigned i = 0; i < LOOM_FAULTS; i++)
		sum->faults[i] += ring->stats.faults[i];
}

static void stats_sum(const struct loom_port *port, bool tx, struct loom_stats *out)
{
	memset(out, 0, sizeof *out);
	for (unsigned i = 0; i < port_rings(port, tx); i++) {
		const struct device_ring *ring = port_ring_at(port, tx, i);

		if (ring)
			stats_add(out, ring);
	}
}

int loom_port_stats(const struct loom_port *port, struct loom_stats *tx, struct loom_stats *rx)
{
	if (tx)
		stats_sum(port, true, tx);
	if (rx)
		stats_sum(port, false, rx);
	return 0;
}

static int ring_stats(const struct loom_sync *sync, struct loom_stats *out)
{
	memset(out, 0, sizeof *out);
	stats_add(out, (const struct device_ring *)(const void *)sync);
	return 0;
}

int loom_tx_stats(const struct loom_txring *tx, struct loom_stats *out)
{
	port_id_check(tx->id, __func__);
	return ring_stats(tx->sync, out);
}

int loom_rx_stats(const struct loom_rxring *rx, struct loom_stats *out)
{
	port_id_check(rx->id, __func__);
	return ring_stats(rx->sync, out);
}

int loom_kind_at(unsigned index, struct loom_kind *out)
{
	return soft_kind_at(index, out);
}

const char *loom_drop_name(enum loom_drop reason)
{
	static const char *const names[LOOM_DROP_REASONS] = {
	    [LOOM_DROP_BAD_INDEX] = "bad-index",
	    [LOOM_DROP_BAD_LENGTH] = "bad-length",
	    [LOOM_DROP_BAD_PEER] = "bad-peer",
	    [LOOM_DROP_OVERSIZED] = "oversized",
	    [LOOM_DROP_NO_ROOM] = "no-room",
	    [LOOM_DROP_REFUSED] = "refused",
	};

	return (unsigned)reason < LOOM_DROP_REASONS ? names[reason] : "unknown";
}

const char *loom_fault_name(enum loom_fault fault)
{
	static const char *const names[LOOM_FAULTS] = {
	    [LOOM_FAULT_LOSS] = "loss",
	    [LOOM_FAULT_CORRUPT] = "corrupt",
	    [LOOM_FAULT_DUP] = "dup",
	    [LOOM_FAULT_REORDER] = "reorder",
	    [LOOM_FAULT_DELAY] = "delay",
	};

	return (unsigned)fault < LOOM_FAULTS ? names[fault] : "unknown";
}
