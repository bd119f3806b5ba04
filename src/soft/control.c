/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NIOCCTRL on the soft device: which request is it, and may it be answered at all. Headers and bodies
 * are the program's memory; each is read once.
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "../base/error.h"
#include "keeper.h"
#include "ports/switch_control.h"
#include "soft.h"

static void *body_of(const struct nmreq_header *header)
{
	return (void *)(uintptr_t)header->nr_body;
}

static bool is_pipe(const char *name)
{
	return strpbrk(name, "{}") != NULL;
}

/* Of a port that is open here: true, and *err, if its kind has headers of its own. */
static bool own_header(const char *name, struct nmreq_port_hdr *body, bool set, int *err)
{
	struct port *port;

	registry_lock();
	port = registry_find(name, NULL);
	if (port && !port->kind->header_set)
		port = NULL;
	if (port && set)
		*err = port->kind->header_set(port, body->nr_hdr_len);
	else if (port)
		body->nr_hdr_len = port->kind->header(port);
	registry_unlock();
	return port != NULL;
}

/* Pipes have no header: one that is open here says 0, one that is not is no device. */
static int header_length(const struct nmreq_header *header, struct nmreq_port_hdr *body, bool set)
{
	struct port_request request = {.name = header->nr_name, .any_end = true};
	int err = 0;

	if (own_header(header->nr_name, body, set, &err))
		return err;
	if (!is_pipe(header->nr_name))
		return set ? switch_header_set(NULL, header->nr_name, body->nr_hdr_len)
			   : switch_header_get(NULL, header->nr_name, &body->nr_hdr_len);
	if (set)
		return error_set(
		    -ENXIO, "\"%s\" is a pipe: it has no header to set", header->nr_name);
	if (!registry_has(&request))
		return error_set(-ENODEV, "pipe \"%s\" is not open", header->nr_name);
	body->nr_hdr_len = 0;
	return 0;
}

/* Every request of the contract that has a body is refused without one. */
static bool needs_body(uint16_t type)
{
	return type != NETMAP_REQ_VALE_DELIF && type != NETMAP_REQ_VALE_POLLING_DISABLE &&
	       type != NETMAP_REQ_SYNC_KLOOP_STOP && type != NETMAP_REQ_CSB_ENABLE;
}

/* Memory pools are not served: as by a module built without them. */
static int dispatch(struct soft *soft, struct nmreq_header *header)
{
	switch (header->nr_reqtype) {
	case NETMAP_REQ_REGISTER:
		return soft_register(soft, header);
	case NETMAP_REQ_PORT_INFO_GET:
		return soft_port_info(header);
	case NETMAP_REQ_POOLS_INFO_GET:
		return soft_pools_info(header);
	case NETMAP_REQ_VALE_ATTACH:
		return keeper_attach(header->nr_name, body_of(header));
	case NETMAP_REQ_VALE_DETACH:
		return keeper_detach(header->nr_name, body_of(header));
	case NETMAP_REQ_VALE_LIST:
		return switch_list(NULL, header->nr_name, body_of(header));
	case NETMAP_REQ_PORT_HDR_SET:
		return header_length(header, body_of(header), true);
	case NETMAP_REQ_PORT_HDR_GET:
		return header_length(header, body_of(header), false);
	case NETMAP_REQ_VALE_NEWIF:
		return switch_kept_create(NULL, header->nr_name, body_of(header));
	case NETMAP_REQ_VALE_DELIF:
		return switch_kept_remove(NULL, header->nr_name);
	case NETMAP_REQ_VALE_POLLING_ENABLE:
		return keeper_polling_enable(header->nr_name, body_of(header));
	case NETMAP_REQ_VALE_POLLING_DISABLE:
		return keeper_polling_disable(header->nr_name);
	case NETMAP_REQ_SYNC_KLOOP_START:
		return kloop_start(soft, header);
	case NETMAP_REQ_SYNC_KLOOP_STOP:
		return kloop_stop(soft);
	case NETMAP_REQ_CSB_ENABLE:
		return csb_control(soft, header);
	default:
		return error_set(-EINVAL, "request type %u is unknown", header->nr_reqtype);
	}
}

int soft_control(struct device *device, struct nmreq_header *header)
{
	if (header->nr_version < NETMAP_MIN_API || header->nr_version > NETMAP_MAX_API)
		return error_set(-EINVAL, "netmap API %u, but %u to %u are understood",
		    header->nr_version, NETMAP_MIN_API, NETMAP_MAX_API);
	if (header->nr_reserved != 0)
		return error_set(-EINVAL, "nr_reserved is %u, must be 0", header->nr_reserved);
	if (memchr(header->nr_name, 0, sizeof header->nr_name) == NULL)
		return error_set(
		    -ENXIO, "the port name has no end within %zu bytes", sizeof header->nr_name);
	if (header->nr_body == 0 && needs_body(header->nr_reqtype))
		return error_set(-EINVAL, "the request has no body");
	return dispatch((struct soft *)(void *)device, header);
}
