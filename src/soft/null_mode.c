/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * REGISTER in mode NULL: a window on memory that there is, without rings to move. Each is a port of its
 * own, which nobody else can open.
 */
#include <errno.h>
#include <stdio.h>

#include "../base/error.h"
#include "soft.h"

static int window_open(struct port *port, const struct port_request *request)
{
	struct region_claim none = {.fd = -1};

	region_reference(request->region);
	return port_build(port, request, request->region, &none, NULL);
}

static void window_close(struct port *port)
{
	(void)port;
}

/* Without rings there is nothing to sync or to arm. */
static const struct port_kind window_kind = {
    .name = "null mode", .open = window_open, .close = window_close};

int null_mode_get(const struct port_request *wanted, struct port **out)
{
	struct port_request request = {.directory = wanted->directory, .region = wanted->region};
	char name[NETMAP_REQ_IFNAMSIZ];

	if (!wanted->region)
		return error_set(-EINVAL, "mode NULL needs the id of a memory region that exists");
	snprintf(name, sizeof name, "null:%.*s", (int)sizeof name - 6, wanted->name);
	request.name = request.ident = name;
	return registry_open(&window_kind, &request, out);
}
