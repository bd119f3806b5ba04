/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * REGISTER requests from port names.
 */
#include "request.h"

#include <errno.h>
#include <string.h>

static bool rings_fit(const struct name_conf *conf)
{
	return conf->tx_rings <= UINT16_MAX && conf->rx_rings <= UINT16_MAX &&
	       conf->host_tx_rings <= UINT16_MAX && conf->host_rx_rings <= UINT16_MAX;
}

int name_format_request(
    const struct name *name, struct nmreq_header *header, struct nmreq_register *body)
{
	const struct name_conf *conf = &name->conf;

	if (name->device[0] == '\0' || !rings_fit(conf))
		return -EINVAL;
	*body = (struct nmreq_register){
	    .nr_mode = name->mode,
	    .nr_ringid = name->ring,
	    .nr_flags = name->flags,
	    .nr_mem_id = name->mem_id,
	    .nr_tx_rings = (uint16_t)conf->tx_rings,
	    .nr_rx_rings = (uint16_t)conf->rx_rings,
	    .nr_host_tx_rings = (uint16_t)conf->host_tx_rings,
	    .nr_host_rx_rings = (uint16_t)conf->host_rx_rings,
	    .nr_tx_slots = conf->tx_slots,
	    .nr_rx_slots = conf->rx_slots,
	};
	*header = (struct nmreq_header){
	    .nr_version = NETMAP_API,
	    .nr_reqtype = NETMAP_REQ_REGISTER,
	    .nr_body = (uintptr_t)body,
	};
	memcpy(header->nr_name, name->device, sizeof(header->nr_name));
	return 0;
}
