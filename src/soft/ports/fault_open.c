/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening a fault port: the port behind it, rings in that one's memory, and what its lanes hold packets in. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../soft.h"
#include "fault_port.h"

/* ---- a lane's memory ---- */

/* A buffer for each slot of the lane. */
static bool lane_fill(struct lane *lane)
{
	struct region *region = lane->outer->port->region;
	uint32_t buffer, got = region_buffers_take(region, lane->size, &buffer);

	if (got < lane->size) {
		region_buffers_give(region, buffer, got);
		return false;
	}
	for (uint32_t i = 0; i < lane->size && region_has_buffer(region, buffer); i++) {
		lane->state->slots[i] = (struct netmap_slot){.buf_idx = buffer};
		buffer = *region_buffer_link(region, buffer);
	}
	return true;
}

static void lane_drain(struct lane *lane)
{
	struct region *region = lane->outer->port->region;
	uint32_t head = 0;

	for (uint32_t i = 0; i < lane->size; i++) {
		uint32_t buffer = lane->state->slots[i].buf_idx;

		lane->state->slots[i].buf_idx = 0;
		/* A program's slots may leave anything in ours. */
		if (!region_has_buffer(region, buffer))
			continue;
		*region_buffer_link(region, buffer) = head;
		head = buffer;
	}
	region_buffers_give(region, head, lane->size);
}

static void lanes_drain(const struct fault *fault, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		lane_drain(&fault->lanes[i]);
}

static bool lanes_fill(const struct fault *fault, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!lane_fill(&fault->lanes[i])) {
			lanes_drain(fault, i);
			return false;
		}
	return true;
}

static void lane_init(struct lane *lane, struct fault *fault, struct port *port, uint32_t i)
{
	bool tx = i < port->num_tx;
	uint32_t index = tx ? i : i - port->num_tx;
	const struct fault_settings *settings = &fault->settings;
	struct ring *outer = tx ? &port->tx[index] : &port->rx[index];

	*lane = (struct lane){.settings = settings,
	    .outer = outer,
	    .inner = tx ? &fault->inner->tx[index] : &fault->inner->rx[index],
	    .state = &fault->states[i],
	    .size = lane_slots_for(settings),
	    .ignore = port->indirect ? 0 : NS_INDIRECT,
	    .timer = -1,
	    .pollset = -1,
	    .inner_fd = -1};
	lane->state->random = settings->seed << 20 ^ (uint64_t)index << 1 ^ tx;
	lane->state->soonest = UINT64_MAX;
	lane->state->taken = tx ? outer->rhead : lane->inner->rhead;
	lane->state->put = tx ? lane->inner->rhead : outer->hwtail;
	lane->state->released[outer->num_slots - 1] = lane->state->taken;
	outer->state = lane;
	if (tx && !settings->delay_ns)
		ring_start(
		    outer, 0, ring_distance(lane->inner, lane->inner->rhead, lane->inner->hwtail));
}

static void lane_close(struct lane *lane)
{
	if (lane->timer >= 0)
		close(lane->timer);
	if (lane->pollset >= 0)
		close(lane->pollset);
}

/* ---- open and close ---- */

/* With room in its memory for the lanes' slots, where it makes that. */
static int inner_open(struct fault *fault, const struct port_request *wanted, const char *name)
{
	struct port_request request = *wanted;
	char tried[256] = "";
	int err;

	request.name = request.ident = name;
	request.host = false;
	request.host_tx_rings = request.host_rx_rings = 0;
	request.first_bound = 0;
	request.end_bound = SOFT_RINGS_MAX;
	request.extra_bufs +=
	    (request.tx_rings + request.rx_rings) * lane_slots_for(&fault->settings);
	err = registry_get(&request, tried, sizeof tried, &fault->inner);
	if (err)
		return err;
	err = soft_port_take(fault->inner);
	if (err)
		registry_put(fault->inner);
	return err;
}

