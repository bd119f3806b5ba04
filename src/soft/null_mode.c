/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * REGISTER in mode NULL: a window on memory that some port has, without rings to move. Each is a port
 * of its own, which nobody else can open.
 */
#include <errno.h>
#include <stdio.h>

#include "../base/error.h"
#include "soft.h"

static int window_open(struct port *port, const struct port_request *request)
{
	const struct port_layout window = {.region = request->owner->region};

	region_reference(window.region);
	/* The owner's memory may be more than the region is: it stays open as long as the window. */
	port->state = request->owner;
	return port_build(port, request, &window);
}

static void window_close(struct port *port)
{
	registry_put(port->state);
}

/* Without rings there is nothing to sync or to arm. */
static const struct port_kind window_kind = {
    .name = "null mode", .open = window_open, .close = window_close};

int null_mode_get(const struct port_request *wanted, uint32_t mem_id, struct port **out)
{
	struct port_request request = {.directory = wanted->directory};
	char name[NETMAP_REQ_IFNAMSIZ];
	int err;

	snprintf(name, sizeof name, "null:%.*s", (int)sizeof name - 6, wanted->name);
	request.name = request.ident = name;
	request.owner = registry_owner(mem_id);
	if (!request.owner)
		return error_set(-EINVAL, "there is no memory region %u", mem_id);
	err = registry_open(&window_kind, &request, out);
	if (err)
		registry_put(request.owner);
	return err;
}
