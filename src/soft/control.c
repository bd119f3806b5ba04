/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NIOCCTRL on the soft device: which request is it, and may it be answered at all. Headers and bodies
 * are the program's memory; each is read once.
 */
#include <errno.h>
#include <string.h>

#include "../base/error.h"
#include "soft.h"

static void info_fill(const struct port *port, struct nmreq_port_info_get *info)
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

/* A port that is not open is opened for the question, as the module does. */
static int port_info_get(struct nmreq_header *header)
{
	struct nmreq_port_info_get *info = (void *)(uintptr_t)header->nr_body;
	struct port_request request = {
	    .name = header->nr_name,
	    .tx_rings = 1,
	    .rx_rings = 1,
	    .tx_slots = SOFT_SLOTS_DEFAULT,
	    .rx_slots = SOFT_SLOTS_DEFAULT,
	    .buf_size = SOFT_BUF_DEFAULT,
	    .any_end = true,
	};
	char tried[256] = "";
	struct port *port;
	int err;

	registry_lock();
	err = registry_get(&request, tried, sizeof tried, &port);
	if (!err) {
		info_fill(port, info);
		registry_put(port);
	}
	registry_unlock();
	return err;
}

/* Requests of the contract that this device does not serve yet answer as a module built without them. */
static int dispatch(struct soft *soft, struct nmreq_header *header)
{
	switch (header->nr_reqtype) {
	case NETMAP_REQ_REGISTER:
		return soft_register(soft, header);
	case NETMAP_REQ_PORT_INFO_GET:
		return port_info_get(header);
	case NETMAP_REQ_VALE_ATTACH:
	case NETMAP_REQ_VALE_DETACH:
	case NETMAP_REQ_VALE_LIST:
	case NETMAP_REQ_PORT_HDR_SET:
	case NETMAP_REQ_PORT_HDR_GET:
	case NETMAP_REQ_VALE_NEWIF:
	case NETMAP_REQ_VALE_DELIF:
	case NETMAP_REQ_VALE_POLLING_ENABLE:
	case NETMAP_REQ_VALE_POLLING_DISABLE:
	case NETMAP_REQ_POOLS_INFO_GET:
	case NETMAP_REQ_SYNC_KLOOP_START:
	case NETMAP_REQ_SYNC_KLOOP_STOP:
	case NETMAP_REQ_CSB_ENABLE:
		return error_set(-EOPNOTSUPP, "request type %u is not served by the soft device",
		    header->nr_reqtype);
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
	if (header->nr_body == 0 && (header->nr_reqtype == NETMAP_REQ_REGISTER ||
					header->nr_reqtype == NETMAP_REQ_PORT_INFO_GET))
		return error_set(-EINVAL, "the request has no body");
	return dispatch((struct soft *)(void *)device, header);
}