static void inner_close(struct fault *fault)
{
	soft_port_give(fault->inner);
	registry_put(fault->inner);
}

static int states_map(struct fault *fault, uint32_t n)
{
	void *memory = NULL;
	int fd, err;

	fault->states_size = n * sizeof *fault->states;
	fd = os_memory_create("pktloom-fault", fault->states_size);
	if (fd < 0)
		return fd;
	err = os_memory_map(fd, fault->states_size, &memory);
	close(fd);
	fault->states = memory;
	return err;
}

/* Only what no other fault than a loss meets is passed on without a look at what it points to. */
static bool passes_indirect(const struct fault *fault)
{
	return fault->inner->indirect && lane_slots_for(&fault->settings) == 0 &&
	       fault->settings.rate[LOOM_FAULT_CORRUPT] == 0;
}

/* The port's rings in that region, or in one of their own (NULL); the reference is given away. */
static int rings_build(struct port *port, const struct port_request *request, struct fault *fault,
    struct region *region)
{
	int err = port_build_own(port, request, region, false);

	if (err)
		return err;
	port->indirect = region && passes_indirect(fault);
	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++)
		lane_init(&fault->lanes[i], fault, port, i);
	if (lanes_fill(fault, port->num_tx + port->num_rx))
		return 0;
	port_unbuild(port);
	return error_set(
	    -ENOMEM, "memory region has no buffers left for what \"%s\" holds back", request->name);
}

/* Rings and slots as the inner port's, and in its memory: where that has no room, bytes have to be copied. */
static int rings_open(struct port *port, const struct port_request *wanted, struct fault *fault)
{
	struct port_request request = *wanted;
	struct port *inner = fault->inner;
	int err;

	request.tx_rings = inner->num_tx - inner->host_tx;
	request.rx_rings = inner->num_rx - inner->host_rx;
	request.tx_slots = inner->tx_slots;
	request.rx_slots = inner->rx_slots;
	request.host_tx_rings = request.host_rx_rings = 0;
	fault->lanes = calloc((size_t)port_request_rings(&request) + 1, sizeof *fault->lanes);
	err = fault->lanes ? states_map(fault, port_request_rings(&request)) : -ENOMEM;
	if (err)
		return error_set(err, "out of memory for \"%s\"", request.name);
	region_reference(inner->region);
	err = rings_build(port, &request, fault, inner->region);
	port->zero_copy = !err && inner->zero_copy;
	if (!err || wanted->region)
		return err;
	request.buf_size = inner->region->buf_size;
	request.extra_bufs += port_request_rings(&request) * lane_slots_for(&fault->settings);
	snprintf(port->mode, sizeof port->mode, "copies");
	return rings_build(port, &request, fault, NULL);
}

static void fault_free(struct fault *fault)
{
	if (fault->states)
		os_memory_unmap(fault->states, fault->states_size);
	free(fault->lanes);
	free(fault);
}

int fault_open(struct port *port, const struct port_request *request)
{
	struct fault *fault = calloc(1, sizeof *fault);
	const char *name;
	int err;

	if (!fault)
		return error_set(-ENOMEM, "out of memory for \"%s\"", request->name);
	err = fault_settings_read(request->ident, &fault->settings, &name);
	if (!err)
		err = inner_open(fault, request, name);
	if (!err) {
		port->state = fault;
		err = rings_open(port, request, fault);
		if (err)
			inner_close(fault);
	}
	if (err)
		fault_free(fault);
	return err;
}

/* What others still have is theirs; the memory takes it back with their end. */
void fault_close(struct port *port)
{
	struct fault *fault = port->state;
	uint32_t n = port->num_tx + port->num_rx;

	for (uint32_t i = 0; i < n; i++)
		lane_close(&fault->lanes[i]);
	if (!port->held_elsewhere)
		lanes_drain(fault, n);
	inner_close(fault);
	fault_free(fault);
}
